"""What becomes of one host, put together while it is provisioned: over several connections, one document."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from remora.core.devbox.provision_step import Finding, StepOutcome, StepState
from remora.core.errors import RemoraError
from remora.core.text import neutralise
from remora.flows.provision.steps.step import Step
from remora.wire.reports import NoticeBody, error_body
from remora.wire.reports.provision import HostProvision, StepBody, StepDone, StepMoved, StepStarted

Progress = Callable[[StepStarted | StepMoved | StepDone], None]

_FROM_READING = {
    StepState.SAME: StepOutcome.UNCHANGED,
    StepState.DIFFERENT: StepOutcome.WOULD_CHANGE,
    StepState.LATER: StepOutcome.WOULD_CHANGE,
    StepState.BLOCKED: StepOutcome.FAILED,
}


@dataclass
class _Moved:
    """The step that is being applied. `bytes` are those of transfers that have ended, `sent` those of the one now."""

    index: int
    began: float
    finding: Finding
    bytes: int = 0
    sent: int = 0


@dataclass
class HostOutcome:
    """Collects what happened to the steps of `alias` and tells it on as :data:`Progress`; each step ends once."""

    alias: str
    digest: str
    steps: Sequence[Step]
    progress: Progress
    now: Callable[[], float]
    dials: int = 0
    notices: list[NoticeBody] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._began = self.now()
        self._done: dict[int, StepBody] = {}
        self._found: dict[int, Finding] = {}
        self._at: _Moved | None = None

    def found(self, index: int, finding: Finding) -> None:
        """The newest reading of a step."""
        self._found[index] = finding

    def same(self, index: int) -> None:
        """A step holds. One that was changed in this run, by an earlier connection perhaps, stays changed."""
        finding = self._found[index]
        if self._at is not None and self._at.index == index:  # it was done when its connection broke
            self.changed(finding.detail)
        elif index not in self._done:
            self._end(index, StepOutcome.UNCHANGED, finding.detail, notices=finding.notices)

    def begin(self, index: int) -> None:
        """A step is applied from now on."""
        if self._at is None or self._at.index != index:
            self._at = _Moved(index, self.now(), self._found[index])
            step = self.steps[index]
            self.progress(
                StepStarted(alias=self.alias, name=step.name, title=step.title, index=index + 1, count=len(self.steps))
            )

    def moved(self, sent: int, total: int, line: str) -> None:
        """A :data:`~remora.flows.provision.steps.step.Tell` for the step that is applied, or for what holds it up."""
        at = self._at
        index = at.index if at is not None else next(iter(self._different()), 0)
        if at is not None and not line:
            if sent < at.sent:
                at.bytes += at.sent
            at.sent = sent
        self.progress(
            StepMoved(
                alias=self.alias,
                name=self.steps[index].name,
                bytes_sent=sent,
                bytes_total=total,
                line=neutralise(line, one_line=True),
            )
        )

    def changed(self, detail: str) -> None:
        """The step that was applied is proven. What changed is what reading said before; `detail` stands in for it."""
        at = self._at
        if at is not None:
            sent = max(at.bytes + at.sent, at.finding.sends)
            seconds = self.now() - at.began
            notices = tuple(dict.fromkeys((*at.finding.notices, *self._found[at.index].notices)))
            detail = at.finding.detail or detail
            self._end(at.index, StepOutcome.CHANGED, detail, seconds=seconds, sent=sent, notices=notices)
            self._at = None

    def failed(self, index: int, error: RemoraError) -> None:
        """A step cannot be made true."""
        at, self._at = self._at, None
        finding = self._found.get(index)
        applied = at is not None and at.index == index
        self._done.pop(index, None)
        self._end(
            index,
            StepOutcome.FAILED,
            finding.detail if finding is not None else "",
            seconds=self.now() - at.began if at is not None and applied else None,
            sent=at.bytes + at.sent if at is not None and applied else 0,
            error=error,
            notices=finding.notices if finding is not None else (),
        )

    def predict(self) -> None:
        """Close a dry run: every step ends as its reading says."""
        for index in range(len(self.steps)):
            finding = self._found[index]
            if finding.state is StepState.BLOCKED and finding.error is not None:
                self.failed(index, finding.error)
            else:
                sent = finding.sends if finding.state is StepState.DIFFERENT else 0
                outcome = _FROM_READING[finding.state]
                self._end(index, outcome, finding.detail, sent=sent, notices=finding.notices)

    def body(self, error: RemoraError | None, *, skipped: bool = False) -> HostProvision:
        """The whole. `error` is what stopped it: in the step that was applied, or outside of any."""
        if error is not None:
            error.belongs_to(self.alias)
            if self._at is not None:
                self.failed(self._at.index, error)
                error = None
        for index in range(len(self.steps)):
            if index not in self._done:
                finding = self._found.get(index)
                outcome = StepOutcome.SKIPPED
                if finding is not None and finding.state is StepState.SAME:
                    outcome = StepOutcome.UNCHANGED
                self._end(index, outcome, finding.detail if finding is not None else "")
        steps = [self._done[index] for index in range(len(self.steps))]
        outcome = _outcome({step.outcome for step in steps}, failed=error is not None, skipped=skipped)
        return HostProvision(
            alias=self.alias,
            ok=outcome not in {StepOutcome.FAILED, StepOutcome.SKIPPED},
            outcome=outcome.value,
            digest=self.digest,
            seconds=self.now() - self._began,
            bytes=sum(step.bytes for step in steps),
            dials=self.dials,
            steps=steps,
            error=error_body(error) if error is not None else None,
            notices=self.notices,
        )

    def _different(self) -> list[int]:
        return [index for index, finding in sorted(self._found.items()) if finding.state is not StepState.SAME]

    def _end(
        self,
        index: int,
        outcome: StepOutcome,
        detail: str,
        *,
        seconds: float | None = None,
        sent: int = 0,
        error: RemoraError | None = None,
        notices: Sequence[str] = (),
    ) -> None:
        if error is not None:
            error.belongs_to(self.alias)
        step = self.steps[index]
        body = StepBody(
            name=step.name,
            title=step.title,
            outcome=outcome.value,
            detail=neutralise(detail, one_line=True),
            seconds=seconds,
            bytes=sent,
            error=error_body(error) if error is not None else None,
            notices=[neutralise(notice, one_line=True) for notice in notices],
        )
        self._done[index] = body
        self.progress(StepDone(alias=self.alias, step=body))


def _outcome(outcomes: set[str], *, failed: bool, skipped: bool) -> StepOutcome:
    if failed or StepOutcome.FAILED.value in outcomes:
        return StepOutcome.FAILED
    if skipped:
        return StepOutcome.SKIPPED
    order = (StepOutcome.CHANGED, StepOutcome.WOULD_CHANGE)
    return next((outcome for outcome in order if outcome.value in outcomes), StepOutcome.UNCHANGED)
