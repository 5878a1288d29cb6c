"""Text from the wire made safe to print: what a terminal would act upon, and what would blur where a title ends."""

from typing import Final

_WIDE: Final = (0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
"""Line separators, and what changes the direction of writing (Unicode Standard Annex 9)."""

_ESCAPES: Final = {
    **{code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))},
    **{code: f"\\u{code:04x}" for code in _WIDE},
    ord('"'): '\\"',
    ord("\\"): "\\\\",
}

_ACTED_UPON: Final = {code: text for code, text in _ESCAPES.items() if code not in map(ord, '"\\\n')}


def visible(text: str) -> str:
    """Return a message with what a terminal would act upon replaced as in a title; quotes and line ends stay."""
    return text if text.isprintable() else text.translate(_ACTED_UPON)


def escape(text: str) -> str:
    """Return `text` with each code point of the table in docs/programs.md replaced."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return text.translate(_ESCAPES)
