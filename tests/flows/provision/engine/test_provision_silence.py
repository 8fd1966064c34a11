"""A connection that went silent: this side knows that it is over, the host believes in it for hours."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.link.links import SshdResolver, world_of
from tests.support.network.fault_proxy import FaultProxy
from tests.support.network.faults import HalfOpen
from tests.support.provision.provision_bench import Hook, LineStep, marker_at, nothing, provision
from tests.support.sshd.system_sshd import SystemSshd

from remora.adapters.records.own_runs import OwnRuns
from remora.core.devbox.provision_step import Finding, StepScript
from remora.core.errors import Code
from remora.core.settings import Limits
from remora.flows.provision.operators import Operator
from remora.flows.provision.steps.step import Tell, Workbench
from remora.wire.reports.provision import ProvisionProgress, StepMoved

QUICK = Limits(keepalive_interval=0.2, keepalive_count=2)
NAMES = ("one", "two", "three")


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[SystemSshd]:
    with SystemSshd(tmp_path) as server:
        yield server


@pytest.fixture
def proxy(sshd: SystemSshd) -> Iterator[FaultProxy]:
    with FaultProxy(sshd.port) as between:
        yield between


class Silenced:
    """A hook: the connections of now carry nothing any more, once."""

    def __init__(self, proxy: FaultProxy) -> None:
        self._proxy = proxy
        self._due = True

    async def __call__(self, moment: str) -> None:
        if moment == "after" and self._due:
            self._due = False
            self._proxy.strike(HalfOpen())


class LongStep(LineStep):
    """One that is silenced while a program of the user's runs, which would write the line much later."""

    def __init__(self, name: str, proxy: FaultProxy) -> None:
        super().__init__(name)
        self._proxy = proxy
        self._due = True

    async def apply(self, finding: Finding, bench: Workbench, tell: Tell) -> None:
        if self._due:
            self._due = False
            self._proxy.strike(HalfOpen())
            await bench.run(StepScript("", {}, 'sleep 600; echo late >>"$HOME/written"\n'), limit=900)
        await super().apply(finding, bench, tell)


def steps(hook: Hook = nothing) -> list[LineStep]:
    return [LineStep(name, hook=hook if name == "two" else nothing) for name in NAMES]


def written(sshd: SystemSshd) -> list[str]:
    return (sshd.home / "written").read_text().split()


def test_f47_the_same_run_ends_its_own_silent_connection_and_goes_on(sshd: SystemSshd, proxy: FaultProxy) -> None:
    world = world_of(SshdResolver(sshd, proxy.port), limits=QUICK)
    heard: list[ProvisionProgress] = []
    host = run(provision(sshd, steps(Silenced(proxy)), world=world, progress=heard))
    assert (host.outcome, host.dials) == ("changed", 2), host
    assert written(sshd) == list(NAMES)
    lines = [item.line for item in heard if isinstance(item, StepMoved)]
    assert "ends processes of a broken connection" in lines
    assert run(marker_at(sshd)).readiness == "ready"


def test_f47_what_ran_in_a_silent_connection_is_ended_too(sshd: SystemSshd, proxy: FaultProxy) -> None:
    world = world_of(SshdResolver(sshd, proxy.port), limits=QUICK)
    host = run(provision(sshd, [LongStep("one", proxy)], world=world))
    assert (host.outcome, host.dials) == ("changed", 2), host
    assert written(sshd) == ["one"]
    assert not any(b"sleep\x00600" in _words(pid) for pid in sshd.session_processes())


def test_f47_the_next_run_of_this_machine_ends_it_another_one_waits(sshd: SystemSshd, proxy: FaultProxy) -> None:
    world = world_of(SshdResolver(sshd, proxy.port), limits=replace(QUICK, provision_lock=1.0))
    once = replace(world, limits=replace(world.limits, provision_retries=0))
    first = run(provision(sshd, steps(Silenced(proxy)), world=once, operator=Operator("alice", run="first")))
    assert first.outcome == "failed"
    other = run(provision(sshd, steps(), world=world, operator=Operator("bob", run="other")))
    assert other.error is not None
    assert other.error.code == Code.PROVISION_BUSY
    knows = Operator("alice", run="second", is_over=lambda word: word == "first")
    assert run(provision(sshd, steps(), world=world, operator=knows)).outcome == "changed"
    assert written(sshd) == list(NAMES)


def _words(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


# -- what this machine knows of its runs


def runs_in(folder: Path, key: bytes = b"k" * 32) -> OwnRuns:
    return OwnRuns(lambda: key, folder)


def test_a_run_is_over_when_its_process_is(tmp_path: Path) -> None:
    program = (
        "import os, sys\nfrom pathlib import Path\nfrom remora.adapters.records.own_runs import OwnRuns\n"
        "runs = OwnRuns(lambda: b'k' * 32, Path(sys.argv[1]))\n"
        "print(runs.begin(os.urandom(8).hex()), flush=True)\nsys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        word = other.stdout.readline().strip()
        assert len(word) == 32
        assert not runs_in(tmp_path).is_over(word)
        other.kill()
        other.wait()
    assert runs_in(tmp_path).is_over(word)
    mine = runs_in(tmp_path)
    own = mine.begin(os.urandom(8).hex())
    assert not runs_in(tmp_path).is_over(own)
    assert [path.name for path in tmp_path.iterdir()] == [own[:16]], "what is over is swept away"
    assert mine.is_over(word)
    mine.end()
    assert runs_in(tmp_path).is_over(own)


@pytest.mark.parametrize("word", ["", "x", "0" * 32, "../" * 8 + "0" * 16, "\udcff" * 32, "ä" * 32])
def test_what_is_not_known_is_not_over(tmp_path: Path, word: str) -> None:
    assert not runs_in(tmp_path).is_over(word)


def test_a_run_with_another_key_or_without_a_folder_is_nobody_s_to_end(tmp_path: Path) -> None:
    elsewhere = runs_in(tmp_path, b"other" * 8)
    word = elsewhere.begin(os.urandom(8).hex())
    elsewhere.end()
    assert elsewhere.is_over(word)
    assert not runs_in(tmp_path).is_over(word)
    file = tmp_path / "file"
    file.touch()
    assert runs_in(file / "runs").begin("0" * 16) == ""
    assert not Operator("alice", run="a", visit="1").has_left("bob")
    assert not Operator("alice").has_left("/")
    assert not Operator("alice", run="a", visit="1").has_left("a/2")
    assert Operator("alice", run="a", visit="1").has_left("a/1")
