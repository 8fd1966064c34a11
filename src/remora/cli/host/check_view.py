"""``remora check`` as a person watches it: stages of one host, or several hosts side by side."""

from collections.abc import Sequence
from typing import Final

from rich.console import Group
from rich.text import Text

from remora.cli.draw.failure import show_advice
from remora.cli.draw.page import Page, remote
from remora.core.readiness.checks import NOT_REACHED
from remora.wire.reports.check import CheckProgress, CheckReport, CodexEntry, HostCheck, StageBody, StageProven

_MARKS: Final = {
    "ok": ("✓", "green"),
    "warning": ("!", "yellow"),
    "failed": ("✗", "bold red"),
    "skipped": ("·", "dim"),
}


class CheckView:
    """Shows progress as it comes. One host shows its stages; of several, each shows its result when it is done.

    With a `verbosity` above zero several hosts show their stages too, and each its launch plan; below zero each host
    shows its result and what failed, nothing else.
    """

    def __init__(self, page: Page, aliases: Sequence[str], *, verbosity: int = 0) -> None:
        self._page = page
        self._quiet = verbosity < 0
        self._details = verbosity > 0
        self._single = len(aliases) == 1 and not self._quiet
        self._width = max((len(alias) for alias in aliases), default=0)
        self._under_way: dict[str, str] = dict.fromkeys(aliases, "waiting")

    def show(self, progress: CheckProgress) -> None:
        """Show one piece of progress."""
        if isinstance(progress, HostCheck):
            self._under_way.pop(progress.alias, None)
            self._host(progress)
        elif self._quiet:
            return
        elif isinstance(progress, StageProven):
            self._proven(progress)
        else:
            self.settle()
            self._report(progress)

    def redraw(self) -> None:
        """Draw the hosts under way again."""
        if self._quiet:
            return
        rows = [
            Text.assemble(("… ", "dim"), remote(f"{alias:<{self._width}}  "), (state, "dim"))
            for alias, state in self._under_way.items()
        ]
        self._page.draw(Group(*rows) if rows else None)

    def settle(self) -> None:
        """Take the moving part away."""
        self._page.clear()

    def _proven(self, progress: StageProven) -> None:
        self._under_way[progress.alias] = f"{progress.stage.stage} {progress.stage.outcome}"
        if self._single and not _is_behind_failure(progress.stage):
            self._stage(progress.stage)

    def _stage(self, stage: StageBody, *, indent: str = "") -> None:
        mark, style = _MARKS.get(stage.outcome, ("?", ""))
        text = remote(stage.detail, "dim" if stage.outcome == "skipped" else "", one_line=True)
        if stage.error is not None:
            text.append(f" [{stage.error.code}]", style="dim")
        if stage.seconds is not None:
            text.append(f"  {_milliseconds(stage.seconds)}", style="dim")
        self._page.line(text, prefix=Text.assemble(indent, (mark, style), f" {stage.stage:<15}"))
        if stage.error is not None:
            show_advice(self._page, stage.error)

    def _stages(self, stages: Sequence[StageBody], *, indent: str = "") -> None:
        for stage in stages:
            self._stage(stage, indent=indent)

    def _host(self, check: HostCheck) -> None:
        reached = [stage for stage in check.stages if not _is_behind_failure(stage)]
        behind = [stage.stage for stage in check.stages if _is_behind_failure(stage)]
        if self._single:
            self._not_reached(behind)
        else:
            self._result_line(check)
            self._stages(
                reached if self._details else [stage for stage in reached if stage.error is not None], indent="  "
            )
            if self._details:
                self._not_reached(behind, indent="  ")
        if self._details or self._single:
            self._findings(check)

    def _not_reached(self, stages: list[str], *, indent: str = "") -> None:
        if stages:
            self._page.line(Text(f"not reached: {', '.join(stages)}", style="dim"), prefix=f"{indent}· ")

    def _result_line(self, check: HostCheck) -> None:
        mark, style = _MARKS["ok" if check.ok else "failed"]
        prefix = Text.assemble((mark, style), f" {check.alias:<{self._width}}  ")
        self._page.line(
            remote(_summary(check), one_line=True).append(f"  {check.seconds:.1f} s", style="dim"), prefix=prefix
        )

    def _findings(self, check: HostCheck) -> None:
        for notice in check.notices:
            self._page.line(remote(notice.message, "yellow"), prefix=Text("! ", style="yellow"))
        if len(check.codex) > 1 or any(candidate.problem for candidate in check.codex):
            self._page.line(Text("codex on this host, in search order:", style="dim"))
            for candidate in check.codex:
                self._page.line(_candidate(candidate), prefix="  ")
        if self._details and check.plan:
            self._page.line(Text("remora run would:", style="dim"))
            for step in check.plan:
                self._page.line(remote(step), prefix=Text("  - "))

    def _report(self, report: CheckReport) -> None:
        if self._single and report.hosts:
            ready = Text("ready", style="bold green") if report.ok else Text("not ready", style="bold red")
            self._page.line(Text.assemble(remote(report.hosts[0].alias), " is ", ready))
            return
        good = sum(host.ok for host in report.hosts)
        style = "bold green" if report.ok else "bold red"
        self._page.line(Text(f"{good} of {len(report.hosts)} hosts ready", style=style))


def _is_behind_failure(stage: StageBody) -> bool:
    return stage.outcome == "skipped" and stage.detail == NOT_REACHED


def _summary(check: HostCheck) -> str:
    failed = [stage.stage for stage in check.stages if stage.outcome == "failed"]
    if failed:
        return f"fails at {', '.join(failed)}"
    chosen = next((candidate for candidate in check.codex if candidate.chosen), None)
    warnings = [stage.stage for stage in check.stages if stage.outcome == "warning"]
    parts = [f"codex {chosen.version or 'of unknown version'}"] if chosen else ["ready"]
    return ", ".join([*parts, *(f"look at {stage}" for stage in warnings)])


def _candidate(candidate: CodexEntry) -> Text:
    text = remote(candidate.path, "bold" if candidate.chosen else "", one_line=True)
    if candidate.version:
        text.append(" ").append_text(remote(candidate.version, one_line=True))
    if candidate.chosen:
        text.append("  chosen", style="green")
    if candidate.problem:
        text.append("  ").append_text(remote(candidate.problem, "yellow", one_line=True))
    return text


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else f"{seconds:.0f} s"
