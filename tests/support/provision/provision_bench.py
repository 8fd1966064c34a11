"""A bench on a real sshd, for tests of steps: what the engine does for one step, without the engine."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.support.link.links import SshdResolver, world_of
from tests.support.sshd.system_sshd import SystemSshd

from remora.core.devbox.provision_step import Finding, StepScript, StepState
from remora.core.errors import Code, ProvisionProblem
from remora.core.server.account_facts import AccountFacts
from remora.core.server.answers import Answers
from remora.core.server.markers import Marker
from remora.core.server.probes import HostFacts
from remora.core.settings import DEFAULT_LIMITS, Limits
from remora.flows.host.dial import connect_host
from remora.flows.kit.unattended import UnattendedDialogue
from remora.flows.provision.bench import Bench, open_bench
from remora.flows.provision.host import HostRun, HostWork
from remora.flows.provision.operators import Operator
from remora.flows.provision.steps.alone import AloneStep, AloneTerms
from remora.flows.provision.steps.step import Step, Tell, Workbench
from remora.flows.server.shell import ProbeRequest, open_shell
from remora.ports import World
from remora.wire.reports.provision import HostProvision, ProvisionProgress


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[SystemSshd]:
    """A host that allows one session for a connection."""
    with SystemSshd(tmp_path, options=["MaxSessions 1"]) as server:
        yield server


@asynccontextmanager
async def bench_at(
    sshd: SystemSshd, *, limits: Limits = DEFAULT_LIMITS, world: World | None = None, port: int | None = None
) -> AsyncIterator[Bench]:
    """A bench at `sshd` (or at the proxy before it on `port`) that has made its first survey: its facts are there."""
    world = world or world_of(SshdResolver(sshd, port), limits=limits)
    async with connect_host("devbox", world, UnattendedDialogue()) as host, open_bench(host, world) as bench:
        await bench.survey(())
        yield bench


async def read(step: Step, bench: Bench) -> Finding:
    """What the step finds at the host now."""
    (answers,) = await bench.survey([step.reading()])
    return await step.judge(answers, bench.facts)


Hook = Callable[[str], Awaitable[None]]
"""Hears of the moments of a step: ``before`` and ``after`` it is applied."""


async def nothing(moment: str) -> None:
    """A hook that does nothing."""


class LineStep:
    """A line that a file in the home has to have; every time it is written counts as a line in ``written``."""

    def __init__(self, name: str, text: str = "wished", *, hook: Hook = nothing, blocked: bool = False) -> None:
        self.name = name
        self.title = f"the {name} line"
        self._text = text
        self._hook = hook
        self._blocked = blocked

    def reading(self) -> StepScript:
        """See the contract."""
        return StepScript("", self._variables, 'remora_tell has "$(cat "$HOME/$remora_file" 2>/dev/null)"\n')

    async def judge(self, answers: Answers, facts: AccountFacts) -> Finding:
        """See the contract."""
        has = answers.one("has") or ""
        if self._blocked:
            error = ProvisionProblem(Code.REPOSITORY_CHANGED, f"{self.name} is in the way.", next_step="Move it.")
            return Finding(state=StepState.BLOCKED, detail="in the way", error=error)
        state = StepState.SAME if has == self._text else StepState.DIFFERENT
        return Finding(state=state, detail=f"{has or 'nothing'} is there", sends=len(self._text), answers=answers)

    async def apply(self, finding: Finding, bench: Workbench, tell: Tell) -> None:
        """See the contract."""
        await self._hook("before")
        write = 'printf %s "$remora_line" | remora_replace "$HOME/$remora_file" 600 || exit 1\n'
        count = 'echo "$remora_file" >>"$HOME/written"\n'
        await bench.ask(StepScript("", {**self._variables, "remora_line": self._text}, write + count), limit=20)
        await self._hook("after")

    def alone(self, terms: AloneTerms) -> AloneStep:
        """No engine but the one under test carries it out."""
        raise NotImplementedError

    @property
    def _variables(self) -> dict[str, str]:
        return {"remora_file": self.name}


class AnotherStep:
    """A step as it is; whoever needs it otherwise says in which way."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self.name = step.name
        self.title = step.title

    def reading(self) -> StepScript:
        """See the contract."""
        return self._step.reading()

    async def judge(self, answers: Answers, facts: AccountFacts) -> Finding:
        """See the contract."""
        return await self._step.judge(answers, facts)

    async def apply(self, finding: Finding, bench: Workbench, tell: Tell) -> None:
        """See the contract."""
        await self._step.apply(finding, bench, tell)

    def alone(self, terms: AloneTerms) -> AloneStep:
        """See the contract."""
        return self._step.alone(terms)


DIGEST = "sha256:" + "1" * 64
ALICE = Operator("alice@laptop")


async def provision(
    sshd: SystemSshd,
    steps: Sequence[Step],
    *,
    limits: Limits = DEFAULT_LIMITS,
    world: World | None = None,
    operator: Operator = ALICE,
    dry_run: bool = False,
    digest: str = DIGEST,
    progress: list[ProvisionProgress] | None = None,
    lends_agent: bool = False,
) -> HostProvision:
    """One run of the engine at one host."""
    world = world or world_of(SshdResolver(sshd), limits=limits)
    work = HostWork(alias="devbox", digest=digest, steps=steps, lends_agent=lends_agent)
    heard = progress if progress is not None else []
    run = HostRun(work, world, UnattendedDialogue(), dry_run=dry_run, operator=operator, progress=heard.append)
    return await run.run()


async def marker_at(sshd: SystemSshd) -> Marker:
    """What the host says of itself now."""
    return (await facts_of(sshd)).marker


async def facts_of(sshd: SystemSshd) -> HostFacts:
    """What the probe of ``check`` finds now."""
    world = world_of(SshdResolver(sshd))
    async with (
        connect_host("devbox", world, UnattendedDialogue()) as host,
        open_shell(host, clock=world.clock, limits=world.limits, nonce=world.nonce) as shell,
    ):
        return await shell.probe(ProbeRequest())


@dataclass
class Progress:
    """A :data:`remora.flows.provision.steps.step.Tell` that remembers."""

    moved: list[tuple[int, int]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def __call__(self, sent: int, total: int, line: str) -> None:
        if line:
            self.lines.append(line)
        else:
            self.moved.append((sent, total))


async def bring(step: Step, bench: Bench, *, progress: Progress | None = None) -> Finding:
    """Read, apply when different, and read again as the engine does; the first finding. What is then not SAME fails."""
    progress = progress or Progress()
    bench.attend(step.title, step.name, progress)
    found = await read(step, bench)
    if found.error is not None:
        raise found.error
    if found.state is not StepState.SAME:
        await step.apply(found, bench, progress)
        after = await read(step, bench)
        assert after.state is StepState.SAME, f"{step.name} is not proven: {after.state} {after.detail}"
    return found
