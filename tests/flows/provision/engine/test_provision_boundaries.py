"""Login, limits and server broken between any two words with the host, on a real sshd with a real codex.

Whoever breaks (the client by SIGKILL, the connection, the host's shell), the next run comes to the same end.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.base.loop import run
from tests.support.base.until import LIMIT, until
from tests.support.codex.binaries import NEWEST
from tests.support.codex.control_groups import groups_removed
from tests.support.model.login_endpoint import LoginEndpoint, login_endpoint
from tests.support.model.logins import CANARY, host_with
from tests.support.provision.provision_bench import ALICE, AnotherStep, Hook, marker_at, nothing, provision
from tests.support.sshd.system_sshd import SystemSshd

from remora.core.devbox.provision_step import Finding, StepScript
from remora.core.server.answers import Answers
from remora.core.server.markers import Readiness
from remora.core.settings import Limits
from remora.flows.provision.operators import Operator
from remora.flows.provision.steps.limits import LimitsStep
from remora.flows.provision.steps.login import LoginStep
from remora.flows.provision.steps.server import ServerStep
from remora.flows.provision.steps.step import Step, Tell, Workbench
from remora.testing.memory_secrets import MemorySecrets
from remora.wire.manifest.document import LoginKind, LoginTable, SecretSource, ServerTable
from remora.wire.reports.provision import HostProvision

pytestmark = [pytest.mark.sshd, pytest.mark.codex]

VERSION = NEWEST
ONCE = Limits(provision_retries=1, provision_lock=30.0, login_proof=60.0)
BOUNDARIES = [("login", 0), ("login", 1), ("login", 2), ("login", 3)]
BOUNDARIES += [("limits", 0), ("limits", 1), ("server", 0), ("server", 1)]
"""A step, and after how many of its words with the host: a login is made, proven, kept."""


class HookedBench:
    """A bench whose words with the host are counted; `hook` hears the number of those that are over."""

    def __init__(self, bench: Workbench, hook: Hook) -> None:
        self._bench = bench
        self._hook = hook
        self._count = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bench, name)

    async def ask(self, script: StepScript, *, limit: float) -> Answers:
        return await self._counted(await self._bench.ask(script, limit=limit))

    async def send(self, script: StepScript, data: AsyncIterator[bytes], *, size: int) -> Answers:
        return await self._counted(await self._bench.send(script, data, size=size))

    async def _counted(self, answers: Answers) -> Answers:
        self._count += 1
        await self._hook(str(self._count))
        return answers


class HookedStep(AnotherStep):
    """A step of which `hook` hears how far it is."""

    def __init__(self, step: Step, hook: Hook) -> None:
        super().__init__(step)
        self._hook = hook

    async def apply(self, finding: Finding, bench: Workbench, tell: Tell) -> None:
        await self._hook("0")
        await super().apply(finding, HookedBench(bench, self._hook), tell)
        if self.name == "server":  # its start is no word of the bench
            await self._hook("1")


def steps(at: str = "", hook: Hook = nothing) -> list[Step]:
    login = LoginTable(kind=LoginKind.API_KEY, secret=SecretSource(environment="KEY"))
    server = ServerTable(start=True, memory="1GiB")
    made: tuple[Step, ...] = (LoginStep(login, MemorySecrets(CANARY)), LimitsStep(server), ServerStep(server))
    return [HookedStep(step, hook) if step.name == at else step for step in made]


def serving(sshd: SystemSshd) -> list[int]:
    """The app servers that listen on that host."""
    return [pid for pid in sshd.session_processes() if b"--listen" in _words(pid)]


def working(sshd: SystemSshd) -> list[int]:
    """All else that sessions have left there."""
    return [pid for pid in sshd.session_processes() if b"--listen" not in _words(pid)]


def _words(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


async def until_quiet(sshd: SystemSshd) -> None:
    await until(lambda: not working(sshd), what="the host to be rid of the first run")


def assert_finished(sshd: SystemSshd, endpoint: LoginEndpoint) -> None:
    """A further run makes all true, one more changes nothing; nothing is there twice, and nothing half."""
    second = run(provision(sshd, steps(), limits=ONCE))
    assert {step.outcome for step in second.steps} <= {"changed", "unchanged"}, second
    third = run(provision(sshd, steps(), limits=ONCE))
    assert [(step.outcome, step.error) for step in third.steps] == [("unchanged", None)] * 3
    assert third.dials == 1
    assert len(serving(sshd)) == 1
    assert CANARY in (sshd.home / ".codex/auth.json").read_text()
    state = sshd.home / ".local/state/remora"
    assert [file.read_text() for file in state.rglob("limits")] == [f"memory={1 << 30}\n"]
    left = [path for path in state.rglob("*") if path.name in ("login.new", "talk") or ".remora-" in path.name]
    assert left == []
    holders = [file for file in sshd.home.rglob("*") if file.is_file() and CANARY.encode() in file.read_bytes()]
    assert [file.name for file in holders] == ["auth.json"]
    assert run(marker_at(sshd)).readiness is Readiness.READY
    assert set(endpoint.credentials) == {f"Bearer {CANARY}"}


@pytest.mark.parametrize(("name", "after"), BOUNDARIES)
@pytest.mark.parametrize("how", ["connection", "shell"])
def test_f47_a_break_on_the_way_or_at_the_host_is_mended(name: str, after: int, how: str, tmp_path: Path) -> None:
    with login_endpoint() as endpoint, host_with(VERSION, tmp_path, endpoint) as sshd, groups_removed(sshd):
        broken = False

        async def breaks(moment: str) -> None:
            nonlocal broken
            if moment != str(after) or broken:
                return
            broken = True
            if how == "connection":
                sshd.drop_connections()
            else:
                for pid in working(sshd):
                    os.kill(pid, signal.SIGKILL)

        async def first() -> HostProvision:
            host = await provision(sshd, steps(name, breaks), limits=ONCE)
            await until_quiet(sshd)
            return host

        host = run(first())
        assert broken
        if how == "connection":
            assert (host.outcome, host.dials) == ("changed", 2), "dialled anew, it went on by itself"
        assert_finished(sshd, endpoint)


@pytest.mark.parametrize(("name", "after"), BOUNDARIES)
def test_f47_a_client_killed_for_good_is_no_loss(name: str, after: int, tmp_path: Path) -> None:
    with login_endpoint() as endpoint, host_with(VERSION, tmp_path, endpoint) as sshd, groups_removed(sshd):
        program = f"from {__name__} import die_at; die_at(*{(str(sshd.folder), sshd.port, sshd.user, name, after)!r})"
        words = [sys.executable, "-c", program]
        done = subprocess.run(
            words, cwd=Path(__file__).parents[4], check=False, timeout=LIMIT, stdin=subprocess.DEVNULL
        )
        assert done.returncode == -signal.SIGKILL
        run(until_quiet(sshd))
        assert_finished(sshd, endpoint)


def die_at(folder: str, port: int, user: str, name: str, after: int) -> None:
    """A run in a process of its own, which is killed there."""

    class Server:
        def host(self, alias: str, **changes: object) -> object:
            from remora.core.host.hosts import Host

            return Host(
                alias=alias,
                hostname="127.0.0.1",
                port=port,
                user=user,
                identity_files=(f"{folder}/identity",),
                user_known_hosts=(f"{folder}/known_hosts",),
                options={},
            )

    async def die(moment: str) -> None:
        if moment == str(after):
            os.kill(os.getpid(), signal.SIGKILL)

    server: Any = Server()
    asyncio.run(provision(server, steps(name, die), limits=ONCE))


def test_f47_two_at_once_make_one_login_and_one_server(tmp_path: Path) -> None:
    with login_endpoint() as endpoint, host_with(VERSION, tmp_path, endpoint) as sshd, groups_removed(sshd):

        async def both() -> list[HostProvision]:
            runs = (provision(sshd, steps(), operator=who) for who in (ALICE, Operator("bob@desk")))
            return list(await asyncio.gather(*runs))

        for host in run(both()):
            assert {step.outcome for step in host.steps} <= {"changed", "unchanged"}, host
        assert endpoint.credentials == [f"Bearer {CANARY}"]
        assert_finished(sshd, endpoint)
