"""A file change as a coloured unified diff with its counts."""

from dataclasses import dataclass
from typing import Final

from rich.text import Text

from remora.cli.render.page import Page, remote

LINE_LIMIT: Final = 200
"""Lines of one diff on screen; the whole diff is in the ``--json`` stream and on the host."""

FILE_MARK: Final = "=== "
"""Begins the line above each file's change in an approval."""
_WHOLE_FILES: Final = (f"{FILE_MARK}add ", f"{FILE_MARK}delete ")


@dataclass(frozen=True, slots=True)
class DiffLines:
    """The lines of one file's change, each with its sign in front, and how many were added and removed."""

    lines: tuple[str, ...]
    added: int
    removed: int


def diff_lines(diff: str, change: str = "update") -> DiffLines:
    """Read a diff. An added or deleted file may come as its bare content, without signs."""
    lines = diff.removesuffix("\n").split("\n") if diff else []
    if change != "update" and not any(line.startswith("@@") for line in lines):
        sign = "+" if change == "add" else "-"
        lines = [sign + line for line in lines]
        counts = (len(lines), 0) if change == "add" else (0, len(lines))
        return DiffLines(tuple(lines), *counts)
    counted = _without_file_headers(lines)
    added = sum(line.startswith("+") for line in counted)
    removed = sum(line.startswith("-") for line in counted)
    return DiffLines(tuple(lines), added, removed)


def _without_file_headers(lines: list[str]) -> list[str]:
    counted: list[str] = []
    inside = not any(line.startswith("@@") for line in lines)
    for line in lines:
        if line.startswith(("diff --git ", FILE_MARK)):
            inside = line.startswith(_WHOLE_FILES)
        elif line.startswith("@@"):
            inside = True
        elif inside:
            counted.append(line)
    return counted


def counts(added: int, removed: int) -> Text:
    """``+3 -1`` in colour."""
    return Text.assemble((f"+{added}", "green"), " ", (f"-{removed}", "red"))


def show_diff(page: Page, diff: DiffLines, *, limit: int | None = LINE_LIMIT) -> None:
    """Print the lines; beyond `limit`, say how many are left out."""
    shown = diff.lines if limit is None else diff.lines[:limit]
    for line in shown:
        page.line(remote(line, _style(line)), prefix="  ")
    left = len(diff.lines) - len(shown)
    if left:
        page.line(Text(f"… {left} more {'line' if left == 1 else 'lines'}", style="dim"), prefix="  ")


def _style(line: str) -> str:
    if line.startswith(("+++", "---", "diff ", "index ", FILE_MARK)):
        return "bold"
    return {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
