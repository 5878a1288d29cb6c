"""Make text from the wire safe to print: escape what a terminal would interpret, and quotes, which end a title."""

from typing import Final

_WIDE: Final = (0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
"""Line separators, and controls of the writing direction (Unicode Standard Annex 9)."""

_ESCAPES: Final = {
    **{code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))},
    **{code: f"\\u{code:04x}" for code in _WIDE},
    ord('"'): '\\"',
    ord("\\"): "\\\\",
}

_INTERPRETED: Final = {code: text for code, text in _ESCAPES.items() if code not in map(ord, '"\\\n')}


def visible(text: str) -> str:
    """Return a message with everything escaped that a terminal would interpret, except quotes and line ends."""
    return text if text.isprintable() else text.translate(_INTERPRETED)


def escape(text: str) -> str:
    """Return `text` with each code point of the table in docs/programs.md replaced."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return text.translate(_ESCAPES)
