"""Text to model: the grammar of tc-netem(8) as `iproute2 tc/q_netem.c` reads it, and our own words beside it.

One function per keyword takes words from the cursor and fills the draft; what needs two keywords is settled at the
end. What tc takes only by accident (hexadecimal numbers, a repeated keyword) is refused; docs/link.md lists these.
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
from netem.spec.parse_ours import OUR_READERS
from netem.spec.quantity import (
    complement,
    parse_integer,
    parse_probability,
    parse_rate_bps,
    parse_size,
    parse_time_ns,
)
from netem.spec.words import Words

MAX_TEXT = 64 * 1024  # characters; a long drop list is a few thousand

# tc up to 6.8 reads a bare delay as microseconds, later ones as nanoseconds; every tc reads a bare slot as nanoseconds
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
    draft["distribution"] = words.take("a distribution")


def _read_loss(words: Words, draft: Draft) -> None:
    if words.peek()[:1].isdecimal():
        draft["loss"] = RandomLoss(*words.probability_and_correlation())
        return
    model = words.take("a percentage or a loss model")
    reader = _LOSS_READERS.get(model)
    if reader is None:
        raise SpecError(
            "is no loss model",
            word=model,
            position=words.position,
            hint="write loss PERCENT, loss random, loss state or loss gemodel",
        )
    draft["loss"] = reader(words)


def _read_random(words: Words) -> Loss:
    return RandomLoss(*words.probability_and_correlation())


def _probabilities(words: Words, at_most: int) -> list[float]:
    values = [words.read("a percentage", parse_probability)]
    while len(values) < at_most and words.peek()[:1].isdecimal():
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
    elif words.take("a time or the word distribution") == "distribution":
        slot["distribution"] = words.take("a distribution")
        slot["delay_ns"] = words.read("a delay", _slot_time)
        slot["jitter_ns"] = words.read("a jitter", _slot_time)
    else:
        raise SpecError("is neither a time nor the word distribution", word=words.word, position=words.position)
    for name, field in (("packets", "max_packets"), ("bytes", "max_bytes")):
        if words.peek() and name.startswith(words.peek()):
            words.take(name)
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


def _settle_reorder(draft: Draft) -> Reorder | None:
    """Join `reorder` and `gap` as tc does: no gap given is a gap of 1."""
    gap: int = draft.pop("gap", 0)
    probability, correlation = draft.pop("reorder", (0.0, None))
    if gap and not probability:
        raise SpecError("has nothing to count without a reorder probability", word="gap", hint="add reorder PERCENT")
    return None if correlation is None else Reorder(probability, correlation, gap or 1)


def _settle_delay(draft: Draft) -> Delay | None:
    distribution: str | None = draft.pop("distribution", None)
    delay_ns, jitter_ns, correlation = draft.pop("delay", (None, 0, 0.0))
    if delay_ns is None and distribution is None:
        return None
    return Delay(delay_ns or 0, jitter_ns, correlation, distribution)


def _settle(draft: Draft) -> Impairment:
    """Join the keywords that belong together and check the whole."""
    return Impairment(reorder=_settle_reorder(draft), delay=_settle_delay(draft), **draft)


def _read_one(words: Words, draft: Draft, ours: Draft, seen: dict[str, int]) -> None:
    word = words.take("a keyword")
    name = keyword(word)
    start = words.position
    if name is None:
        raise SpecError("is no keyword", word=word, position=start, hint="see docs/link.md for the words")
    if name in seen and name != "blackhole":
        raise SpecError("is given twice", word=word, position=start, hint="give each keyword once")
    seen[name] = start
    if name in OUR_READERS:
        OUR_READERS[name](words, ours)
    else:
        READERS[name](words, draft)


def parse(text: str) -> Impairment:
    """Return the impairment that `text` describes; an empty text is a plain link.

    Raises SpecError with the word, its position, the reason and the hint.
    """
    if len(text) > MAX_TEXT:
        raise SpecError(f"a text of {len(text)} characters; {MAX_TEXT} are the most")
    words, draft, ours = Words(text), Draft(), Draft()
    seen: dict[str, int] = {}
    try:
        while words.more():
            _read_one(words, draft, ours, seen)
        draft["extension"] = Extension(**ours)
        return _settle(draft)
    except SpecError as error:
        raise error if error.position is not None else error.at(seen.get(error.token)) from None
