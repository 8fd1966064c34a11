"""On which line of a TOML file something stands; the standard library's reader does not say."""

import re
from collections.abc import Iterator
from typing import Final

_WORD: Final = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_DOTTED: Final = rf"{_WORD}(?:\s*\.\s*{_WORD})*"
_TABLE: Final = re.compile(rf"\s*(\[\[?)\s*({_DOTTED})\s*\]\]?\s*(?:#.*)?")
_PAIR: Final = re.compile(rf"\s*({_DOTTED})\s*=")
_LONG_QUOTE: Final = re.compile(r'"""|\'\'\'')

_Path = tuple[str | int, ...]


def find_line(text: str, path: _Path) -> int | None:
    """The line, from 1, of the key at `path`, or of the nearest thing around it; `None` when nothing of it is found."""
    lines: dict[_Path, int] = {}
    for found, line in _places(text):
        lines.setdefault(found, line)
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None


def _places(text: str) -> Iterator[tuple[_Path, int]]:
    """Every table and key with its line. What stands within a value that spans lines has the line of its key."""
    table: _Path = ()
    counts: dict[_Path, int] = {}
    quote: str | None = None
    for number, line in enumerate(text.splitlines(), 1):
        was_inside, quote = quote, _quote_after(line, quote)
        if was_inside is not None:
            continue
        if header := _TABLE.fullmatch(line):
            table = _table(header[2], counts, repeated=header[1] == "[[")
            if isinstance(table[-1], int):
                yield table[:-1], number
            yield table, number
        elif pair := _PAIR.match(line):
            path = table
            for word in _words(pair[1]):
                path = (*path, word)
                yield path, number


def _table(dotted: str, counts: dict[_Path, int], *, repeated: bool) -> _Path:
    path: _Path = ()
    *outer, last = _words(dotted)
    for word in outer:
        path = _latest((*path, word), counts)
    path = (*path, last)
    if repeated:
        counts[path] = counts.get(path, -1) + 1
    return _latest(path, counts)


def _latest(path: _Path, counts: dict[_Path, int]) -> _Path:
    return (*path, counts[path]) if path in counts else path


def _words(dotted: str) -> list[str]:
    return [word.strip("\"'") for word in re.findall(_WORD, dotted)]


def _quote_after(line: str, quote: str | None) -> str | None:
    """Whether a string of several lines is open when `line` ends, and with which marks."""
    for mark in _LONG_QUOTE.findall(line):
        if quote is None:
            quote = mark
        elif mark == quote:
            quote = None
    return quote
