"""The app server as provisioning leaves it: started once, within limits that the kernel keeps, never restarted."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.base.loop import run
from tests.support.base.required import missing, need_mounts
from tests.support.base.until import until
from tests.support.codex.binaries import NEWEST, codex_binary
from tests.support.codex.control_groups import groups_removed
from tests.support.codex.launch_words import connected, launched
from tests.support.model.login_endpoint import login_endpoint
from tests.support.provision.provision_bench import bench_at, bring, read
from tests.support.sshd.system_sshd import SystemSshd

from remora.core.devbox.provision_step import Finding, StepState
from remora.core.server.launch_plan import LaunchMode, LaunchRequest
from remora.flows.provision.steps.limits import LimitsStep
from remora.flows.provision.steps.server import ServerStep
from remora.flows.provision.steps.step import Step
from remora.wire.manifest.document import ServerTable

pytestmark = [pytest.mark.sshd, pytest.mark.codex]

NEW, OLD = NEWEST, "0.133.0"
MEBIBYTE = 1024 * 1024


@contextmanager
def host_with(version: str, folder: Path, *options: str) -> Iterator[SystemSshd]:
    """A host with that codex."""
    with SystemSshd(folder, options=options) as sshd:
        place = sshd.home / ".local/bin/codex"
        place.parent.mkdir(parents=True)
        place.symlink_to(codex_binary(version))
        with groups_removed(sshd):
            yield sshd


def brought(sshd: SystemSshd, *steps: Step) -> list[Finding]:
    """All steps made true, in order; what each says in the end."""

    async def work() -> list[Finding]:
        async with bench_at(sshd) as bench:
            for step in steps:
                await bring(step, bench)
            return [await read(step, bench) for step in steps]

    return run(work())


def steps_of(table: ServerTable) -> tuple[LimitsStep, ServerStep]:
    return LimitsStep(table), ServerStep(table)


def pid_of(finding: Finding) -> int:
    return int(finding.answers.one("pid") or "0")


def ask_server(sshd: SystemSshd, method: str, params: dict[str, Any]) -> Any:
    async def work() -> Any:
        async with connected(sshd) as host, launched(host, LaunchRequest()) as server:
            assert server.mode is LaunchMode.ADOPTED
            return await server.rpc.request(method, params)

    return run(work())


def run_in_server(sshd: SystemSshd, words: list[str]) -> dict[str, Any]:
    """A command as the app server's own child."""
    sandbox = {"type": "dangerFullAccess"}
    answer = ask_server(sshd, "command/exec", {"command": words, "sandboxPolicy": sandbox, "timeoutMs": 20000})
    assert isinstance(answer, dict)
    return answer


def test_a_server_is_started_once_and_the_second_run_finds_it(tmp_path: Path) -> None:
    table = ServerTable(start=True)
    with host_with(NEW, tmp_path) as sshd:
        _, first = brought(sshd, *steps_of(table))
        _, second = brought(sshd, *steps_of(table))
        assert (first.state, second.state) == (StepState.SAME, StepState.SAME)
        assert pid_of(first) == pid_of(second) != 0
        assert "started by remora" in second.detail


@pytest.mark.skipif(os.getuid() != 0, reason="makes control groups")
def test_limits_are_kept_by_the_kernel_and_hold_what_the_server_runs(tmp_path: Path) -> None:
    """Proven by exceeding them: memory ends the child and not the server, a fork bomb of a hundred stays small."""
    table = ServerTable(start=True, memory="400MiB", processes=120, cpu=0.5)
    with host_with(NEW, tmp_path) as sshd:
        limits, server = brought(sshd, *steps_of(table))
        if server.notices:
            missing(f"this machine has no control groups to make: {server.notices}")
        assert limits.state is server.state is StepState.SAME
        assert server.answers.all("limit.memory") == (str(400 * MEBIBYTE),)
        assert server.answers.one("limit.cpu") == "50"
        eater = "python3 -c \"b = bytearray(600 * 1024 * 1024); print('survived')\""
        eaten = run_in_server(sshd, ["/bin/sh", "-c", f"{eater}; echo ended $?"])
        assert "ended 137" in eaten["stdout"]
        assert "survived" not in eaten["stdout"]
        bomb = "i=0; while [ $i -lt 200 ]; do sleep 3 >/dev/null 2>&1 & i=$((i+1)); echo $i; done"
        answer = run_in_server(sshd, ["/bin/dash", "-c", bomb])
        assert 0 < int(answer["stdout"].split()[-1]) < 120
        assert "fork" in answer["stderr"]
        assert pid_of(brought(sshd, *steps_of(table))[1]) == pid_of(server), "the server itself goes on"


def test_a_later_launch_by_anybody_keeps_the_limits(tmp_path: Path) -> None:
    table = ServerTable(memory="700MiB")
    with host_with(NEW, tmp_path) as sshd:
        brought(sshd, LimitsStep(table))

        async def launch() -> None:
            async with connected(sshd) as host, launched(host, LaunchRequest()) as server:
                assert server.mode is LaunchMode.DETACHED

        run(launch())
        _, found = brought(sshd, *steps_of(table))
        kept = found.answers.all("limit.memory") + found.answers.all("each.memory")
        assert str(700 * MEBIBYTE) in kept
        brought(sshd, LimitsStep(ServerTable()))
        assert not list((sshd.home / ".local/state/remora").rglob("limits"))


def test_without_groups_a_limit_of_each_process_holds_and_what_does_not_is_told(tmp_path: Path) -> None:
    """The groups of the kernel cannot be written here: a folder without any lies over them."""
    need_mounts()
    table = ServerTable(start=True, memory="2GiB", processes=100000, cpu=1)
    shell = tmp_path / "shell"
    shell.write_text(
        '#!/bin/sh\nmount --make-rprivate / && mount -t tmpfs -o ro none /sys/fs/cgroup; exec /bin/sh "$@"\n'
    )
    shell.chmod(0o755)
    wrapped = f'ForceCommand exec unshare -m {shell} -c "$SSH_ORIGINAL_COMMAND"'
    with host_with(NEW, tmp_path, wrapped) as sshd:
        _, server = brought(sshd, *steps_of(table))
        notices = "\n".join(server.notices)
        assert "memory is limited for each process" in notices
        assert "does not have this cpu limit" in notices
        assert "limit-unenforced" in notices
        assert server.answers.one("each.memory") == str(2048 * MEBIBYTE)
        hungry = run_in_server(sshd, ["python3", "-c", "b = bytearray(3 * 1024**3)"])
        assert "MemoryError" in hungry["stderr"]


def test_a_server_that_runs_without_the_limits_is_told_of_and_left_alone(tmp_path: Path) -> None:
    with host_with(NEW, tmp_path) as sshd:
        _, before = brought(sshd, *steps_of(ServerTable(start=True)))
        limits, after = brought(sshd, *steps_of(ServerTable(start=True, memory="700MiB", cpu=1)))
        assert pid_of(before) == pid_of(after)
        assert any("limit-unenforced" in notice and "memory" in notice for notice in after.notices)
        assert "old limits (no limits) instead of the new ones (700 MiB of memory, 1 core)" in after.notices[-1]
        assert limits.notices == (), "said once, by the step of the server"


def test_a_server_that_runs_within_limits_of_before_is_told_of(tmp_path: Path) -> None:
    """Wider ones and none at all do not come to it either."""
    with host_with(NEW, tmp_path) as sshd:
        _, before = brought(sshd, *steps_of(ServerTable(start=True, memory="700MiB")))
        for table in (ServerTable(start=True, memory="2GiB"), ServerTable(start=True)):
            _, after = brought(sshd, *steps_of(table))
            assert pid_of(before) == pid_of(after)
            (notice,) = (each for each in after.notices if each not in before.notices)
            assert "old limits (700 MiB of memory)" in notice
        _, again = brought(sshd, *steps_of(ServerTable(start=True, memory="700MiB")))
        assert again.notices == before.notices


def test_f56_a_server_of_an_older_codex_is_told_of_and_never_restarted(tmp_path: Path) -> None:
    with host_with(OLD, tmp_path) as sshd:
        _, before = brought(sshd, *steps_of(ServerTable(start=True)))
        place = sshd.home / ".local/bin/codex"
        place.unlink()
        place.symlink_to(codex_binary(NEW))
        _, after = brought(sshd, *steps_of(ServerTable(start=True)))
        assert (after.state, pid_of(after)) == (StepState.SAME, pid_of(before))
        assert any(OLD in notice and NEW in notice for notice in after.notices)


def test_f44_a_server_that_was_started_before_the_login_is_told_of(tmp_path: Path) -> None:
    with login_endpoint() as endpoint, host_with(NEW, tmp_path) as sshd:
        endpoint.configure(sshd.home / ".codex")
        _, before = brought(sshd, *steps_of(ServerTable(start=True)))
        auth = sshd.home / ".codex/auth.json"
        auth.write_text('{"auth_mode": "apikey", "OPENAI_API_KEY": "sk-1"}')
        os.utime(auth, (2**31 - 1, 2**31 - 1))  # as if time had gone by
        assert before.notices == ()
        _, after = brought(sshd, *steps_of(ServerTable(start=True)))
        assert any("before codex was signed in" in notice for notice in after.notices)


def test_f59_a_server_that_another_program_started_is_taken_as_it_is(tmp_path: Path) -> None:
    with host_with(NEW, tmp_path) as sshd:
        home = sshd.home / ".codex"
        home.mkdir()
        words = [str(sshd.home / ".local/bin/codex"), "app-server", "--listen", "unix://"]
        environment = {**os.environ, "CODEX_HOME": str(home), "HOME": str(sshd.home)}
        quiet = subprocess.DEVNULL
        with subprocess.Popen(words, env=environment, stdin=quiet, stdout=quiet, stderr=quiet) as server:
            try:
                run(until((home / "app-server-control/app-server-control.sock").exists))
                _, found = brought(sshd, *steps_of(ServerTable(start=True)))
                assert (found.state, pid_of(found)) == (StepState.SAME, server.pid)
                assert "another program" in found.detail
            finally:
                server.send_signal(signal.SIGTERM)


def test_a_host_that_allows_one_session_starts_its_server_too(tmp_path: Path) -> None:
    with host_with(NEW, tmp_path, "MaxSessions 1") as sshd:
        _, found = brought(sshd, *steps_of(ServerTable(start=True)))
        assert found.state is StepState.SAME


def test_a_host_without_a_service_manager_says_that_nothing_survives_a_reboot(tmp_path: Path) -> None:
    with host_with(NEW, tmp_path) as sshd:
        _, found = brought(sshd, *steps_of(ServerTable(start=True, survive_reboot=True)))
        if found.answers.one("manager") == "1":
            missing("this machine has a service manager for users")
        assert any("after a reboot" in notice for notice in found.notices)
