"""A file's change as coloured lines with its counts."""

from typing import Final

from rich.text import Text

from remora.cli.draw.page import Page, remote
from remora.core.thread.changes import FileLines, Mark

LINE_LIMIT: Final = 200
"""Lines of one diff on screen; the whole diff is in the ``--json`` stream and on the host."""

_STYLES: Final = {Mark.ADDED: "green", Mark.REMOVED: "red", Mark.HUNK: "cyan", Mark.NOTE: "dim"}

_SIGNS: Final = {Mark.HUNK: "", Mark.NOTE: "\\ ", Mark.RAW: "? "}
"""What stands before a line instead of its mark."""


def counts(lines: FileLines) -> Text:
    """``+3 -1`` in colour."""
    if lines.malformed:
        return Text("not a well-formed diff; this is the received text", style="bold red")
    return Text.assemble((f"+{lines.added}", "green"), " ", (f"-{lines.removed}", "red"))


def show_lines(page: Page, lines: FileLines, *, bar: Text, limit: int | None = LINE_LIMIT) -> None:
    """Print the lines behind `bar`; beyond `limit`, say how many are left out.

    The sign stands before the text and not in it: what a long line is continued with never stands below a sign.
    """
    shown = lines.lines if limit is None else lines.lines[:limit]
    for line in shown:
        style = _STYLES.get(line.mark, "")
        sign = _SIGNS.get(line.mark, line.mark.value)
        page.line(remote(line.text, style), prefix=Text.assemble(bar, (sign, style)))
    left = len(lines.lines) - len(shown)
    if left:
        page.line(Text(f"… {left} more {'line' if left == 1 else 'lines'}", style="dim"), prefix=bar)
