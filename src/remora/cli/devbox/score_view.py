"""``remora score`` as a person reads it: four groups with bars, and below each its items."""

from typing import Final

from rich.text import Text

from remora.cli.draw.measures import duration
from remora.cli.draw.page import Page, remote
from remora.wire.reports.score import GroupBody, ItemBody, ScoreReport

_MARKS: Final = {
    "pass": ("✓", "green"),
    "partial": ("±", "yellow"),
    "fail": ("✗", "bold red"),
    "unknown": ("?", "dim"),
}
_BAR: Final = 20
_SHOWN: Final = 12
"""Lines of evidence, the last ones; JSON has more."""


class ScoreView:
    """Shows a report. With a `verbosity` above zero good items show what was seen, too; below zero only groups."""

    def __init__(self, page: Page, *, verbosity: int = 0) -> None:
        self._page = page
        self._verbosity = verbosity

    def show(self, report: ScoreReport) -> None:
        """Print all of it."""
        place = f"{report.alias}:{report.folder}"
        facts = [f"{report.account} on {report.hostname}"]
        facts += [f"commit {report.commit[:12]}"] if report.commit else []
        facts += [f"codex {report.codex}"] if report.codex else []
        self._page.line(
            Text.assemble(remote(place, "bold", one_line=True), "  ", remote(", ".join(facts), "dim", one_line=True))
        )
        for group in report.groups:
            self._group(group)
        for notice in report.notices:
            self._page.line(remote(notice.message, "yellow"), prefix=Text("! ", style="yellow"))
        self._page.line()
        self._sum(report)

    def _group(self, group: GroupBody) -> None:
        full = 0 if group.score is None else round(_BAR * group.score / 100)
        style = _style(group.score)
        number = "unknown" if group.score is None else f"{int(group.score)}"
        bar = Text.assemble(("━" * full, style), ("─" * (_BAR - full), "dim"))
        self._page.line()
        self._page.line(Text.assemble((f"{group.name:<13} ", "bold"), bar, (f" {number:>3}", style)))
        if self._verbosity >= 0:
            for item in group.items:
                self._item(item)

    def _item(self, item: ItemBody) -> None:
        mark, style = _MARKS.get(item.result, ("?", ""))
        line = remote(item.title, one_line=True)
        if item.seconds is not None:
            line.append(f"  {duration(item.seconds)}", style="dim")
        self._page.line(line, prefix=Text.assemble("  ", (mark, style), " "))
        command = remote(item.command)
        if item.source:
            command.append_text(remote(f"  from {item.source}", "dim"))
        self._page.line(command, prefix=Text("    $ ", style="dim"))
        if item.evidence and (item.result != "pass" or self._verbosity > 0):
            self._page.line(
                remote("\n".join(item.evidence.splitlines()[-_SHOWN:])), prefix=Text("    seen: ", style="dim")
            )
        if item.next:
            self._page.line(remote(item.next), prefix=Text("    next: ", style="dim"))

    def _sum(self, report: ScoreReport) -> None:
        score = "unknown" if report.score is None else f"{report.score:g} of 100"
        text = Text.assemble(("score ", "bold"), (score, f"bold {_style(report.score)}"))
        text.append(f"  {report.known} of {report.count} items known, {duration(report.seconds)}", style="dim")
        self._page.line(text)
        if report.unknown:
            self._page.line(remote(", ".join(report.unknown)), prefix=Text("unknown: ", style="dim"))


def _style(score: float | None) -> str:
    if score is None:
        return "dim"
    return "green" if score >= 80 else "yellow" if score >= 50 else "red"
