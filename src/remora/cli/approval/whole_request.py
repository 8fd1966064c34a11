"""A request that is too long for the screen, in a file where a person can read all of it before saying yes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkstemp

from remora.cli.approval.approval_view import show_request
from remora.cli.draw.page import Page
from remora.wire.reports.approval import ApprovalRequested


@contextmanager
def whole_request(request: ApprovalRequested) -> Iterator[Path | None]:
    """A file that only this user can read, removed afterwards; `None` where none can be written."""
    path = _write(request)
    try:
        yield path
    finally:
        if path is not None:
            path.unlink(missing_ok=True)


def _write(request: ApprovalRequested) -> Path | None:
    try:
        descriptor, name = mkstemp(prefix="remora-request-", suffix=".txt")
    except OSError:
        return None
    path = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            show_request(Page(file, {"LANG": "C.UTF-8"}), request, where=None)
    except OSError:
        path.unlink(missing_ok=True)
        return None
    return path
