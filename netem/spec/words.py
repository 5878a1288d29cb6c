"""A cursor over the words of a text, which adds the position to every error."""

from collections.abc import Callable
from typing import TypeVar

from netem.spec.errors import SpecError
from netem.spec.quantity import parse_probability

T = TypeVar("T")


class Words:
    """The words of one impairment, read once from left to right."""

    def __init__(self, text: str) -> None:
        self._words = text.split()
        self._next = 0

    @property
    def position(self) -> int:
        """Return the index of the word read last."""
        return self._next - 1

    @property
    def word(self) -> str:
        """Return the word read last."""
        return self._words[self._next - 1]

    def more(self) -> bool:
        """Return whether a word is left."""
        return self._next < len(self._words)

    def peek(self) -> str:
        """Return the next word without reading it, empty at the end."""
        return self._words[self._next] if self.more() else ""

    def next(self, parameter: str) -> str:
        """Read the next word; at the end `parameter` names the missing word in the error."""
        if not self.more():
            last = self._words[-1]
            raise SpecError(f"requires {parameter} after it", word=last, position=len(self._words) - 1)
        self._next += 1
        return self._words[self._next - 1]

    def read(self, parameter: str, convert: Callable[[str], T]) -> T:
        """Read the next word and convert it."""
        word = self.next(parameter)
        try:
            return convert(word)
        except SpecError as error:
            raise SpecError(error.reason, word=error.token or word, position=self.position, hint=error.hint) from None

    def optional(self, parameter: str, convert: Callable[[str], T], default: T, *, signed: bool = False) -> T:
        """Convert the next word if it begins with a digit, as tc does to distinguish a value from a keyword."""
        first = self.peek()[:1]
        if not first or first not in ("0123456789-" if signed else "0123456789"):
            return default
        return self.read(parameter, convert)

    def probability_and_correlation(self) -> tuple[float, float]:
        """Read PERCENT [ CORRELATION ]."""
        probability = self.read("a percentage", parse_probability)
        return probability, self.optional("a correlation", parse_probability, 0.0)
