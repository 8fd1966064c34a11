"""Launching on a real sshd with a codex that fails on purpose: each failure has its own name and shows its text."""

import asyncio
import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
from tests.support.account_sshd import AccountSshd
from tests.support.fake_codex import Fault, install, set_fault
from tests.support.host_processes import command_of, servers
from tests.support.launching import connected, launched
from tests.support.loop import run

from remora.core.errors import Code, RemoraError
from remora.core.launching import BytePath, LaunchMode, LaunchRequest
from remora.core.settings import Limits

pytestmark = pytest.mark.sshd

LIMITS = Limits(shell_silence=5.0, probe=8.0, launch=8.0, handshake=4.0)
STRANGER = 54322


def codex_in(sshd: AccountSshd, fault: Fault = Fault.NONE, version: str = "0.999.0") -> Path:
    """A fake codex where codex is looked for."""
    return install(sshd.home / ".local/bin/codex", fault, version=version)


def socket_of(sshd: AccountSshd) -> Path:
    return sshd.home / ".codex/app-server-control/app-server-control.sock"


def proxies(sshd: AccountSshd) -> list[int]:
    return [pid for pid in sshd.session_processes() if "proxy" in command_of(pid)]


def becomes(sshd: AccountSshd, wanted: int) -> bool:
    """Whether soon exactly `wanted` processes of all sessions run."""
    deadline = time.monotonic() + 3.0
    while len(sshd.session_processes()) != wanted:
        if time.monotonic() > deadline:
            return False
        os.sched_yield()
    return True


def launch(
    sshd: AccountSshd, request: LaunchRequest | None = None, *, limits: Limits = LIMITS
) -> tuple[LaunchMode, BytePath, int]:
    """Connect, launch, ask the server for its process id, leave."""

    async def work() -> tuple[LaunchMode, BytePath, int]:
        async with connected(sshd) as host, launched(host, request, limits=limits) as server:
            return server.mode, server.byte_path, await server.rpc.request("process")

    return run(work())


def refusal(sshd: AccountSshd, request: LaunchRequest | None = None, *, limits: Limits = LIMITS) -> RemoraError:
    with pytest.raises(RemoraError) as caught:
        launch(sshd, request, limits=limits)
    return caught.value


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


FAULTS = {
    Fault.EXIT_WITH_TEXT: (Code.LAUNCH_EXITED, "database on a network file system"),
    Fault.EXIT_SILENTLY: (Code.CODEX_UNUSABLE, "fake codex"),
    Fault.LISTEN_LATE: (Code.LAUNCH_TIMEOUT, "fake codex"),
    Fault.PLAIN_FILE: (Code.LAUNCH_REFUSED, "fake codex"),
    Fault.NEVER_ANSWER: (Code.SERVER_MUTE, "fake codex"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_f50_each_way_not_to_serve_has_its_own_name_and_shows_the_log(fault: Fault) -> None:
    code, text = FAULTS[fault]
    with AccountSshd("/bin/bash") as sshd:
        codex_in(sshd, fault)
        error = refusal(sshd, limits=Limits(launch=1.5, handshake=0.7))
        assert error.code is code
        assert text in error.seen
        assert error.next_step
        assert becomes(sshd, 1 if fault is Fault.NEVER_ANSWER else 0)
        if fault is Fault.NEVER_ANSWER:
            assert f"process {servers(sshd)[0]} " in error.message.lower()
    assert len({code for code, _ in FAULTS.values()}) == len(FAULTS)


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


@pytest.mark.parametrize("version", ["0.1.0", "9.9.9", "0.170.0-alpha.3"])
def test_f57_the_binary_is_asked_what_it_can_do_not_its_version(version: str) -> None:
    async def work(sshd: AccountSshd) -> None:
        async with connected(sshd) as host, launched(host, limits=LIMITS) as server:
            assert server.version == version
            assert server.facts.candidates[0].version == version

    with AccountSshd("/bin/bash") as sshd:
        codex_in(sshd, version=version)
        run(work(sshd))


def test_f57_a_codex_without_app_server_is_named() -> None:
    with AccountSshd("/bin/bash") as sshd:
        codex_in(sshd, Fault.NO_APP_SERVER)
        assert refusal(sshd).code is Code.CODEX_UNSUPPORTED


@pytest.mark.parametrize(
    "options",
    [
        ["AllowTcpForwarding no"],
        ["AllowStreamLocalForwarding no"],
        ["DisableForwarding yes"],
        ["PermitOpen none"],
        ["restrict"],
    ],
    ids=lambda options: options[0].split()[0],
)
def test_f64_forwarding_forbidden_goes_by_the_proxy(options: list[str]) -> None:
    lines = [] if options == ["restrict"] else options
    with AccountSshd("/bin/bash", options=lines) as sshd:
        if options == ["restrict"]:
            sshd.authorized_keys.write_text(f"restrict {sshd.authorized_keys.read_text()}")
        codex_in(sshd)
        mode, first_path, pid = launch(sshd)
        assert mode is LaunchMode.DETACHED
        assert launch(sshd) == (LaunchMode.ADOPTED, first_path, pid)
        if options != ["PermitOpen none"]:
            assert first_path is BytePath.PROXY
        assert becomes(sshd, 1)


@pytest.mark.parametrize("ending", ["ours", "server"])
def test_f53_the_bridge_ends_when_either_side_ends(ending: str) -> None:
    async def work(sshd: AccountSshd) -> None:
        async with connected(sshd) as host, launched(host, limits=LIMITS) as server:
            assert server.byte_path is BytePath.PROXY
            assert len(proxies(sshd)) == 1
            if ending == "server":
                os.kill(await server.rpc.request("process"), signal.SIGKILL)
            else:
                for process in sshd.connection_processes():
                    with suppress(ProcessLookupError):
                        os.kill(process, signal.SIGKILL)
            await server.rpc.wait_closed()

    with AccountSshd("/bin/bash", options=["DisableForwarding yes"]) as sshd:
        codex_in(sshd)
        with suppress(RemoraError):
            run(work(sshd))
        assert becomes(sshd, 0 if ending == "server" else 1)
        assert not proxies(sshd)


@pytest.mark.parametrize("length", [40, 60, 90, 200])
@pytest.mark.parametrize("letter", ["h", "é"])
def test_f65_a_socket_path_beyond_the_limit_is_replaced_by_a_short_one(length: int, letter: str) -> None:
    name = "/".join([letter * 40] * (length // (40 * len(letter.encode())) + 1))
    with AccountSshd("/bin/bash", home=name) as sshd:
        codex_in(sshd)
        mode, path, pid = launch(sshd)
        assert (mode, path) == (LaunchMode.DETACHED, BytePath.UNIX_SOCKET)
        assert launch(sshd) == (LaunchMode.ADOPTED, BytePath.UNIX_SOCKET, pid)


def test_f65_where_no_socket_fits_the_server_is_attached(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 90)
    deep.mkdir()
    environment = {"XDG_RUNTIME_DIR": str(deep), "TMPDIR": str(deep), "XDG_STATE_HOME": str(deep)}
    with AccountSshd("/bin/bash", home="h" * 90, environment=environment) as sshd:
        codex_in(sshd)
        assert launch(sshd)[:2] == (LaunchMode.ATTACHED, BytePath.STDIO)


@pytest.mark.parametrize("options", [["MaxSessions 1"], ["MaxSessions 1", "DisableForwarding yes"]])
def test_f66_one_session_and_one_login_are_enough(options: list[str]) -> None:
    async def work(sshd: AccountSshd) -> None:
        async with connected(sshd) as host:
            for mode in (LaunchMode.DETACHED, LaunchMode.ADOPTED):
                async with launched(host, limits=LIMITS) as server:
                    assert server.mode is mode

    with AccountSshd("/bin/bash", options=options) as sshd:
        codex_in(sshd)
        run(work(sshd))
        assert sshd.accepted_logins() == 1


@pytest.mark.parametrize(
    ("fault", "options", "path"),
    [
        (Fault.NO_SOCKETS, [], BytePath.STDIO),
        (Fault.LINES_ON_SOCKET, [], BytePath.UNIX_SOCKET),
        (Fault.NONE, [], BytePath.UNIX_SOCKET),
        (Fault.NONE, ["DisableForwarding yes"], BytePath.PROXY),
    ],
)
def test_f69_either_framing_is_understood(fault: Fault, options: list[str], path: BytePath) -> None:
    with AccountSshd("/bin/bash", options=options) as sshd:
        codex_in(sshd, fault)
        assert launch(sshd)[1] is path


@pytest.mark.parametrize("foreign", ["socket", "folder"])
def test_f84_somebody_elses_server_is_refused_before_anything_is_sent(foreign: str) -> None:
    with AccountSshd("/bin/bash") as sshd, socket.socket(socket.AF_UNIX) as listener:
        codex_in(sshd)
        path = socket_of(sshd)
        path.parent.mkdir(parents=True)
        listener.bind(str(path))
        listener.listen()
        listener.setblocking(False)
        os.chown(path if foreign == "socket" else path.parent, STRANGER, STRANGER)
        error = refusal(sshd)
        assert error.code is Code.SOCKET_FOREIGN
        assert str(STRANGER) in error.message
        with pytest.raises(BlockingIOError):
            listener.accept()
        assert becomes(sshd, 0)


def test_f84_a_runtime_folder_of_somebody_else_is_not_used() -> None:
    with AccountSshd("/bin/bash") as sshd:
        codex_in(sshd)
        stranger = sshd.runtime / "remora"
        stranger.mkdir()
        os.chown(stranger, STRANGER, STRANGER)
        sshd.home.joinpath(".bashrc").write_text(f"export TMPDIR={sshd.home}\n")
        assert launch(sshd)[0] is LaunchMode.DETACHED
        assert not list(stranger.iterdir())


def test_a_link_laid_in_the_place_of_our_log_leads_nowhere() -> None:
    """The runtime folder was open to others for a while; one of them knows how our files will be called."""
    with AccountSshd("/bin/bash") as sshd:
        codex_in(sshd)
        precious = sshd.home / "precious"
        precious.write_text("work\n")
        folder = sshd.runtime / "remora"
        folder.mkdir()
        folder.chmod(0o777)
        checksum = subprocess.run(["cksum"], input=f"{sshd.home}/.codex".encode(), capture_output=True, check=True)
        key = checksum.stdout.split()[0].decode()
        for name in (f"server-{key}.log", f"server-{key}"):
            (folder / name).symlink_to(precious)
        assert launch(sshd)[0] is LaunchMode.DETACHED
        assert precious.read_text() == "work\n"
        assert (folder / f"server-{key}.log").read_text()
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_is_missing_is_refused_with_near_matches() -> None:
    with AccountSshd("/bin/bash") as sshd:
        codex_in(sshd)
        (sshd.home / "work/project's one").mkdir(parents=True)
        assert launch(sshd, LaunchRequest(folder="~/work/project's one"))[0] is LaunchMode.DETACHED
        error = refusal(sshd, LaunchRequest(folder="work/projects one"))
        assert error.code is Code.FOLDER_MISSING
        assert str(sshd.home / "work/project's one") in error.seen


def test_a_missing_codex_is_refused_with_the_path_that_was_searched() -> None:
    with AccountSshd("/bin/bash") as sshd:
        sshd.home.joinpath(".bashrc").write_text("PATH=/somewhere/odd:/usr/bin:/bin\n")
        error = refusal(sshd, LaunchRequest(codex="~/no/codex"))
        assert error.code is Code.CODEX_MISSING
        assert str(sshd.home / "no/codex") in error.message
        assert "/somewhere/odd" in error.seen


@pytest.mark.parametrize("kind", ["hangs", "dangling", "not-executable", "foreign", "folder"])
def test_f36_f40_a_codex_that_cannot_run_says_why_and_the_next_one_is_used(kind: str) -> None:
    async def work(sshd: AccountSshd) -> str:
        async with connected(sshd) as host, launched(host, limits=Limits(probe=4.0)) as server:
            first, second = server.facts.candidates[:2]
            assert server.codex_path == second.path
            return first.problem or ""

    with AccountSshd("/bin/bash") as sshd:
        bad = sshd.home / "bad/codex"
        bad.parent.mkdir()
        match kind:
            case "hangs":
                install(bad, Fault.VERSION_HANGS)
            case "dangling":
                bad.symlink_to("nowhere")
            case "not-executable":
                bad.write_text("text")
            case "foreign":
                bad.write_bytes(b"\x7fELF\x02\x01\x01\x00" + bytes(200))
                bad.chmod(0o755)
            case _:
                bad.mkdir()
        codex_in(sshd)
        sshd.home.joinpath(".bashrc").write_text('PATH="$HOME/bad:$HOME/.local/bin:$PATH"\n')
        assert run(work(sshd))
        assert becomes(sshd, 1)


def test_f55_a_server_is_adopted_after_its_binary_changed() -> None:
    with AccountSshd("/bin/bash") as sshd:
        codex = codex_in(sshd)
        _, _, pid = launch(sshd)
        set_fault(codex, Fault.NONE, version="1.0.0")
        assert launch(sshd)[::2] == (LaunchMode.ADOPTED, pid)
