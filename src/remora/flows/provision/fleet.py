"""Many hosts provisioned side by side; what happens to one is no matter of the others."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Final

from remora.core.devbox.provision_step import StepOutcome
from remora.core.errors import ExitCode
from remora.flows.kit.pace import Pace, PacedDialler
from remora.flows.kit.side_by_side import SideBySide
from remora.flows.provision.host import HostRun, HostWork
from remora.flows.provision.operators import Operator
from remora.flows.provision.outcome import HostOutcome
from remora.flows.provision.step_list import steps_for
from remora.ports import Dialogue, Packages, SecretReader, TrustMemory, World
from remora.wire.manifest.host_spec import HostSpec
from remora.wire.reports.provision import (
    HostProvision,
    ProvisionProgress,
    ProvisionReport,
    StepDone,
    StepMoved,
    StepStarted,
)

_UNREAD: Final = 1000
"""Events that wait to be read; beyond them lines and byte counts are left out."""


async def provision_hosts(
    specs: Sequence[HostSpec],
    world: World,
    dialogue: Dialogue,
    *,
    packages: Packages,
    secrets: SecretReader,
    trust: TrustMemory,
    dry_run: bool,
    jobs: int,
    fail_fast: bool,
    operator: Operator,
) -> AsyncGenerator[ProvisionProgress, None]:
    """Bring every host of `specs` to its state, `jobs` at once; see :func:`carry_out`."""
    works = [
        HostWork(
            alias=spec.alias,
            digest=spec.digest,
            steps=steps_for(spec, packages=packages, secrets=secrets, trust=trust),
            lends_agent=any(project.forward_agent for project in spec.tables.projects),
        )
        for spec in specs
    ]
    running = carry_out(works, world, dialogue, dry_run=dry_run, jobs=jobs, fail_fast=fail_fast, operator=operator)
    async with aclosing(running) as news:
        async for progress in news:
            yield progress


async def carry_out(
    works: Sequence[HostWork],
    world: World,
    dialogue: Dialogue,
    *,
    dry_run: bool,
    jobs: int,
    fail_fast: bool,
    operator: Operator,
) -> AsyncGenerator[ProvisionProgress, None]:
    """Do `works`, `jobs` at once: steps as they begin, move and end, hosts as they are done, the report at the end.

    With `fail_fast` no host is begun once one has failed; those at work go on to their end. Close the iterator to
    stop: nothing is left running here or there, and every host's marker says how far it came.
    """
    fleet = _Fleet(world, dialogue, dry_run=dry_run, jobs=jobs, fail_fast=fail_fast, operator=operator)
    done: dict[str, HostProvision] = {}
    async with aclosing(fleet.hosts.run(fleet.work(work) for work in works)) as news:
        async for item in news:
            if isinstance(item, HostProvision):
                done[item.alias] = item
            yield item
    hosts = [done[work.alias] for work in works]
    ok = all(host.ok for host in hosts)
    code = ExitCode.DONE if ok else ExitCode.PARTIAL
    yield ProvisionReport(ok=ok, exit_code=int(code), dry_run=dry_run, hosts=hosts)


class _Fleet:
    def __init__(
        self, world: World, dialogue: Dialogue, *, dry_run: bool, jobs: int, fail_fast: bool, operator: Operator
    ) -> None:
        self.hosts: SideBySide[StepStarted | StepMoved | StepDone | HostProvision] = SideBySide()
        pace = Pace(world.clock, burst=world.limits.dial_parallel)
        dialler = PacedDialler(world.dialler, pace, per_second=world.limits.provision_dials)
        self._world = replace(world, dialler=dialler)
        self._dialogue = dialogue
        self._dry_run = dry_run
        self._operator = operator
        self._fail_fast = fail_fast
        self._places = asyncio.Semaphore(jobs)
        self._failed = False

    async def work(self, work: HostWork) -> None:
        """One host, when its turn comes."""
        async with self._places:
            if self._failed and self._fail_fast:
                outcome = HostOutcome(work.alias, work.digest, work.steps, self._tell, self._world.clock.monotonic)
                self.hosts.tell(outcome.body(None, skipped=True))
                return
            run = HostRun(
                work,
                self._world,
                self._dialogue,
                dry_run=self._dry_run,
                operator=self._operator,
                progress=self._tell,
            )
            host = await run.run()
            self._failed = self._failed or host.outcome == StepOutcome.FAILED.value
            self.hosts.tell(host)

    def _tell(self, progress: StepStarted | StepMoved | StepDone) -> None:
        if not isinstance(progress, StepMoved) or self.hosts.unread < _UNREAD:
            self.hosts.tell(progress)
