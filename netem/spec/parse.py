"""Text to model: the grammar of tc-netem(8) as `iproute2 tc/q_netem.c` parses it, and the extensions.

One function per keyword reads words from the cursor and fills the draft; settings that combine two keywords are joined
at the end. Texts that tc accepts only by accident (hexadecimal numbers, a repeated keyword) are rejected; docs/link.md
lists them.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from netem.spec.errors import SpecError
from netem.spec.grammar import keyword
from netem.spec.model import (
    Corrupt,
    Delay,
    Duplicate,
    Extension,
    GilbertElliottLoss,
    Impairment,
    Loss,
    RandomLoss,
    Rate,
    Reorder,
    Slot,
    StateLoss,
)
from netem.spec.parse_extension import EXTENSION_READERS
from netem.spec.quantity import (
    complement,
    parse_integer,
    parse_probability,
    parse_rate_bps,
    parse_size,
    parse_time_ns,
)
from netem.spec.words import Words

MAX_TEXT_CHARACTERS = 64 * 1024  # characters; a long drop list is a few thousand

# tc up to 6.8 reads a delay without unit as microseconds, later versions as nanoseconds; a slot is always nanoseconds
_delay_time = partial(parse_time_ns, bare_ns=1000)
_slot_time = partial(parse_time_ns, bare_ns=1)
_integer = partial(parse_integer, what="integer")

Draft = dict[str, Any]


def _read_limit(words: Words, draft: Draft) -> None:
    draft["limit_packets"] = words.read("a number of packets", parse_size)


def _read_delay(words: Words, draft: Draft) -> None:
    delay_ns = words.read("a time", _delay_time)
    jitter_ns = words.optional("a jitter", _delay_time, -1)
    correlation = words.optional("a correlation", parse_probability, 0.0) if jitter_ns >= 0 else 0.0
    draft["delay"] = (delay_ns, max(jitter_ns, 0), correlation)


def _read_distribution(words: Words, draft: Draft) -> None:
    draft["distribution"] = words.next("a distribution")


def _read_loss(words: Words, draft: Draft) -> None:
    if words.peek()[:1].isdecimal():
        draft["loss"] = RandomLoss(*words.probability_and_correlation())
        return
    model = words.next("a percentage or a loss model")
    reader = _LOSS_READERS.get(model)
    if reader is None:
        raise SpecError(
            "is not a loss model",
            word=model,
            position=words.position,
            hint="write loss PERCENT, loss random, loss state or loss gemodel",
        )
    draft["loss"] = reader(words)


def _read_random(words: Words) -> Loss:
    return RandomLoss(*words.probability_and_correlation())


def _probabilities(words: Words, max_count: int) -> list[float]:
    values = [words.read("a percentage", parse_probability)]
    while len(values) < max_count and words.peek()[:1].isdecimal():
        values.append(words.read("a percentage", parse_probability))
    return values


def _read_state(words: Words) -> Loss:
    values = _probabilities(words, 5)
    return StateLoss(values[0], *(values[1:] or [complement(values[0])]))


def _read_gemodel(words: Words) -> Loss:
    values = _probabilities(words, 4)
    return GilbertElliottLoss(values[0], *(values[1:] or [complement(values[0])]))


_LOSS_READERS: dict[str, Callable[[Words], Loss]] = {
    "random": _read_random,
    "state": _read_state,
    "gemodel": _read_gemodel,
}


def _read_seed(words: Words, draft: Draft) -> None:
    draft["seed"] = words.read("a number", _integer)


def _read_ecn(_words: Words, draft: Draft) -> None:
    draft["ecn"] = True


def _read_reorder(words: Words, draft: Draft) -> None:
    draft["reorder"] = words.probability_and_correlation()


def _read_gap(words: Words, draft: Draft) -> None:
    draft["gap"] = words.read("a distance", _integer)


def _read_corrupt(words: Words, draft: Draft) -> None:
    draft["corrupt"] = Corrupt(*words.probability_and_correlation())


def _read_duplicate(words: Words, draft: Draft) -> None:
    draft["duplicate"] = Duplicate(*words.probability_and_correlation())


def _read_rate(words: Words, draft: Draft) -> None:
    rate_bps = words.read("a rate", parse_rate_bps)
    overhead_bytes = words.optional("a packet overhead", _integer, 0, signed=True)
    cell_bytes = words.optional("a cell size", _integer, 0)
    cell_overhead_bytes = words.optional("a cell overhead", _integer, 0, signed=True)
    draft["rate"] = Rate(rate_bps, overhead_bytes, cell_bytes, cell_overhead_bytes)


def _read_slot(words: Words, draft: Draft) -> None:
    slot: Draft = {}
    if words.peek()[:1].isdecimal():
        slot["min_ns"] = words.read("a time", _slot_time)
        slot["max_ns"] = words.optional("a time", _slot_time, slot["min_ns"])
    elif words.next("a time or distribution") == "distribution":
        slot["distribution"] = words.next("a distribution")
        slot["delay_ns"] = words.read("a delay", _slot_time)
        slot["jitter_ns"] = words.read("a jitter", _slot_time)
    else:
        raise SpecError("is neither a time nor distribution", word=words.word, position=words.position)
    for name, field in (("packets", "max_packets"), ("bytes", "max_bytes")):
        if words.peek() and name.startswith(words.peek()):
            words.next(name)
            slot[field] = words.read(f"a number of {name}", _integer if name == "packets" else parse_size)
    draft["slot"] = Slot(**slot)


READERS: dict[str, Callable[[Words, Draft], None]] = {
    "limit": _read_limit,
    "delay": _read_delay,
    "loss": _read_loss,
    "seed": _read_seed,
    "ecn": _read_ecn,
    "reorder": _read_reorder,
    "corrupt": _read_corrupt,
    "gap": _read_gap,
    "duplicate": _read_duplicate,
    "distribution": _read_distribution,
    "rate": _read_rate,
    "slot": _read_slot,
}


def _join_reorder(draft: Draft) -> Reorder | None:
    """Join `reorder` and `gap` as tc does: the default gap is 1."""
    gap: int = draft.pop("gap", 0)
    probability, correlation = draft.pop("reorder", (0.0, None))
    if gap and not probability:
        raise SpecError("requires a reorder probability", word="gap", hint="add reorder PERCENT")
    return None if correlation is None else Reorder(probability, correlation, gap or 1)


def _join_delay(draft: Draft) -> Delay | None:
    distribution: str | None = draft.pop("distribution", None)
    delay_ns, jitter_ns, correlation = draft.pop("delay", (None, 0, 0.0))
    if delay_ns is None and distribution is None:
        return None
    return Delay(delay_ns or 0, jitter_ns, correlation, distribution)


def _build_impairment(draft: Draft) -> Impairment:
    """Join the keywords that belong together and check the combination."""
    return Impairment(reorder=_join_reorder(draft), delay=_join_delay(draft), **draft)


def _read_one(words: Words, draft: Draft, extension: Draft, positions: dict[str, int]) -> None:
    word = words.next("a keyword")
    name = keyword(word)
    start = words.position
    if name is None:
        raise SpecError("is not a keyword", word=word, position=start, hint="docs/link.md lists the keywords")
    if name in positions and name != "blackhole":
        raise SpecError("is repeated", word=word, position=start, hint="give each keyword once")
    positions[name] = start
    if name in EXTENSION_READERS:
        EXTENSION_READERS[name](words, extension)
    else:
        READERS[name](words, draft)


def parse(text: str) -> Impairment:
    """Return the impairment that `text` describes; an empty text impairs nothing.

    Raises SpecError with the word, its position, the reason and the hint.
    """
    if len(text) > MAX_TEXT_CHARACTERS:
        raise SpecError(f"the text has {len(text)} characters; the maximum is {MAX_TEXT_CHARACTERS}")
    words, draft, extension = Words(text), Draft(), Draft()
    positions: dict[str, int] = {}
    try:
        while words.more():
            _read_one(words, draft, extension, positions)
        draft["extension"] = Extension(**extension)
        return _build_impairment(draft)
    except SpecError as error:
        raise error if error.position is not None else error.at(positions.get(error.token)) from None
