"""``remora provision`` as a person watches it: the steps of one host, or several hosts side by side."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from rich.console import Group
from rich.text import Text

from remora.cli.devbox.alike import alike, named
from remora.cli.draw.failure import show_advice
from remora.cli.draw.measures import duration, size
from remora.cli.draw.page import Page, remote
from remora.cli.frame.output import short_path
from remora.wire.reports import ErrorBody
from remora.wire.reports.provision import (
    HostProvision,
    ProvisionProgress,
    ProvisionReport,
    StepBody,
    StepDone,
    StepMoved,
    StepStarted,
)

_MARKS: Final = {
    "changed": ("±", "green"),
    "would-change": ("±", "yellow"),
    "unchanged": ("✓", "green"),
    "failed": ("✗", "bold red"),
    "skipped": ("·", "dim"),
}
_WORDS: Final = {"would-change": "would change"}


class ProvisionView:
    """Shows progress as it comes. One host shows its steps; of several, each shows its result when it is done.

    With a `verbosity` above zero several hosts show their steps too, and what scripts write is shown; below zero each
    host shows its result and what failed, nothing else. With `plans`, of several hosts those that would have the same
    done to them are told together, at the end. `now` is a clock in seconds, for rates.
    """

    def __init__(
        self,
        page: Page,
        aliases: Sequence[str],
        *,
        verbosity: int = 0,
        plans: bool = False,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._page = page
        self._quiet = verbosity < 0
        self._details = verbosity > 0
        self._single = len(aliases) == 1 and not self._quiet
        self._width = max((len(alias) for alias in aliases), default=0)
        self._together = plans and verbosity == 0 and not self._single
        self._now = now
        self._count = len(aliases)
        self._unfinished = dict.fromkeys(aliases)
        self._waiting = dict.fromkeys(aliases)
        self._at_work: dict[str, _AtWork] = {}
        self._fetch: _Fetch | None = None

    def show(self, progress: ProvisionProgress) -> None:
        """Show one piece of progress."""
        if isinstance(progress, ProvisionReport):
            self.settle()
            if not self._quiet:
                self._report(progress)
            return
        self._waiting.pop(progress.alias, None)
        if isinstance(progress, HostProvision):
            self._at_work.pop(progress.alias, None)
            self._unfinished.pop(progress.alias, None)
            if not (self._together and progress.ok):
                self._host(progress)
        elif isinstance(progress, StepStarted):
            self._at_work[progress.alias] = _AtWork(progress, self._now())
        elif isinstance(progress, StepMoved):
            self._moved(progress)
        elif (self._single or self._details) and progress.step.outcome != "skipped":
            self._step(progress.step, head=self._head(progress))

    def fetching(self, what: str, done: int, total: int) -> None:
        """Take what this machine is fetching for all hosts; it is there when `done` is all of it."""
        if self._fetch is None or self._fetch.what != what:
            self._fetch = _Fetch(what, self._now())
        self._fetch.done, self._fetch.total = done, total
        if total and done >= total:
            self._fetch = None

    def redraw(self) -> None:
        """Draw the hosts under way again."""
        if self._quiet:
            return
        rows = [
            row for alias, work in self._at_work.items() for row in work.rows(f"{alias:<{self._width}}  ", self._now())
        ]
        if self._waiting:
            hosts = next(iter(self._waiting)) if len(self._waiting) == 1 else f"{len(self._waiting)} hosts"
            rows.insert(0, Text.assemble(("… ", "dim"), remote(hosts), ("  connecting, being read, or waiting", "dim")))
        if self._fetch is not None:
            rows.insert(0, self._fetch.row(self._now()))
        self._page.draw(Group(*rows) if rows else None)

    def settle(self) -> None:
        """Take the moving part away."""
        self._page.clear()

    def broken_off(self) -> None:
        """Of several hosts, tell which have not been done when there is no report."""
        left = list(self._unfinished)
        if left and self._count > 1 and not self._quiet:
            counts = f"{self._count} hosts: {self._count - len(left)} done, {len(left)} not"
            self._page.line(remote(f"{counts}: {named(left)}", one_line=True))

    def _moved(self, progress: StepMoved) -> None:
        # What a host waits for before its first step, such as another operator, is told of no step.
        waits = StepStarted(alias=progress.alias, name=progress.name, title="waits", index=0, count=0)
        self._at_work.setdefault(progress.alias, _AtWork(waits, self._now())).move(progress)
        if progress.line and self._details:
            prefix = Text("  │ " if self._single else f"  │ {progress.alias:<{self._width}}  ", style="dim")
            self._page.line(remote(progress.line, one_line=True), prefix=prefix)

    def _head(self, progress: StepDone) -> str:
        return "" if self._single else f"{progress.alias:<{self._width}}  "

    def _step(self, step: StepBody, *, head: str = "", indent: str = "") -> None:
        mark, style = _MARKS.get(step.outcome, ("?", ""))
        text = remote(step.title, one_line=True)
        what = step.error.message if step.error is not None else step.detail
        if what:
            text.append(": ").append_text(remote(what, one_line=True))
        if step.error is not None:
            text.append(f" [{step.error.code}]", style="dim")
        text.append_text(_cost(step))
        self._page.line(text, prefix=Text.assemble(indent, (mark, style), f" {head}"))
        for notice in step.notices:
            self._page.line(remote(notice, "yellow", one_line=True), prefix=Text("! ", style="yellow"))
        if step.error is not None:
            show_advice(self._page, step.error)

    def _host(self, host: HostProvision) -> None:
        if not self._single:
            self._result_line(host)
            for step in host.steps if not self._details else []:
                if step.error is not None or step.outcome == "would-change":
                    self._step(step, indent="  ")
        if host.error is not None:
            self._trouble(host.error)
        if self._single or self._details:
            self._not_reached(host)
        if not self._quiet:
            for notice in host.notices:
                self._page.line(remote(notice.message, "yellow"), prefix=Text("! ", style="yellow"))
        if host.log is not None and not host.ok:
            self._page.whole_line(Text.assemble(("  log:   ", "dim"), remote(short_path(host.log))))

    def _not_reached(self, host: HostProvision) -> None:
        titles = [step.title for step in host.steps if step.outcome == "skipped"]
        if titles:
            text = remote(f"not reached: {', '.join(titles)}", "dim", one_line=True)
            self._page.line(text, prefix=Text("· ", style="dim"))

    def _trouble(self, error: ErrorBody) -> None:
        if self._single:
            text = remote(error.message).append(f" [{error.code}]", style="dim")
            self._page.line(text, prefix=Text.assemble(_MARKS["failed"], " "))
        show_advice(self._page, error)

    def _result_line(self, host: HostProvision) -> None:
        mark, style = _MARKS.get(host.outcome, ("?", ""))
        text = remote(_summary(host), one_line=True)
        if host.error is not None:
            text.append(f" [{host.error.code}]", style="dim")
        text.append(f"  {_travelled(host)}{duration(host.seconds)}", style="dim")
        self._page.line(text, prefix=Text.assemble((mark, style), f" {host.alias:<{self._width}}  "))

    def _alike(self, hosts: Sequence[HostProvision]) -> None:
        """What would be done, once for all hosts that are alike; of what is there, the first host is the example."""
        mark, style = _MARKS.get(hosts[0].outcome, ("?", ""))
        what = "nothing to do" if hosts[0].outcome == "unchanged" else "would change"
        names = remote(named([host.alias for host in hosts]), one_line=True)
        text = names if len(hosts) == 1 else Text(f"{len(hosts)} hosts", "bold")
        text.append(f": {what}")
        if len(hosts) > 1:
            text.append("  ").append_text(names)
        if count := sum(host.bytes for host in hosts):
            text.append(f"  sends {size(count)}{' in total' if len(hosts) > 1 else ''}", style="dim")
        self._page.line(text, prefix=Text.assemble((mark, style), " "))
        for step in hosts[0].steps:
            if step.outcome == "would-change":
                self._step(step, indent="  ")
        for host in hosts:
            for notice in host.notices:
                self._page.line(remote(f"{host.alias}: {notice.message}", "yellow"), prefix=Text("! ", style="yellow"))

    def _report(self, report: ProvisionReport) -> None:
        for hosts in alike(report.hosts) if self._together else ():
            self._alike(hosts)
        if self._single and report.hosts:
            self._page.line(_verdict(report.hosts[0]))
        else:
            self._counts(report)
        if report.dry_run:
            self._page.line(Text("Nothing was changed: this was a dry run.", style="dim"))

    def _counts(self, report: ProvisionReport) -> None:
        outcomes = [host.outcome for host in report.hosts]
        counts = [
            f"{outcomes.count(outcome)} {_WORDS.get(outcome, outcome)}" for outcome in _MARKS if outcome in outcomes
        ]
        style = "bold green" if report.ok else "bold red"
        self._page.line(Text(f"{len(outcomes)} hosts: {', '.join(counts)}", style=style))
        for advice, (first, *others) in _advice(report).items():
            prefix = f"  {first:<{self._width}}  next: "
            if others:
                self._page.line(remote(named([first, *others]), one_line=True), prefix="  ")
                prefix = "    next: "
            self._page.line(remote(advice, one_line=True), prefix=prefix)


class _Fetch:
    """What this machine fetches for all hosts: `done` of `total` bytes, which is 0 where it is not known."""

    def __init__(self, what: str, began: float) -> None:
        self.what = what
        self.done = self.total = 0
        self._began = began

    def row(self, now: float) -> Text:
        """What it is, how much of it is there, and how fast it comes."""
        row = Text.assemble(("↓ ", "dim"), remote(self.what, one_line=True), no_wrap=True, overflow="ellipsis")
        return row.append(_amount(self.done, self.total, now - self._began), style="dim") if self.done else row


def _amount(done: int, total: int, seconds: float) -> str:
    return f"  {size(done)}{f' of {size(total)}' if total else ''}, {size(done / max(seconds, 0.001))}/s"


class _AtWork:
    """The step that a host is at."""

    def __init__(self, step: StepStarted, began: float) -> None:
        self._step = step
        self._began = began
        self._moved = StepMoved(alias=step.alias, name=step.name)
        self._line = ""

    def move(self, moved: StepMoved) -> None:
        """Take what has become of it."""
        self._line = moved.line or self._line
        if moved.bytes_total:
            self._moved = moved

    def rows(self, head: str, now: float) -> list[Text]:
        """The step, what it sends, and below it the last line that its script wrote."""
        row = Text.assemble(("… ", "dim"), remote(head), no_wrap=True, overflow="ellipsis")
        if self._step.count:
            row.append(f"{self._step.index}/{self._step.count} ", style="dim")
        row.append_text(remote(self._step.title, one_line=True))
        moved = self._moved
        if moved.bytes_total:
            row.append(_amount(moved.bytes_sent, moved.bytes_total, now - self._began), style="dim")
        if not self._line:
            return [row]
        last = Text("  │ ", style="dim", no_wrap=True, overflow="ellipsis")
        return [row, last.append_text(remote(self._line, "dim", one_line=True))]


def _advice(report: ProvisionReport) -> dict[str, list[str]]:
    """What is to be done, and at which hosts."""
    hosts: dict[str, list[str]] = {}
    for host in report.hosts:
        error = _error(host)
        if error is not None and error.next:
            hosts.setdefault(error.next, []).append(host.alias)
    return hosts


def _error(host: HostProvision) -> ErrorBody | None:
    return host.error or next((step.error for step in host.steps if step.error is not None), None)


def _summary(host: HostProvision) -> str:
    if host.error is not None:
        return host.error.message
    names = [step.name for step in host.steps if step.outcome == host.outcome]
    if host.outcome == "failed":
        return f"fails at {', '.join(names)}"
    word = _WORDS.get(host.outcome, host.outcome)
    return f"{word}: {', '.join(names)}" if names and host.outcome in ("changed", "would-change") else word


def _verdict(host: HostProvision) -> Text:
    alias = remote(host.alias)
    changed = sum(step.outcome == host.outcome for step in host.steps)
    of = f"{changed} of {len(host.steps)} steps"
    tail = Text(f"  {_travelled(host)}{duration(host.seconds)}", style="dim")
    match host.outcome:
        case "unchanged":
            return Text.assemble(
                alias, " is ", ("as described", "bold green"), "; nothing changed, nothing was sent", tail
            )
        case "changed":
            return Text.assemble(alias, " is ", ("provisioned", "bold green"), f"; {of} changed", tail)
        case "would-change":
            return Text.assemble(alias, " would change in ", (of, "bold yellow"), tail)
        case _ if _is_planned(host):
            return Text.assemble(alias, " would ", ("not be provisioned", "bold red"), tail)
        case _:
            return Text.assemble(alias, " is ", ("not provisioned", "bold red"), tail)


def _cost(step: StepBody) -> Text:
    seconds = "" if step.seconds is None or step.outcome == "unchanged" else duration(step.seconds)
    cost = f"{_sent(step.bytes, step.outcome)}{seconds}".rstrip()
    return Text(f"  {cost}" if cost else "", style="dim")


def _is_planned(host: HostProvision) -> bool:
    return any(step.outcome == "would-change" for step in host.steps)


def _travelled(host: HostProvision) -> str:
    if host.outcome == "failed" and _is_planned(host):
        return ""  # it would not come to that
    return _sent(host.bytes, host.outcome)


def _sent(count: int, outcome: str) -> str:
    return f"{'sends ' * (outcome == 'would-change')}{size(count)}  " if count else ""
