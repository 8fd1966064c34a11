"""The report of ``remora run --dry-run``."""

from typing import ClassVar

from remora.core.server.launch_plan import LaunchPlan
from remora.wire.reports import Document, NoticeBody, notice_bodies


class LaunchPlanReport(Document, kw_only=True):
    """How a run would come to an app server: `steps` in order, each only when the one before finds nothing."""

    kind: ClassVar[str] = "launch-plan"
    host: str
    folder: str
    codex_path: str | None
    codex_version: str | None
    steps: list[str]
    notices: list[NoticeBody] = []


def plan_report(alias: str, plan: LaunchPlan) -> LaunchPlanReport:
    """The public form of a plan for the host `alias`."""
    return LaunchPlanReport(
        host=alias,
        folder=plan.folder,
        codex_path=plan.codex.path if plan.codex else None,
        codex_version=plan.codex.version if plan.codex else None,
        steps=list(plan.describe()),
        notices=notice_bodies(plan.notices),
    )
