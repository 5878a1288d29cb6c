"""Choose cells by an expression over their fields: `family == ipv6 and delay >= 1s and not server == c`.

    expression = conjunction { "or" conjunction }
    conjunction = condition { "and" condition }
    condition = "not" condition | "(" expression ")" | FIELD OPERATOR VALUE
    OPERATOR = "==" | "!=" | "<" | "<=" | ">" | ">=" | "~" | "!~"

A value is a word or a text in quotes. It is read as a scenario file reads the value of that field, units included. `~`
compares the text of a field, or the id, with a glob pattern. Parsing is by recursive descent; nothing is evaluated but
comparisons.
"""

import difflib
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Annotated, Any, Final, NoReturn, get_args

from pydantic import TypeAdapter, ValidationError

from testbed.errors import InputError
from testbed.scenario.expand import PlannedCell
from testbed.scenario.messages import sentence
from testbed.scenario.model import FIELDS, RECORD_KEYS, Cell

Predicate = Callable[[PlannedCell], bool]
"""Whether a cell is chosen."""

ID: Final = "id"
NONE: Final = "none"
"""The value of a field that is not set, where a field can be."""

MAX_DEPTH: Final = 50
"""Of parentheses and `not`: more than anyone writes, and less than what Python's stack holds."""

_ATTRIBUTES: Final = {(info.alias or name): name for name, info in Cell.model_fields.items()}
_GLOBS_ONLY: Final = ("profile", "sysctl")
"""Their values are lists and mappings, which have no single text to compare with."""

_TOKEN: Final = re.compile(
    r"""\s*(?: (?P<sign>[()]) | (?P<operator>==|!=|<=|>=|!~|~|<|>) | (?P<quoted>"[^"]*"|'[^']*')
    | (?P<word>[^\s()=!<>~"']+) | (?P<wrong>\S) )""",
    re.VERBOSE,
)
_ORDERS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_HINT: Final = "such as: family == ipv6 and delay >= 1s and not id ~ 'py-*'"


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    column: int


class _Parser:
    """The tokens of one expression, read from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._scan()
        self._next = 0
        self._depth = 0

    def _fail(self, token: _Token, message: str, hint: str = _HINT) -> NoReturn:
        shown = " ".join(self._text.split("\n"))
        raise InputError(
            [f"--filter:{token.column}: {message}", f"  {shown}", f"  {' ' * (token.column - 1)}^"], hint=hint
        )

    def _scan(self) -> list[_Token]:
        tokens = []
        end = len(self._text.rstrip())
        position = 0
        while position < end and (match := _TOKEN.match(self._text, position)):
            assert match.lastgroup
            token = _Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup) + 1)
            if token.kind == "wrong":
                hint = "compare with ==" if token.text == "=" else _HINT
                what = (
                    "a quotation mark without its counterpart" if token.text in "\"'" else f"unexpected {token.text!r}"
                )
                self._fail(token, what, hint)
            tokens.append(token)
            position = match.end()
        return [*tokens, _Token("end", "", end + 1)]

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        self._next += token.kind != "end"
        return token

    def _accept(self, kind: str, text: str) -> bool:
        token = self._peek()
        if (token.kind, token.text) != (kind, text):
            return False
        self._take()
        return True

    def parse(self) -> Predicate:
        """Return the predicate of the whole expression; raises InputError."""
        if self._peek().kind == "end":
            self._fail(self._peek(), "an empty expression chooses nothing")
        found = self._any_of()
        rest = self._peek()
        if rest.kind != "end":
            self._fail(rest, f"expected `and`, `or` or the end, not {_shown(rest)}")
        return found

    def _any_of(self) -> Predicate:
        parts = [self._all_of()]
        while self._accept("word", "or"):
            parts.append(self._all_of())
        return parts[0] if len(parts) == 1 else lambda planned: any(part(planned) for part in parts)

    def _all_of(self) -> Predicate:
        parts = [self._condition()]
        while self._accept("word", "and"):
            parts.append(self._condition())
        return parts[0] if len(parts) == 1 else lambda planned: all(part(planned) for part in parts)

    def _condition(self) -> Predicate:
        first = self._peek()
        if not (self._accept("word", "not") or self._accept("sign", "(")):
            return self._comparison()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._fail(first, f"nested more than {MAX_DEPTH} deep")
        if first.text == "not":
            found = _negated(self._condition())
        else:
            found = self._any_of()
            if not self._accept("sign", ")"):
                self._fail(
                    self._peek(), f"expected `)` for the `(` in column {first.column}, not {_shown(self._peek())}"
                )
        self._depth -= 1
        return found

    def _comparison(self) -> Predicate:
        name = self._take()
        if name.kind != "word":
            self._fail(name, f"expected a field, not {_shown(name)}")
        if name.text != ID and name.text not in FIELDS:
            near = difflib.get_close_matches(name.text, [ID, *FIELDS], n=1)
            self._fail(
                name,
                f"unknown field {name.text!r}",
                f"did you mean {near[0]!r}?" if near else f"a field of a scenario, or {ID}",
            )
        sign = self._take()
        if sign.kind != "operator":
            self._fail(sign, f"expected ==, !=, <, <=, >, >=, ~ or !~ after {name.text}, not {_shown(sign)}")
        value = self._take()
        if value.kind not in ("word", "quoted"):
            self._fail(value, f"expected a value, not {_shown(value)}")
        text = value.text[1:-1] if value.kind == "quoted" else value.text
        return self._compare(name, sign, value, text)

    def _compare(self, name: _Token, sign: _Token, value: _Token, text: str) -> Predicate:
        if sign.text in ("~", "!~"):
            matches = sign.text == "~"
            return lambda planned: fnmatchcase(_text_of(planned, name.text), text) == matches
        if name.text in _GLOBS_ONLY:
            self._fail(sign, f"{name.text} is not one value", f"compare its text: {name.text} ~ '*...*'")
        if sign.text in _ORDERS and not _is_ordered(name.text):
            self._fail(sign, f"{name.text} has no order", "use ==, !=, ~ or !~")
        try:
            wanted = _parse_value(name.text, text)
        except ValueError as error:
            self._fail(value, f"{name.text}: {error}", "")
        if sign.text in _ORDERS:
            if wanted is None:
                self._fail(value, f"{NONE} has no order", "use == or !=")
            compare = _ORDERS[sign.text]
            return lambda planned: (own := _value_of(planned, name.text)) is not None and compare(own, wanted)
        equal = sign.text == "=="
        return lambda planned: (_value_of(planned, name.text) == wanted) == equal


def _negated(inner: Predicate) -> Predicate:
    return lambda planned: not inner(planned)


def _shown(token: _Token) -> str:
    return "the end" if token.kind == "end" else f"{token.text!r}"


def _value_of(planned: PlannedCell, name: str) -> Any:  # noqa: ANN401 - of any field
    return planned.id if name == ID else getattr(planned.cell, _ATTRIBUTES[name])


def _text_of(planned: PlannedCell, name: str) -> str:
    """Return the text of a field as a result has it; lists and mappings in the form `key: value`."""
    if name == ID:
        return planned.id
    value = planned.cell.requested()[RECORD_KEYS.get(name, name)]
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list):
        return str(value).replace("'", "") if value else ""
    return NONE if value is None else str(value)


def _is_optional(name: str) -> bool:
    return type(None) in get_args(FIELDS[name].annotation)


def _is_ordered(name: str) -> bool:
    default = FIELDS[name].default if name != ID else ""
    return _ATTRIBUTES.get(name, "").endswith("_us") or (isinstance(default, int) and not isinstance(default, bool))


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    kind: Any = FIELDS[name].annotation
    return TypeAdapter(Annotated[(kind, *FIELDS[name].metadata)] if FIELDS[name].metadata else kind)


def _parse_value(name: str, text: str) -> Any:  # noqa: ANN401 - of any field
    """Return the value that this text has in a scenario file; raises ValueError with a sentence."""
    if name == ID:
        return text
    if text == NONE and _is_optional(name):
        return None
    try:
        return _adapter(name).validate_python(text)
    except ValidationError as error:
        raise ValueError(sentence(error.errors(include_url=False)[0], FIELDS)) from None


def parse_filter(text: str) -> Predicate:
    """Return what the expression chooses; raises InputError with the column of the mistake."""
    return _Parser(text).parse()
