"""The one form of a document whose hash stands for it: RFC 8785, for whatever JSON a server sends.

RFC 8785 has no form for an integer that a double cannot hold, and none for text that is not Unicode; a long text takes
much time there. These become objects with one member whose name begins with ``$``: ``{"$number": "9007199254740993"}``;
``{"$utf16": "d800"}``, the text as big-endian UTF-16 in hexadecimal; ``{"$sha256": …}``, the hash of the text as UTF-8.
A member's name that is not Unicode becomes ``$utf16:`` and its hexadecimal; one that begins with ``$`` gets another
``$`` in front. So two documents never share a form.
"""

from collections.abc import Mapping
from hashlib import sha256
from math import isfinite
from typing import Any, Final

_LARGEST: Final = 2**53 - 1
"""The largest integer such that each one up to it is a double of its own."""
_LONG: Final = 1_024
"""Characters (code points) of a text beyond which its hash stands for it."""
DEEPEST: Final = 100
"""Levels of objects and arrays in a document that is hashed; a deeper one is refused before (:func:`is_deeper`)."""


def canonical_hash(document: Mapping[str, Any]) -> str:
    """The SHA-256 of the RFC 8785 form of `document`, in hexadecimal."""
    return sha256(canonical_form(document)).hexdigest()


def canonical_form(document: Any) -> bytes:
    """`document` in the one order and spelling that RFC 8785 gives it."""
    import rfc8785

    return rfc8785.dumps(_plain(document))


def is_deeper(document: Any, levels: int = DEEPEST) -> bool:
    """Whether objects and arrays are nested deeper in `document` than `levels`."""
    level = [document]
    for _ in range(levels):
        level = [inner for value in level for inner in _within(value)]
    return any(isinstance(value, Mapping | list | tuple) for value in level)


def _within(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else []


def _plain(value: Any) -> Any:
    match value:
        case str():
            return _text(value)
        case bool() | None:
            return value
        case int():
            return value if -_LARGEST <= value <= _LARGEST else {"$number": str(value)}
        case float():
            return value if isfinite(value) else {"$number": str(value)}
        case Mapping():
            return {_name(name): _plain(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
    raise TypeError(f"JSON has no {type(value).__name__}")


def _text(text: str) -> Any:
    if len(text) > _LONG:
        return {"$sha256": sha256(text.encode("utf-8", "surrogatepass")).hexdigest()}
    return text if _is_unicode(text) else {"$utf16": _hexadecimal(text)}


def _name(name: str) -> str:
    if not _is_unicode(name):
        return f"$utf16:{_hexadecimal(name)}"
    return f"${name}" if name.startswith("$") else name


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _hexadecimal(text: str) -> str:
    return text.encode("utf-16-be", "surrogatepass").hex()
