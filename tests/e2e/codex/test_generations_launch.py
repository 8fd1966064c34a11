"""Every generation of the real codex, launched over a real sshd by every byte path that it can take."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.codex.binaries import VERSIONS
from tests.support.codex.generations import WITH_SOCKETS, host_with
from tests.support.codex.launch_words import connected, facts_of, launched
from tests.support.sshd.account_sshd import AccountSshd

from remora.core.server.launch_plan import BytePath, LaunchMode, LaunchRequest, plan_launch
from remora.flows.server.shell import ProbeRequest

pytestmark = [pytest.mark.sshd, pytest.mark.codex]


async def thread_on(sshd: AccountSshd) -> tuple[LaunchMode, BytePath, str | None]:
    """Start a thread in a folder; give how that went."""
    async with connected(sshd) as host, launched(host, LaunchRequest(folder="project")) as server:
        answer = await server.rpc.request("thread/start", {"cwd": server.folder})
        assert answer["cwd"] == str(sshd.home / "project")
        return server.mode, server.byte_path, server.version


@pytest.mark.parametrize("version", WITH_SOCKETS)
def test_f59_a_detached_server_is_started_once_and_adopted_after(version: str) -> None:
    with host_with(version) as sshd:
        assert run(thread_on(sshd)) == (LaunchMode.DETACHED, BytePath.UNIX_SOCKET, version)
        assert run(thread_on(sshd)) == (LaunchMode.ADOPTED, BytePath.UNIX_SOCKET, version)


@pytest.mark.parametrize("version", WITH_SOCKETS)
def test_f64_without_forwarding_the_own_proxy_of_codex_carries_the_bytes(version: str) -> None:
    with host_with(version, "DisableForwarding yes", "MaxSessions 1") as sshd:
        assert run(thread_on(sshd)) == (LaunchMode.DETACHED, BytePath.PROXY, version)
        assert run(thread_on(sshd)) == (LaunchMode.ADOPTED, BytePath.PROXY, version)


def test_a_codex_without_sockets_runs_attached_and_ends_with_us() -> None:
    with host_with("0.120.0") as sshd:
        assert run(thread_on(sshd)) == (LaunchMode.ATTACHED, BytePath.STDIO, "0.120.0")
        deadline = time.monotonic() + 5.0
        while sshd.session_processes():
            assert time.monotonic() < deadline, "the attached server outlived its connection"
            os.sched_yield()


@pytest.mark.parametrize("version", WITH_SOCKETS)
def test_f51_a_killed_server_is_replaced(version: str) -> None:
    with host_with(version) as sshd:
        run(thread_on(sshd))
        for process in sshd.session_processes():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        assert run(thread_on(sshd)) == (LaunchMode.DETACHED, BytePath.UNIX_SOCKET, version)


@pytest.mark.parametrize("version", WITH_SOCKETS)
def test_f65_long_homes_work_with_the_real_thing(version: str) -> None:
    with host_with(version, home="/".join(["d" * 50] * 3)) as sshd:
        assert run(thread_on(sshd)) == (LaunchMode.DETACHED, BytePath.UNIX_SOCKET, version)
        assert run(thread_on(sshd)) == (LaunchMode.ADOPTED, BytePath.UNIX_SOCKET, version)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_probe_changes_nothing_and_tells_the_generations_apart(version: str) -> None:
    async def work(sshd: AccountSshd) -> None:
        async with connected(sshd) as host:
            facts = await facts_of(host, ProbeRequest(folder="~/project"))
            (candidate,) = facts.candidates
            assert candidate.version == version
            assert candidate.can_serve
            assert candidate.can_listen_on_socket is (version != "0.120.0")
            assert candidate.has_proxy is (version != "0.120.0")
            assert candidate.has_daemon is (version != "0.120.0")
            lines = plan_launch(facts, handshake_seconds=10).describe()
            assert lines[-1] == f"work in {sshd.home / 'project'}"

    with host_with(version) as sshd:
        before = sorted(Path(sshd.home).rglob("*")) + sorted(sshd.runtime.rglob("*"))
        run(work(sshd))
        assert sorted(Path(sshd.home).rglob("*")) + sorted(sshd.runtime.rglob("*")) == before
