"""A bench on a real sshd, for tests of steps: what the engine does for one step, without the engine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.support.links import SshdResolver, world_of
from tests.support.system_sshd import SystemSshd

from remora.core.provisioning import Finding, StepState
from remora.core.settings import DEFAULT_LIMITS, Limits
from remora.flows.connect import connect_host
from remora.flows.provision.bench import Bench, open_bench
from remora.flows.provision.step import Step
from remora.flows.unattended import UnattendedDialogue
from remora.ports import World


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


@dataclass
class Progress:
    """A :data:`remora.flows.provision.step.Tell` that remembers."""

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
