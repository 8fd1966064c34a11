"""One failure: what happened, what was seen, what to do next."""

from rich.text import Text

from remora.cli.render.page import Page, remote
from remora.wire.reports import ErrorBody


def show_failure(page: Page, error: ErrorBody) -> None:
    """Print an error as people read it."""
    where = f"{error.host}: " if error.host else ""
    page.line(
        Text.assemble(remote(f"{where}{error.message}"), (f" [{error.code}]", "dim")),
        prefix=Text("error: ", style="bold red"),
    )
    show_advice(page, error)


def show_advice(page: Page, error: ErrorBody) -> None:
    """Print what was seen and what to do next, below a line that said what happened."""
    for line in error.seen.splitlines():
        page.line(remote(line, "dim"), prefix=Text("  │ ", style="dim"))
    if error.next:
        page.line(remote(error.next), prefix=Text("  next: ", style="bold"))
