"""Login, limits and server through the engine: changed once, unchanged after, finished after a break."""

from contextlib import aclosing
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.codex.binaries import NEWEST
from tests.support.codex.control_groups import groups_removed
from tests.support.link.links import SshdResolver, world_of
from tests.support.model.login_endpoint import login_endpoint
from tests.support.model.logins import CANARY, host_with
from tests.support.sshd.system_sshd import SystemSshd

from remora.core.errors import Code
from remora.flows.kit.unattended import UnattendedDialogue
from remora.flows.provision.fleet import carry_out
from remora.flows.provision.host import HostWork
from remora.flows.provision.operators import Operator
from remora.flows.provision.steps.limits import LimitsStep
from remora.flows.provision.steps.login import LoginStep
from remora.flows.provision.steps.server import ServerStep
from remora.flows.provision.steps.step import Step
from remora.testing.memory_secrets import MemorySecrets
from remora.wire.manifest.document import LoginKind, LoginTable, SecretSource, ServerTable
from remora.wire.reports import encode
from remora.wire.reports.provision import HostProvision, ProvisionReport, StepDone

pytestmark = [pytest.mark.sshd, pytest.mark.codex]

VERSION = NEWEST


def steps() -> tuple[Step, ...]:
    login = LoginTable(kind=LoginKind.API_KEY, secret=SecretSource(environment="KEY"))
    server = ServerTable(start=True, memory="1GiB")
    return LoginStep(login, MemorySecrets(CANARY)), LimitsStep(server), ServerStep(server)


def provisioned(sshd: SystemSshd, *, until_done: str | None = None) -> HostProvision | None:
    """One run; with `until_done` it is broken off when that step has ended."""

    async def work() -> HostProvision | None:
        running = carry_out(
            [HostWork(alias="devbox", digest="d", steps=steps())],
            world_of(SshdResolver(sshd)),
            UnattendedDialogue(),
            dry_run=False,
            jobs=1,
            fail_fast=False,
            operator=Operator("me"),
        )
        async with aclosing(running) as progress:
            async for step in progress:
                if isinstance(step, StepDone) and step.step.name == until_done:
                    return None
                if isinstance(step, ProvisionReport):
                    assert CANARY.encode() not in encode(step)
                    (host,) = step.hosts
                    return host
        raise AssertionError("no report")

    return run(work())


def outcomes(host: HostProvision | None) -> dict[str, str]:
    assert host is not None
    return {step.name: step.outcome for step in host.steps}


def test_the_second_run_sends_nothing_and_asks_the_model_nothing(tmp_path: Path) -> None:
    with login_endpoint() as endpoint, host_with(VERSION, tmp_path, endpoint) as sshd, groups_removed(sshd):
        first = provisioned(sshd)
        assert outcomes(first) == {"login": "changed", "limits": "changed", "server": "changed"}
        second = provisioned(sshd)
        assert outcomes(second) == {"login": "unchanged", "limits": "unchanged", "server": "unchanged"}
        assert second is not None
        assert (second.bytes, second.dials) == (0, 1)
        assert endpoint.credentials == [f"Bearer {CANARY}"]


@pytest.mark.parametrize("boundary", ["login", "limits"])
def test_f47_a_run_that_broke_off_behind_a_step_is_finished_by_the_next(boundary: str, tmp_path: Path) -> None:
    with login_endpoint() as endpoint, host_with(VERSION, tmp_path, endpoint) as sshd, groups_removed(sshd):
        assert provisioned(sshd, until_done=boundary) is None
        second = provisioned(sshd)
        assert outcomes(second)["login"] == "unchanged"
        assert outcomes(second)["server"] == "changed"
        assert set(outcomes(provisioned(sshd)).values()) == {"unchanged"}
        assert len(endpoint.credentials) == 1


def test_f44_a_refused_login_fails_its_step_and_names_the_machine(tmp_path: Path) -> None:
    with login_endpoint() as endpoint, host_with(VERSION, tmp_path, endpoint) as sshd, groups_removed(sshd):
        endpoint.refuses = True
        host = provisioned(sshd)
        assert outcomes(host) == {"login": "failed", "limits": "skipped", "server": "skipped"}
        assert host is not None
        error = host.steps[0].error
        assert error is not None
        assert (error.code, "127.0.0.1" in error.message) == (Code.LOGIN_REFUSED.value, True)
