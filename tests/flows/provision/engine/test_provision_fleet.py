"""Many hosts side by side, and how many round trips each costs."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.base.until import until_none
from tests.support.link.links import SshdResolver, world_of
from tests.support.provision.provision_bench import DIGEST, LineStep, marker_at, nothing, provision
from tests.support.sshd.system_sshd import SystemSshd, free_port

from remora.adapters.asyncssh_host import AsyncsshDialler
from remora.core.host.hosts import Host, Route
from remora.core.server.markers import Readiness
from remora.core.settings import DEFAULT_LIMITS, Limits
from remora.flows.kit.unattended import UnattendedDialogue
from remora.flows.provision.fleet import carry_out
from remora.flows.provision.host import HostWork
from remora.flows.provision.operators import Operator
from remora.ports import Dialogue, RemoteHost, RemoteProcess, World
from remora.wire.reports.provision import HostProvision, ProvisionProgress, ProvisionReport, StepStarted

QUICK = Limits(provision_retries=1)


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[SystemSshd]:
    with SystemSshd(tmp_path) as server:
        yield server


class Hosts(SshdResolver):
    """Every alias is that sshd, but those that begin with ``dead`` are nowhere."""

    async def resolve(self, alias: str, *, user: str | None = None, port: int | None = None) -> Host:
        host = await super().resolve(alias, user=user, port=port)
        return replace(host, port=free_port()) if alias.startswith("dead") else host


def work(alias: str, *steps: LineStep) -> HostWork:
    return HostWork(alias=alias, digest=DIGEST, steps=steps)


async def report_of(
    works: Sequence[HostWork], world: World, *, jobs: int = 8, fail_fast: bool = False
) -> tuple[ProvisionReport, list[ProvisionProgress]]:
    running = carry_out(
        works, world, UnattendedDialogue(), dry_run=False, jobs=jobs, fail_fast=fail_fast, operator=Operator("alice")
    )
    heard = [progress async for progress in running]
    report = heard.pop()
    assert isinstance(report, ProvisionReport)
    return report, heard


def test_a_host_that_fails_is_no_matter_of_the_others(sshd: SystemSshd) -> None:
    works = [work("dead-one", LineStep("x")), work("b", LineStep("b")), work("c", LineStep("c", blocked=True))]
    report, _ = run(report_of(works, world_of(Hosts(sshd), limits=QUICK)))
    assert [(host.alias, host.outcome) for host in report.hosts] == [
        ("dead-one", "failed"),
        ("b", "changed"),
        ("c", "failed"),
    ]
    assert (report.ok, report.exit_code) == (False, 13)
    assert report.hosts[0].error is not None
    assert report.hosts[0].error.host == "dead-one"
    assert report.hosts[0].dials == 0


def test_after_a_failure_no_further_host_is_begun_when_asked(sshd: SystemSshd) -> None:
    works = [work("a", LineStep("a", blocked=True)), work("b", LineStep("b")), work("c", LineStep("c"))]
    report, _ = run(report_of(works, world_of(Hosts(sshd), limits=QUICK), jobs=1, fail_fast=True))
    assert [host.outcome for host in report.hosts] == ["failed", "skipped", "skipped"]
    assert sshd.connections() == 1


def test_no_more_hosts_at_once_than_asked(sshd: SystemSshd) -> None:
    at_once, most = 0, 0

    async def count(moment: str) -> None:
        nonlocal at_once, most
        at_once += 1 if moment == "before" else -1
        most = max(most, at_once)

    works = [work(name, LineStep(name, hook=count)) for name in "abcde"]
    run(report_of(works, world_of(Hosts(sshd), limits=QUICK), jobs=2))
    assert 1 <= most <= 2


def test_news_come_in_order_and_end_with_the_report(sshd: SystemSshd) -> None:
    report, heard = run(report_of([work("a", LineStep("x"), LineStep("y"))], world_of(Hosts(sshd))))
    kinds = [type(item).__name__ for item in heard]
    assert kinds == ["StepStarted", "StepDone", "StepStarted", "StepDone", "HostProvision"]
    first = heard[0]
    assert isinstance(first, StepStarted)
    assert (first.alias, first.name, first.index, first.count) == ("a", "x", 1, 2)
    assert heard[-1] is report.hosts[0]


def test_closing_leaves_nothing_running_and_the_marker_says_so(sshd: SystemSshd) -> None:
    async def stop_early() -> None:
        at_work = asyncio.Event()

        async def hold(moment: str) -> None:
            at_work.set()
            await asyncio.Event().wait()

        works = [work("a", LineStep("x"), LineStep("y", hook=hold))]
        running = carry_out(
            works,
            world_of(Hosts(sshd)),
            UnattendedDialogue(),
            dry_run=False,
            jobs=4,
            fail_fast=False,
            operator=Operator("alice"),
        )
        async with aclosing(running):
            async for item in running:
                if isinstance(item, StepStarted) and item.name == "y":
                    break
            await at_work.wait()
        await until_none(sshd.session_commands, what="the host to be rid of it")

    run(stop_early())
    marker = run(marker_at(sshd))
    assert (marker.readiness, marker.step) == (Readiness.INTERRUPTED, 1), "the second had not begun to change anything"


# -- what it costs


class CountingProcess:
    """Counts flights: writes, that is, since every one of our scripts is one."""

    def __init__(self, process: RemoteProcess, counts: "Counts") -> None:
        self._process = process
        self._counts = counts

    def __getattr__(self, name: str) -> object:
        return getattr(self._process, name)

    async def write(self, data: bytes) -> None:
        self._counts.flights += bool(data)
        self._counts.sent += len(data)
        await self._process.write(data)


class CountingHost:
    def __init__(self, host: RemoteHost, counts: "Counts") -> None:
        self._host = host
        self._counts = counts

    def __getattr__(self, name: str) -> object:
        return getattr(self._host, name)

    async def start(self, words: Sequence[str]) -> CountingProcess:
        self._counts.sessions += 1
        return CountingProcess(await self._host.start(words), self._counts)


class Counts:
    """A dialler that counts what goes over its connections."""

    def __init__(self) -> None:
        self.sessions = self.flights = self.sent = 0

    def dial(self, route: Route, dialogue: Dialogue) -> AbstractAsyncContextManager[RemoteHost]:
        return self._dial(route, dialogue)

    @asynccontextmanager
    async def _dial(self, route: Route, dialogue: Dialogue) -> AsyncIterator[RemoteHost]:
        async with AsyncsshDialler(DEFAULT_LIMITS).dial(route, dialogue) as host:
            yield CountingHost(host, self)  # type: ignore[misc]


def counted(sshd: SystemSshd, *names: str) -> tuple[HostProvision, Counts]:
    counts = Counts()
    world = replace(world_of(SshdResolver(sshd)), dialler=counts)
    return run(provision(sshd, [LineStep(name) for name in names], world=world)), counts


def test_an_unchanged_host_costs_one_session_and_one_flight(sshd: SystemSshd) -> None:
    counted(sshd, "a", "b", "c", "d")
    host, counts = counted(sshd, "a", "b", "c", "d")
    assert host.outcome == "unchanged"
    assert (counts.sessions, counts.flights) == (1, 1)
    assert counts.sent < 40_000


def test_a_changed_step_costs_two_flights_and_the_lock_two_in_all(sshd: SystemSshd) -> None:
    host, counts = counted(sshd, "a", "b", "c")
    assert host.outcome == "changed"
    read, lock, last = 1, 1, 1
    assert (counts.sessions, counts.flights) == (1, read + lock + 2 * 3 + last)


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from tests.support.provision.provision_bench import LineStep, provision

async def die(moment):
    if moment == "after":
        os.kill(os.getpid(), signal.SIGKILL)

class Server:
    def host(self, alias, **changes):
        from remora.core.host.hosts import Host
        home = Path(sys.argv[1])
        return Host(alias=alias, hostname="127.0.0.1", port=int(sys.argv[2]), user=sys.argv[3],
                    identity_files=(str(home / "identity"),), user_known_hosts=(str(home / "known_hosts"),), options={})

asyncio.run(provision(Server(), [LineStep("x"), LineStep("y", hook=die), LineStep("z")]))
"""


def test_f47_a_client_killed_for_good_leaves_a_host_that_the_next_run_finishes(sshd: SystemSshd) -> None:
    words = [sys.executable, "-c", KILLED, str(sshd.folder), str(sshd.port), sshd.user]
    done = subprocess.run(words, cwd=Path(__file__).parents[4], check=False, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode == -signal.SIGKILL
    names = ("x", "y", "z")

    async def after() -> tuple[Readiness, HostProvision]:
        await until_none(sshd.session_commands, what="the host to be rid of the killed client")
        readiness = (await marker_at(sshd)).readiness
        return readiness, await provision(sshd, [LineStep(name, hook=nothing) for name in names])

    readiness, host = run(after())
    assert readiness is Readiness.INTERRUPTED
    assert [step.outcome for step in host.steps] == ["unchanged", "unchanged", "changed"]
    assert (sshd.home / "written").read_text().split() == list(names)
