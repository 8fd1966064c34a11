"""How long a server lives on a real sshd, and whose it is: past its session, once for many, never displaced."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest
from tests.support.base.host_processes import servers
from tests.support.base.loop import run
from tests.support.codex.fake_codex import Fault, set_fault
from tests.support.codex.fake_launches import LIMITS, becomes, codex_in, launch, refusal, socket_of
from tests.support.codex.launch_words import connected, launched
from tests.support.sshd.account_sshd import AccountSshd

from remora.core.errors import Code
from remora.core.server.launch_plan import BytePath, LaunchMode
from remora.core.settings import Limits

pytestmark = pytest.mark.sshd


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/dash", "/bin/bash", "/usr/bin/zsh"])
def test_f48_b10_launch_returns_at_once_and_the_server_lives_on(shell: str) -> None:
    with AccountSshd(shell) as sshd:
        codex_in(sshd)
        started = time.monotonic()
        mode, _, pid = launch(sshd)
        assert time.monotonic() - started < 3
        assert mode is LaunchMode.DETACHED
        assert becomes(sshd, 1)
        assert servers(sshd) == [pid]
        assert launch(sshd)[::2] == (LaunchMode.ADOPTED, pid)
        log = next(sshd.runtime.glob("remora/*.log"))
        assert log.stat().st_mode & 0o777 == 0o600
        assert log.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("interactive", [False, True])
def test_f48_what_start_up_files_leave_running_holds_nothing_up(interactive: bool) -> None:
    with AccountSshd("/bin/bash") as sshd:
        codex_in(sshd)
        guard = "case $- in *i*) ;; *) return ;; esac\n" if interactive else ""
        sshd.home.joinpath(".bashrc").write_text(f"{guard}sleep 3600 &\n")
        started = time.monotonic()
        mode, _, pid = launch(sshd)
        assert mode is LaunchMode.DETACHED
        assert launch(sshd)[::2] == (LaunchMode.ADOPTED, pid)
        assert time.monotonic() - started < 12


@pytest.mark.parametrize("hidden", [(), ("/usr/bin/setsid", "/usr/bin/nohup")])
def test_f49_a_server_that_dies_with_the_session_is_run_attached(tmp_path: Path, hidden: tuple[str, ...]) -> None:
    reaper = tmp_path / "reaper"
    reaper.write_text(
        '#!/bin/sh\n/bin/sh -c "$SSH_ORIGINAL_COMMAND"\nstatus=$?\n'
        "for folder in /proc/[0-9]*; do\n"
        '  pid=${folder#/proc/}\n  [ "$pid" = $$ ] && continue\n'
        '  grep -q "REMORA_SYSTEM_SSHD=$REMORA_SYSTEM_SSHD" "$folder/environ" 2>/dev/null && kill -9 "$pid"\n'
        "done 2>/dev/null\nexit $status\n"
    )
    reaper.chmod(0o755)

    async def work(sshd: AccountSshd) -> None:
        async with connected(sshd) as host, launched(host, limits=LIMITS) as server:
            assert server.mode is LaunchMode.ATTACHED
            assert server.byte_path is BytePath.STDIO
            assert "attached" in [notice.code for notice in server.notices]

    with AccountSshd("/bin/bash", options=[f"ForceCommand {reaper}"], hidden=hidden) as sshd:
        codex_in(sshd)
        run(work(sshd))
        assert becomes(sshd, 0)


def test_f49_without_setsid_and_nohup_a_server_is_detached_all_the_same() -> None:
    with AccountSshd("/bin/bash", hidden=("/usr/bin/setsid", "/usr/bin/nohup")) as sshd:
        codex_in(sshd)
        mode, _, pid = launch(sshd)
        assert mode is LaunchMode.DETACHED
        assert becomes(sshd, 1)
        assert servers(sshd) == [pid]


def test_f51_a_socket_without_owner_is_healed() -> None:
    with AccountSshd("/bin/bash") as sshd:
        codex_in(sshd)
        _, _, first = launch(sshd)
        os.kill(first, signal.SIGKILL)
        assert becomes(sshd, 0)
        assert socket_of(sshd).is_socket()
        mode, _, second = launch(sshd)
        assert mode is LaunchMode.DETACHED
        assert second != first


@pytest.mark.parametrize(
    "holder", ["4194000 12345 {boot}", "{pid} 12345 {boot}", "{pid} {start} other-boot", "nonsense"]
)
def test_f51_a_lock_left_behind_is_healed(holder: str) -> None:
    with AccountSshd("/bin/bash") as sshd:
        codex_in(sshd)
        _, _, pid = launch(sshd)
        record = next(path for path in sshd.runtime.glob("remora/server-*") if path.suffix != ".log")
        key = record.name.removeprefix("server-")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        assert record.read_text() == f"{pid} {start_time(pid)} {boot}\n"
        os.kill(pid, signal.SIGKILL)
        assert becomes(sshd, 0)
        ours = os.getpid()  # alive, and somebody else
        lock = record.with_name(f"launch-{key}")
        lock.symlink_to(holder.format(pid=ours, start=start_time(ours), boot=boot))
        assert launch(sshd)[0] is LaunchMode.DETACHED
        assert not lock.is_symlink()


def test_f51_a_lock_whose_owner_lives_is_respected() -> None:
    with AccountSshd("/bin/bash") as sshd:
        codex_in(sshd, Fault.EXIT_WITH_TEXT)
        refusal(sshd)
        log = next(sshd.runtime.glob("remora/*.log"))
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        lock = log.with_name(log.stem.replace("server-", "launch-"))
        lock.symlink_to(f"{os.getpid()} {start_time(os.getpid())} {boot}")
        error = refusal(sshd, limits=Limits(launch=1.0))
        assert error.code is Code.LAUNCH_TIMEOUT
        assert f"process {os.getpid()}" in error.seen
        assert lock.is_symlink()


def start_time(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


def test_f51_f54_a_living_but_mute_owner_is_never_displaced() -> None:
    with AccountSshd("/bin/bash") as sshd:
        codex_in(sshd)
        _, _, pid = launch(sshd)
        os.kill(pid, signal.SIGSTOP)
        error = refusal(sshd, limits=Limits(handshake=0.7))
        os.kill(pid, signal.SIGCONT)
        assert error.code is Code.SERVER_MUTE
        assert error.exit_code == 9
        assert f"rocess {pid} " in error.message
        assert launch(sshd)[::2] == (LaunchMode.ADOPTED, pid)


def test_f54_two_launches_at_once_give_one_server() -> None:
    async def one(sshd: AccountSshd) -> int:
        async with connected(sshd) as host, launched(host, limits=LIMITS) as server:
            process: int = await server.rpc.request("process")
            return process

    async def work(sshd: AccountSshd) -> list[int]:
        return await asyncio.gather(*(one(sshd) for _ in range(4)))

    with AccountSshd("/bin/bash") as sshd:
        codex_in(sshd)
        assert len(set(run(work(sshd)))) == 1
        assert becomes(sshd, 1)


def test_f55_a_server_is_adopted_after_its_binary_changed() -> None:
    with AccountSshd("/bin/bash") as sshd:
        codex = codex_in(sshd)
        _, _, pid = launch(sshd)
        set_fault(codex, Fault.NONE, version="1.0.0")
        assert launch(sshd)[::2] == (LaunchMode.ADOPTED, pid)
