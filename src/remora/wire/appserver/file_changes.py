"""The server's file changes as the public entries, and all of them as one text for who has to decide."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from remora.core.thread.changes import ChangedFile, read_lines, without_move
from remora.wire.appserver.calls import mapping, sequence, text

FILE_MARK: Final = "=== "
"""Begins the line above each file's change in the one text. No line of a change begins so: each has a sign."""


def read_changes(item: Mapping[str, Any]) -> tuple[ChangedFile, ...]:
    """What a file change item does. Old servers give `kind` as a word, newer ones as an object."""
    return tuple(
        _changed(
            text(change.get("path")) or "",
            text(mapping(change.get("kind")).get("type")) or text(change.get("kind")) or "update",
            text(change.get("diff")) or "",
            text(mapping(change.get("kind")).get("move_path")),
        )
        for change in map(mapping, sequence(item.get("changes")))
    )


def legacy_changes(changes: Mapping[str, Any]) -> tuple[ChangedFile, ...]:
    """What a patch does, as the oldest requests carry it: by path."""
    return tuple(
        _changed(
            path,
            text(change.get("type")) or "update",
            text(change.get("unified_diff" if change.get("type") == "update" else "content")) or "",
            text(change.get("move_path")),
        )
        for path, change in ((path, mapping(change)) for path, change in changes.items())
    )


def whole_diff(files: Iterable[ChangedFile]) -> str:
    """All changes in one text: above each file a line ``=== CHANGE PATH``, and a sign before each of its lines.

    Where a diff does not hold together, each of its lines has the sign ``?``, and the headline says so.
    """
    return "".join(map(_told, files))


def _changed(path: str, change: str, diff: str, moved_to: str | None) -> ChangedFile:
    return ChangedFile(path, change, without_move(diff, moved_to), moved_to)


def _told(file: ChangedFile) -> str:
    lines = read_lines(file.change, file.diff)
    headline = f"{_in_one_line(file.change)} {_in_one_line(file.path)}"
    if file.moved_to is not None:
        headline += f" and move it to {_in_one_line(file.moved_to)}"
    if lines.malformed:
        headline += " (not a well-formed diff; the received text)"
    return "".join(f"{line}\n" for line in (FILE_MARK + headline, *(each.signed for each in lines.lines)))


def _in_one_line(name: str) -> str:
    """A name that can begin no other line and hide no part of itself; one with a blank or a quote stands in quotes."""
    return name if name.isprintable() and not set(name) & set(" '\"") else repr(name)
