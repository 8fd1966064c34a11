"""The report of ``remora run --dry-run``."""

from typing import ClassVar

from remora.wire.reports import Document, NoticeBody


class LaunchPlanReport(Document, kw_only=True):
    """How a run would come to an app server: `steps` in order, each only when the one before finds nothing."""

    kind: ClassVar[str] = "launch-plan"
    host: str
    folder: str
    codex_path: str | None
    codex_version: str | None
    steps: list[str]
    notices: list[NoticeBody] = []
