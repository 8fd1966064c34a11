"""What a change does to one file, line by line.

Signs and counts come from what is done to the file, never from what its text looks like: an added or deleted file
comes as its bare content, and each of its lines is added or removed, whatever it says. Only an update has hunks. They
are read by the counts of their headers, and a text in which these do not hold is not read as a diff at all.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_HUNK: Final = re.compile(r"@@ -\d{1,9}(?:,(\d{1,9}))? \+\d{1,9}(?:,(\d{1,9}))? @@.*", re.DOTALL)
_NO_NEWLINE: Final = "\\ No newline at end of file"


class Mark(StrEnum):
    """What a line is; the value is its sign."""

    ADDED = "+"
    REMOVED = "-"
    KEPT = " "
    HUNK = "@"
    NOTE = "\\"
    """Said by us or by the server about the line before."""
    RAW = "?"
    """Text that could not be read as a diff."""


@dataclass(frozen=True, slots=True)
class ChangedLine:
    """One line, without its sign. `text` is the remote side's own."""

    mark: Mark
    text: str

    @property
    def signed(self) -> str:
        """The line with its sign in front, as in a unified diff."""
        if self.mark is Mark.HUNK:
            return self.text
        return f"{self.mark} {self.text}" if self.mark in (Mark.NOTE, Mark.RAW) else f"{self.mark}{self.text}"


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """What is done to one file, in the server's words: `change` is ``add``, ``delete`` or ``update``.

    `diff` is the bare content of an added or deleted file, and the hunks of an update. `moved_to` is where an updated
    file is moved; `None`: it stays.
    """

    path: str
    change: str
    diff: str
    moved_to: str | None = None


@dataclass(frozen=True, slots=True)
class FileLines:
    """The lines of one file's change, and how many were added and removed; `None` where that could not be read."""

    lines: tuple[ChangedLine, ...]
    added: int | None
    removed: int | None

    @property
    def malformed(self) -> bool:
        """The text is not the diff that it should be; all of it stands in `lines`, raw."""
        return self.added is None


def read_lines(change: str, diff: str) -> FileLines:
    """Read the change of one file. `change` is the server's word for it: ``add``, ``delete`` or ``update``."""
    match change:
        case "add":
            lines = _whole(diff, Mark.ADDED)
        case "delete":
            lines = _whole(diff, Mark.REMOVED)
        case "update":
            return _hunks(diff) or _raw(diff)
        case _:
            return _raw(diff)
    return _counted(lines)


def without_move(diff: str, moved_to: str | None) -> str:
    """The diff of an update without the line in which servers repeat where the file is moved."""
    return diff if moved_to is None else diff.removesuffix(f"\n\nMoved to: {moved_to}")


def _whole(content: str, mark: Mark) -> list[ChangedLine]:
    if not content:
        return []
    lines = [ChangedLine(mark, text) for text in content.removesuffix("\n").split("\n")]
    if not content.endswith("\n"):
        lines.append(ChangedLine(Mark.NOTE, _NO_NEWLINE.removeprefix("\\ ")))
    return lines


def _hunks(diff: str) -> FileLines | None:
    """`None` when a line stands outside of a hunk, or a hunk has more or fewer lines than its header says."""
    lines: list[ChangedLine] = []
    before = after = 0
    texts = diff.removesuffix("\n").split("\n") if diff else []
    for text in _without_file_names(texts):
        mark = None
        if not before and not after and (header := _HUNK.fullmatch(text)):
            before, after = (1 if count is None else int(count) for count in header.groups())
            lines.append(ChangedLine(Mark.HUNK, text))
            continue
        if text == _NO_NEWLINE and lines and lines[-1].mark in (Mark.ADDED, Mark.REMOVED, Mark.KEPT):
            lines.append(ChangedLine(Mark.NOTE, text.removeprefix("\\ ")))
            continue
        if text[:1] in ("+", "-", " "):
            mark = Mark(text[0])
        before -= mark in (Mark.REMOVED, Mark.KEPT)
        after -= mark in (Mark.ADDED, Mark.KEPT)
        if mark is None or before < 0 or after < 0:
            return None
        lines.append(ChangedLine(mark, text[1:]))
    return None if before or after else _counted(lines)


def _without_file_names(lines: list[str]) -> list[str]:
    named = len(lines) > 2 and lines[0].startswith("--- ") and lines[1].startswith("+++ ")
    return lines[2:] if named and _HUNK.fullmatch(lines[2]) else lines


def _raw(text: str) -> FileLines:
    return FileLines(tuple(ChangedLine(Mark.RAW, line) for line in text.split("\n")), None, None)


def _counted(lines: list[ChangedLine]) -> FileLines:
    marks = [line.mark for line in lines]
    return FileLines(tuple(lines), marks.count(Mark.ADDED), marks.count(Mark.REMOVED))
