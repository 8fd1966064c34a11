"""One failure on a page: the same lines as everywhere else, with their parts told apart."""

from rich.text import Text

from remora.cli.draw.page import Page, remote
from remora.core.failure_lines import HEADLINE, advice_rows, code_rows, headline
from remora.wire.reports import ErrorBody


def show_failure(page: Page, error: ErrorBody) -> None:
    """Print an error as people read it."""
    page.line(remote(headline(error.message, error.host)), prefix=Text(HEADLINE, style="bold red"))
    for label, text in code_rows(error.code, error.stage):
        page.line(remote(text, "dim"), prefix=Text(label, style="dim"))
    show_advice(page, error)


def show_advice(page: Page, error: ErrorBody) -> None:
    """Print what was seen and what to do next, below a line that said what happened."""
    for label, text in advice_rows(error.seen, error.next):
        page.line(remote(text), prefix=Text(label, style="dim"))
