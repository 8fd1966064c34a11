"""What became of a thread that was told to stop."""

from typing import ClassVar

from remora.wire.reports import ErrorBody, Report
from remora.wire.reports.run import ProcessBody


class ThreadInterrupted(Report, kw_only=True):
    """Nothing of the thread goes on at the host, or `unfinished` says what does and how to end it.

    `was_active` says that a turn ran, or waited for an answer; `server_runs`, that there was an app server to ask.
    """

    kind: ClassVar[str] = "thread-interrupted"
    host: str
    thread_id: str
    was_active: bool
    server_runs: bool = True
    goal_paused: bool = False
    unfinished: ErrorBody | None = None
    still_running: list[ProcessBody] = []
