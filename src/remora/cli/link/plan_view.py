"""A launch plan as a person reads it."""

from rich.text import Text

from remora.cli.draw.page import Page, remote
from remora.wire.reports.plan import LaunchPlanReport


def show_plan(page: Page, plan: LaunchPlanReport) -> None:
    """Print the steps in order."""
    page.line(Text("remora would, on ").append_text(remote(plan.host, "bold")).append(":"))
    for step in plan.steps:
        page.line(remote(step), prefix="  - ")
    if plan.codex_path:
        page.line(remote(f"{plan.codex_path} {plan.codex_version or ''}".rstrip()), prefix="codex: ")
    for notice in plan.notices:
        page.line(remote(notice.message, "yellow"), prefix=Text("! ", style="yellow"))
    page.line(Text("Nothing was started.", style="dim"))
