"""Launching on a real sshd with a codex that fails on purpose: each failure has its own name and shows its text."""

import os
import socket
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.base.host_processes import servers
from tests.support.base.loop import run
from tests.support.base.until import wait_until
from tests.support.codex.fake_codex import Fault, install
from tests.support.codex.fake_launches import LIMITS, becomes, codex_in, launch, refusal, socket_of
from tests.support.codex.launch_words import connected, launched
from tests.support.sshd.account_sshd import AccountSshd

from remora.core.errors import Code
from remora.core.server.launch_plan import BytePath, LaunchMode, LaunchRequest
from remora.core.settings import Limits

pytestmark = pytest.mark.sshd
STRANGER = 54322


FAULTS = {
    Fault.EXIT_WITH_TEXT: (Code.LAUNCH_EXITED, "database on a network file system"),
    Fault.EXIT_SILENTLY: (Code.CODEX_UNUSABLE, "fake codex"),
    Fault.LISTEN_LATE: (Code.LAUNCH_TIMEOUT, "fake codex"),
    Fault.PLAIN_FILE: (Code.LAUNCH_REFUSED, "fake codex"),
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
        assert becomes(sshd, 0)
    assert len({code for code, _ in FAULTS.values()}) == len(FAULTS)


@pytest.mark.parametrize("fault", [Fault.HANG_UP, Fault.NO_WEBSOCKET, Fault.NEVER_ANSWER])
def test_a_server_of_ours_that_answers_nobody_is_ended_and_the_next_way_is_taken(fault: Fault) -> None:
    """codex 0.125.0 closes its control socket at every handshake; its standard input and output work."""

    async def work(sshd: AccountSshd) -> None:
        limits = replace(LIMITS, handshake=0.7)
        async with connected(sshd) as host, launched(host, limits=limits) as server:
            assert (server.mode, server.byte_path) == (LaunchMode.ATTACHED, BytePath.STDIO)
            (notice,) = [notice for notice in server.notices if notice.code == "attached"]
            assert "does not answer on its socket" in notice.message
            assert len(servers(sshd)) == 1

    with AccountSshd("/bin/bash") as sshd:
        codex_in(sshd, fault)
        run(work(sshd))
        assert becomes(sshd, 0)


def test_a_server_that_another_program_started_and_that_answers_nobody_is_left_alone_and_named() -> None:
    with AccountSshd("/bin/bash") as sshd:
        program = codex_in(sshd, Fault.NEVER_ANSWER)
        path = socket_of(sshd)
        command = [str(program), "app-server", "--listen", f"unix://{path}"]
        with subprocess.Popen(command, env={**os.environ, "HOME": str(sshd.home)}, stderr=subprocess.DEVNULL) as other:
            wait_until(path.exists)
            error = refusal(sshd, limits=Limits(launch=1.5, handshake=0.7))
            assert other.poll() is None
            other.kill()
        assert error.code is Code.SERVER_MUTE
        assert f"process {other.pid} " in error.message.lower()


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


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, os.mkfifo])
def test_what_lies_in_the_place_of_the_lock_and_is_none_blocks_no_launch(make: Callable[[Path], object]) -> None:
    with AccountSshd("/bin/bash") as sshd:
        codex_in(sshd)
        folder = sshd.runtime / "remora"
        folder.mkdir(mode=0o700)
        checksum = subprocess.run(["cksum"], input=f"{sshd.home}/.codex".encode(), capture_output=True, check=True)
        lock = folder / f"launch-{checksum.stdout.split()[0].decode()}"
        make(lock)
        assert launch(sshd)[0] is LaunchMode.DETACHED
        assert not lock.exists()


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
