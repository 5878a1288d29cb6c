"""The error of the grammar and the model."""


class SpecError(ValueError):
    """An impairment, profile, table or trace is invalid.

    `token` is the invalid word, `position` its index in the text (0 is the first; None for a model built without a
    text), `reason` why it is invalid, `hint` what to write instead.
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
        location = f"{where}{what}".strip()
        between = " " if self.reason.startswith("is ") else ": "
        text = f"{location}{between}{self.reason}" if location else self.reason
        return f"{text}; {self.hint}" if self.hint else text

    def at(self, position: int | None) -> "SpecError":
        """Return the same error with a position in the text."""
        return SpecError(self.reason, word=self.token, position=position, hint=self.hint)
