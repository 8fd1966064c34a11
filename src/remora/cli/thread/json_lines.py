"""``remora run --json``: each event as one line on standard output, and questions for a person on standard error."""

from rich.text import Text

from remora.cli.approval.approval_view import show_request
from remora.cli.draw.page import Page
from remora.cli.frame.output import write_document
from remora.wire.reports import run as events


class JsonLines:
    """The same face as :class:`~remora.cli.thread.run_view.RunView`, for programs."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._where = ""

    def show(self, event: events.RunEvent) -> None:
        """Write one event. A request is also shown to whoever may answer it."""
        write_document(event)
        if isinstance(event, events.Connected):
            self._where = f"{event.user}@{event.hostname} ({event.host})"
        if isinstance(event, events.ApprovalRequested) and self._page.terminal:
            show_request(self._page, event, where=self._where)

    def wait_for(self, what: str) -> None:
        """Programs wait without being told."""

    def redraw(self) -> None:
        """Nothing moves."""

    def settle(self) -> None:
        """Nothing moves."""

    def say(self, text: Text) -> None:
        """A line of our own is for people."""
        self._page.line(text)
