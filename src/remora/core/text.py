"""Text that came from elsewhere, made safe to show.

Remote output can carry terminal escapes, bidirectional overrides and megabytes. Whatever is shown to a
person or put into an error goes through :func:`neutralise` first.
"""

import unicodedata
from typing import Final

SEEN_LIMIT: Final = 2_000
"""Characters of remote text that an error keeps."""

_KEPT: Final = frozenset("\n\t")
_HIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_IGNORABLE: Final = ((0x2065, 0x2065), (0xFE00, 0xFE0F), (0xFFF0, 0xFFF8), (0xE0000, 0xE0FFF))
_INVISIBLE: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0\U00016fe4") | {
    chr(code) for first, last in _IGNORABLE for code in range(first, last + 1)
}
"""Letters and marks that nobody sees: fillers, joiners, variation selectors."""
_MARKS: Final = ("Mn", "Me")
_STYLES: Final = frozenset("\ufe0e\ufe0f")
"""Behind a symbol these choose between text and emoji, as people write them; elsewhere they only hide."""
_STYLED_CATEGORIES: Final = frozenset({"So", "Sm", "Po", "Pd", "Nd"})


def neutralise(text: str, *, limit: int | None = SEEN_LIMIT, one_line: bool = False) -> str:
    """Make remote text harmless: visible escapes for control characters, and no more than `limit`.

    A carriage return before a newline is dropped; any other control, format, private-use or invisible character
    is written as an escape such as ``\\x1b``, and so is a mark that has no letter of this text to stand on or stands on
    three others: it would be drawn over what is around it. With `one_line`, newlines and tabs become spaces. When the
    text is longer than `limit`, its end is kept, because that is where programs say what went wrong.
    """
    if limit is not None and len(text) > limit:
        text = "…" + text[-(limit - 1) :]
    text = text.replace("\r\n", "\n")
    if one_line:
        text = " ".join(text.split())
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_visible, text, "\n" + text, "\n\n" + text, "\n\n\n" + text))


def escape_breaks(text: str, *, limit: int | None = SEEN_LIMIT) -> str:
    """:func:`neutralise` for text that has to stay on one line and keep its spaces, such as a command to copy."""
    return neutralise(text, limit=limit).replace("\n", "\\x0a").replace("\t", "\\x09")


def decode(data: bytes) -> str:
    """Read remote bytes as UTF-8; what is not UTF-8 stays visible as ``\\xNN``."""
    return data.decode("utf-8", "backslashreplace")


def _visible(character: str, before: str, second: str, third: str) -> str:
    if character in _KEPT or " " <= character <= "~":
        return character
    if character in _STYLES and unicodedata.category(before) in _STYLED_CATEGORIES:
        return character
    if _is_mark(character) and (before.isspace() or all(map(_is_mark, (before, second, third)))):
        return _escaped(character)
    if character not in _INVISIBLE and unicodedata.category(character) not in _HIDDEN_CATEGORIES:
        return character
    return _escaped(character)


def _is_mark(character: str) -> bool:
    return not character.isascii() and unicodedata.category(character) in _MARKS


def _escaped(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
