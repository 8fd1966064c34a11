"""What a terminal shows in the end: lines of styled text, from the few control sequences that remora writes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

_SEQUENCE: Final = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])")


@dataclass(frozen=True, slots=True)
class Style:
    """How a character looks; `color` is the number of an ANSI colour."""

    color: int | None = None
    bold: bool = False
    dim: bool = False
    italic: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbours of one style."""

    text: str
    style: Style


Line = tuple[Run, ...]


def read_lines(written: str) -> list[Line]:
    """The lines that stay on the screen. Raises :class:`ValueError` for a control sequence that is not known."""
    screen = _Screen()
    place = 0
    while place < len(written):
        sequence = _SEQUENCE.match(written, place)
        if sequence is None:
            screen.put(written[place])
            place += 1
        else:
            screen.obey(sequence[1], sequence[2])
            place = sequence.end()
    return [tuple(_runs(line)) for line in screen.lines]


class _Screen:
    def __init__(self) -> None:
        self.lines: list[list[tuple[str, Style]]] = [[]]
        self._row = 0
        self._column = 0
        self._style = Style()

    def put(self, character: str) -> None:
        if character == "\n":
            self._row += 1
            if self._row == len(self.lines):
                self.lines.append([])
        elif character == "\r":
            self._column = 0
        elif character < " ":
            raise ValueError(f"unknown control character {character!r}")
        else:
            line = self.lines[self._row]
            line[self._column : self._column + 1] = [(character, self._style)]
            self._column += 1

    def obey(self, numbers: str, letter: str) -> None:
        match letter, numbers:
            case "m", _:
                self._style = _restyled(self._style, numbers)
            case "K", "2":
                self.lines[self._row] = []
            case "A", _:
                self._row = max(0, self._row - int(numbers or 1))
            case "h" | "l", "?25":  # the cursor is shown or hidden
                pass
            case _:
                raise ValueError(f"unknown control sequence {numbers}{letter}")


def _restyled(style: Style, numbers: str) -> Style:
    for number in map(int, (numbers or "0").split(";")):
        match number:
            case 0:
                style = Style()
            case 1:
                style = replace(style, bold=True)
            case 2:
                style = replace(style, dim=True)
            case 3:
                style = replace(style, italic=True)
            case 39:
                style = replace(style, color=None)
            case _ if 30 <= number <= 37:
                style = replace(style, color=number - 30)
            case _ if 40 <= number <= 49:  # backgrounds are not drawn
                pass
            case _:
                raise ValueError(f"unknown style {number}")
    return style


def _runs(line: list[tuple[str, Style]]) -> Iterator[Run]:
    text, style = "", Style()
    for character, its in line:
        if its != style and text:
            yield Run(text, style)
            text = ""
        text, style = text + character, its
    if text.rstrip():
        yield Run(text.rstrip(), style)
