"""Readers of the words that are ours: what tc-netem(8) cannot say."""

from collections.abc import Callable
from functools import partial
from typing import Any

from netem.spec.errors import SpecError
from netem.spec.model import Blackhole, Filter
from netem.spec.quantity import parse_integer, parse_time_ns
from netem.spec.words import Words

Draft = dict[str, Any]

_time = partial(parse_time_ns, bare_ns=None)
_packet_number = partial(parse_integer, what="packet number")


def _range(text: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    return _packet_number(first), _packet_number(last if dash else first)


def _ranges(word: str) -> tuple[tuple[int, int], ...]:
    return tuple(_range(part) for part in word.split(","))


def _read_drop_list(words: Words, ours: Draft) -> None:
    ours["drop_list"] = words.read("packet numbers", _ranges)


def _read_blackhole(words: Words, ours: Draft) -> None:
    start_ns = words.read("the time from which", _time)
    hole = Blackhole(start_ns, words.read("the time for which", _time))
    ours["blackholes"] = (*ours.get("blackholes", ()), hole)


def _flag(name: str, *, value: bool) -> Callable[[Words, Draft], None]:
    def read(words: Words, ours: Draft) -> None:
        if name in ours:
            raise SpecError("contradicts an earlier word", word=words.word, position=words.position)
        ours[name] = value

    return read


def _read_correlation(words: Words, ours: Draft) -> None:
    kind = words.take("exact or true")
    if kind not in ("exact", "true"):
        raise SpecError("is no kind of correlation", word=kind, position=words.position, hint="write exact or true")
    ours["true_correlation"] = kind == "true"


def _read_trace(words: Words, ours: Draft) -> None:
    ours["trace"] = words.take("the name of a trace")


def _read_filter(words: Words, ours: Draft) -> None:
    given: Draft = {}
    while words.peek() in ("family", "protocol", "port"):
        name = words.take("a field")
        if name in given:
            raise SpecError("is given twice", word=name, position=words.position)
        given[name] = words.read("a port", partial(parse_integer, what="port")) if name == "port" else words.take(name)
    ours["filter"] = Filter(**given)


OUR_READERS: dict[str, Callable[[Words, Draft], None]] = {
    "drop-list": _read_drop_list,
    "blackhole": _read_blackhole,
    "keep-order": _flag("keep_order", value=True),
    "per-segment": _flag("per_segment", value=True),
    "per-skb": _flag("per_segment", value=False),
    "correlation": _read_correlation,
    "trace": _read_trace,
    "filter": _read_filter,
    "nd": _flag("impair_nd", value=True),
}
