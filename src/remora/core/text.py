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


def neutralise(text: str, *, limit: int | None = SEEN_LIMIT, one_line: bool = False) -> str:
    """Make remote text harmless: visible escapes for control characters, and no more than `limit`.

    A carriage return before a newline is dropped; any other control, format or private-use character is
    written as an escape such as ``\\x1b``. With `one_line`, newlines and tabs become spaces. When the
    text is longer than `limit`, its end is kept, because that is where programs say what went wrong.
    """
    if limit is not None and len(text) > limit:
        text = "…" + text[-(limit - 1) :]
    text = text.replace("\r\n", "\n")
    if one_line:
        text = " ".join(text.split())
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(character) for character in text)


def decode(data: bytes) -> str:
    """Read remote bytes as UTF-8; what is not UTF-8 stays visible as ``\\xNN``."""
    return data.decode("utf-8", "backslashreplace")


def _visible(character: str) -> str:
    if character in _KEPT or unicodedata.category(character) not in _HIDDEN_CATEGORIES:
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
