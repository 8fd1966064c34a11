"""How fast a fleet is dialled: never more than so many hosts a second, those that are tried again included."""

import asyncio
from collections.abc import Callable

import pytest
from tests.support.base.loop import run
from tests.support.provision.provision_bench import ALICE, DIGEST, LineStep
from tests.support.sshd.dial_network import Network, dead, refused, world_over

from remora.core.errors import RemoraError
from remora.core.settings import DEFAULT_LIMITS
from remora.flows.kit.unattended import UnattendedDialogue
from remora.flows.provision.fleet import carry_out
from remora.flows.provision.host import HostWork
from remora.wire.reports.provision import ProvisionProgress, ProvisionReport

HOSTS = 200


def provision_all(network: Network, *, jobs: int) -> ProvisionReport:
    """Run it at hosts that all fail in the same way."""
    works = [HostWork(alias=f"h{number}", digest=DIGEST, steps=[LineStep("x")]) for number in range(HOSTS)]

    async def story() -> ProvisionReport:
        async def last() -> ProvisionProgress:
            running = carry_out(
                works,
                world_over(network),
                UnattendedDialogue(),
                dry_run=False,
                jobs=jobs,
                fail_fast=False,
                operator=ALICE,
            )
            return [progress async for progress in running][-1]

        waiting = asyncio.ensure_future(last())
        while not waiting.done():
            await network.clock.advance(1.0)
        report = await waiting
        assert isinstance(report, ProvisionReport)
        return report

    return run(story())


@pytest.mark.parametrize("jobs", [16, HOSTS])
@pytest.mark.parametrize(("fails", "dials"), [(dead, HOSTS * (1 + DEFAULT_LIMITS.provision_retries)), (refused, HOSTS)])
def test_no_more_hosts_a_second_than_the_limit_whatever_fails(
    fails: Callable[[], RemoraError], dials: int, jobs: int
) -> None:
    network = Network(fails=fails)
    report = provision_all(network, jobs=jobs)
    assert [host.outcome for host in report.hosts] == ["failed"] * HOSTS
    assert len(network.dials) == dials
    burst, rate = DEFAULT_LIMITS.dial_parallel, DEFAULT_LIMITS.provision_dials
    for seconds in (1, 5):
        windows = [sum(1 for dial in network.dials if start <= dial < start + seconds) for start in network.dials]
        assert max(windows) <= burst + rate * seconds
