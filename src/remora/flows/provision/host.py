"""One host brought to a state: read, compare, change what differs, prove it; from wherever an earlier run stopped."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from remora.core.backoff import Backoff, may_retry
from remora.core.devbox.provision_step import Finding, StepScript, StepState
from remora.core.devbox.script_failures import script_problem
from remora.core.errors import Code, ProvisionProblem, RemoraError, own_failure
from remora.core.server.answers import Answers
from remora.core.server.markers import Marker, Readiness, marker_text
from remora.core.text import neutralise
from remora.flows.host.dial import connect_host
from remora.flows.provision.bench import Bench, open_bench
from remora.flows.provision.lock import HostLock
from remora.flows.provision.operators import Operator
from remora.flows.provision.outcome import HostOutcome, Progress
from remora.flows.provision.steps.step import Step
from remora.ports import Dialogue, World
from remora.wire.reports import NoticeBody, notice_bodies
from remora.wire.reports.provision import HostProvision

_WAITED: Final = frozenset({Code.PROVISION_BUSY, Code.NOT_READY})
"""A longer wait is behind these already."""
_OF_THIS_MACHINE: Final = frozenset({Code.SECRET_MISSING, Code.PACKAGE_UNAVAILABLE})
"""These say nothing about the host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostWork:
    """What is to be done at one host: the steps in their order, and the digest of the manifest as it holds for it.

    `lends_agent`: a step needs the agent of this machine there. Without such a step the host does not get it.
    """

    alias: str
    digest: str
    steps: Sequence[Step]
    lends_agent: bool = False


class _StepStops(Exception):
    def __init__(self, index: int, error: RemoraError, *, begun: bool = True) -> None:
        super().__init__(error.message)
        self.index = index
        self.error = error
        self.begun = begun


class HostRun:
    """One run at one host. Whatever happens becomes part of its document; only cancelling gets out of it."""

    def __init__(
        self, work: HostWork, world: World, dialogue: Dialogue, *, dry_run: bool, operator: Operator, progress: Progress
    ) -> None:
        self._work = work
        self._world = world
        self._limits = world.limits
        self._dialogue = dialogue
        self._dry_run = dry_run
        self._operator = operator.visiting(world.nonce())
        self._outcome = HostOutcome(work.alias, work.digest, work.steps, progress, world.clock.monotonic)
        self._last = False
        """Whether no further connection will be made."""

    async def run(self) -> HostProvision:
        """Dial, and dial anew where that can help; what was done by then is found done."""
        return self._outcome.body(await self._try())

    async def _try(self) -> RemoraError | None:
        retries = self._limits.provision_retries
        pauses = Backoff(quick=retries)
        for attempt in range(1, retries + 2):
            self._last = attempt > retries
            try:
                await self._connect()
            except RemoraError as error:
                if self._is_final(error):
                    return error
                pause = pauses.delay(attempt, elapsed=0.0, chance=self._world.random.random())
                await self._world.clock.sleep(pause or 0.0)
            except Exception as error:  # noqa: BLE001 - a fault of ours at one host must not stop the others
                return own_failure("remora", error, next_step="Report it in remora's issue tracker.")
            else:
                return None
        return None

    def _is_final(self, error: RemoraError) -> bool:
        return self._last or not may_retry(error) or error.code in _WAITED

    async def _connect(self) -> None:
        async with (
            connect_host(self._work.alias, self._world, self._dialogue, lend_agent=self._work.lends_agent) as host,
            open_bench(host, self._world) as bench,
        ):
            self._outcome.dials += 1
            self._outcome.notices[:] = notice_bodies(host.facts.notices)
            await _Visit(self._work, bench, self._outcome, self._operator, is_final=self._is_final).make(
                dry_run=self._dry_run
            )


class _Visit:
    """One connection's worth of work at a host."""

    def __init__(
        self,
        work: HostWork,
        bench: Bench,
        outcome: HostOutcome,
        operator: Operator,
        *,
        is_final: Callable[[RemoraError], bool],
    ) -> None:
        self._work = work
        self._steps = work.steps
        self._readings = [step.reading() for step in work.steps]
        self._bench = bench
        self._outcome = outcome
        self._operator = operator
        self._is_final = is_final
        self._lock = HostLock(bench, operator=operator, wait=bench.world.limits.provision_lock)

    async def make(self, *, dry_run: bool) -> None:
        findings = await self._judge_all(await self._bench.survey(self._readings))
        if dry_run:
            self._outcome.predict()
            return
        if self._holds(findings):
            self._all_same()
            return
        self._bench.attend("the lock", "lock", self._outcome.moved)
        answers = await self._lock.take(self._readings, waits=lambda line: self._outcome.moved(0, 0, line))
        findings = await self._judge_all(answers)
        try:
            await self._change(findings)
        except _StepStops as stop:
            if self._is_final(stop.error):
                await self._mark_failed(stop)
                self._outcome.failed(stop.index, stop.error)
                return
            raise stop.error from None

    def _holds(self, findings: Sequence[Finding]) -> bool:
        """Whether nothing is to be done, nor to be written down."""
        return self._is_ready(self._work.digest) and all(finding.state is StepState.SAME for finding in findings)

    def _is_ready(self, digest: str | None = None) -> bool:
        marker = self._bench.marker
        return marker is not None and marker.readiness is Readiness.READY and digest in (None, marker.digest)

    def _all_same(self) -> None:
        for index in range(len(self._steps)):
            self._outcome.same(index)

    async def _change(self, findings: list[Finding]) -> None:
        """Under the lock: make every step true that is not, in order. A plan that cannot be kept is not begun."""
        for index, finding in enumerate(findings):
            if finding.state is StepState.BLOCKED:
                raise _StepStops(index, _blocked(finding, self._steps[index]), begun=False)
        for index in range(len(self._steps)):
            finding = findings[index]
            if finding.state is not StepState.SAME:
                await self._apply(index, finding, findings)
            self._outcome.same(index)
        if self._holds(findings):
            await self._lock.leave()
        else:
            await self._mark(Marker(readiness=Readiness.READY, digest=self._work.digest, operator=self._operator.name))

    async def _apply(self, index: int, finding: Finding, findings: list[Finding]) -> None:
        step = self._steps[index]
        if finding.state is not StepState.DIFFERENT:
            raise _StepStops(index, _blocked(finding, step))
        self._outcome.begin(index)
        self._bench.attend(step.title, step.name, self._outcome.moved)
        try:
            await self._keep_lock()
            self._bench.queue(self._marker_script(self._marker(Readiness.PROVISIONING, index)))
            await step.apply(finding, self._bench, self._outcome.moved)
            await self._keep_lock()
            answers = await self._bench.survey(self._readings[index:])
            findings[index] = await self._judge(index, answers[0])
            if findings[index].state is not StepState.SAME:
                raise _unproven(findings[index], step)
            self._outcome.changed(findings[index].detail)
        except RemoraError as error:
            raise _StepStops(index, error) from error
        # What comes later may look different now.
        for later, said in enumerate(answers[1:], index + 1):
            findings[later] = await self._judge(later, said)

    async def _keep_lock(self) -> None:
        if not await self._lock.retake():
            raise _lost_lock()

    async def _judge_all(self, answers: Sequence[Answers]) -> list[Finding]:
        return [await self._judge(index, said) for index, said in enumerate(answers)]

    async def _judge(self, index: int, answers: Answers) -> Finding:
        step = self._steps[index]
        problem = script_problem(answers, what=step.title, seen="")
        try:
            if problem is not None:
                raise problem
            finding = await step.judge(answers, self._bench.facts)
        except RemoraError as error:
            finding = Finding.blocked(error, answers)
        self._outcome.found(index, finding)
        return finding

    # -- the marker

    def _marker(self, readiness: Readiness, index: int, detail: str = "") -> Marker:
        return Marker(
            readiness=readiness,
            digest=self._work.digest,
            step=index + 1,
            steps=len(self._steps),
            step_title=self._steps[index].title,
            detail=detail,
            operator=self._operator.name,
        )

    def _marker_script(self, marker: Marker) -> StepScript:
        return StepScript("marker_write", {"remora_marker": marker_text(marker)})

    async def _mark(self, marker: Marker) -> None:
        """Write the last word and leave the lock. That it cannot be written is a notice, and no failure."""
        (said,) = await self._lock.leave(self._marker_script(marker))
        if said.one("failed") is not None:
            detail = neutralise(said.one("failed.detail") or "", one_line=True)
            message = f"The host could not record the result of provisioning: {detail}"
            self._outcome.notices.append(NoticeBody(code="marker-unwritable", message=message))

    async def _mark_failed(self, stop: _StepStops) -> None:
        """A host that is ready stays so when nothing was begun there, and what is missing is missing here."""
        stays = not stop.begun and stop.error.code in _OF_THIS_MACHINE and self._is_ready()
        try:
            if stays:
                await self._lock.leave()
            elif await self._lock.retake():
                await self._mark(self._marker(Readiness.FAILED, stop.index, stop.error.message))
        except RemoraError:
            pass  # the failure itself is what counts; the marker then says that provisioning was interrupted


def _blocked(finding: Finding, step: Step) -> RemoraError:
    return finding.error or ProvisionProblem(
        Code.STEP_UNPROVEN,
        f"Could not verify {step.title} on the host.",
        seen=finding.detail,
        next_step="Run it again; if it fails again, report it in remora's issue tracker.",
    )


def _unproven(finding: Finding, step: Step) -> RemoraError:
    return finding.error or ProvisionProblem(
        Code.STEP_UNPROVEN,
        f"{step.title} was applied, but the host does not have the new state.",
        seen=finding.detail,
        next_step="Find out what reverts it on the host, then run it again.",
    )


def _lost_lock() -> ProvisionProblem:
    return ProvisionProblem(
        Code.PROVISION_BUSY,
        "Another operator has started to provision this host.",
        next_step="Run it again later.",
    )
