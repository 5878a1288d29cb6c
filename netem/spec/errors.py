"""The one error family of the grammar and the model."""


class SpecError(ValueError):
    """Say why an impairment, profile, table or trace cannot be used.

    `token` is the word that is wrong, `position` its index among the words of the text (0 is the first; None when the
    model was built without a text), `reason` what is wrong with it, `hint` what to write instead.
    """

    def __init__(self, reason: str, *, word: str = "", position: int | None = None, hint: str = "") -> None:
        self.reason = reason
        self.token = word
        self.position = position
        self.hint = hint
        super().__init__(reason)

    def __str__(self) -> str:
        where = f"word {self.position + 1} " if self.position is not None else ""
        what = f'"{self.token}"' if self.token else ""
        place = f"{where}{what}".strip()
        text = f"{place}: {self.reason}" if place else self.reason
        return f"{text}; {self.hint}" if self.hint else text

    def at(self, position: int | None) -> "SpecError":
        """Return the same error with its place in the text."""
        return SpecError(self.reason, word=self.token, position=position, hint=self.hint)
