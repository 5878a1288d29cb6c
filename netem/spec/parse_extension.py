"""Readers of the extensions to tc-netem(8)."""

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


def _read_drop_list(words: Words, extension: Draft) -> None:
    extension["drop_list"] = words.read("packet numbers", _ranges)


def _read_blackhole(words: Words, extension: Draft) -> None:
    start_ns = words.read("a start time", _time)
    hole = Blackhole(start_ns, words.read("a duration", _time))
    extension["blackholes"] = (*extension.get("blackholes", ()), hole)


def _flag(name: str, *, value: bool) -> Callable[[Words, Draft], None]:
    def read(words: Words, extension: Draft) -> None:
        if name in extension:
            raise SpecError("contradicts an earlier word", word=words.word, position=words.position)
        extension[name] = value

    return read


def _read_correlation(words: Words, extension: Draft) -> None:
    kind = words.next("exact or true")
    if kind not in ("exact", "true"):
        raise SpecError("is not a kind of correlation", word=kind, position=words.position, hint="write exact or true")
    extension["true_correlation"] = kind == "true"


def _read_trace(words: Words, extension: Draft) -> None:
    extension["trace"] = words.next("the name of a trace")


def _read_filter(words: Words, extension: Draft) -> None:
    fields: Draft = {}
    while words.peek() in ("family", "protocol", "port"):
        name = words.next("a field")
        if name in fields:
            raise SpecError("is repeated", word=name, position=words.position)
        fields[name] = words.read("a port", partial(parse_integer, what="port")) if name == "port" else words.next(name)
    extension["filter"] = Filter(**fields)


EXTENSION_READERS: dict[str, Callable[[Words, Draft], None]] = {
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
