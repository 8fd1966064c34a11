"""The embedded host against the real OpenSSH client, and what is left of it: nothing."""

import asyncio
import os
import shutil
from pathlib import Path

import asyncssh
import pytest
from tests.support.base.required import missing

from remora.demo.embedded_host import EmbeddedHost, embedded_host


async def _ssh(host: EmbeddedHost, *words: str, stdin: bytes = b"") -> tuple[int | None, bytes, bytes]:
    child = await asyncio.create_subprocess_exec(
        "ssh",
        "-F",
        str(host.ssh_config),
        "-o",
        "BatchMode=yes",
        *words,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await child.communicate(stdin)
    return child.returncode, output, errors


def _is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}/environ").exists() and Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"


async def test_a_command_runs_in_the_login_shell_with_a_scratch_home() -> None:
    async with embedded_host() as host:
        status, output, errors = await _ssh(host, "demo", 'echo "$HOME"; cat; echo no >&2; exit 7', stdin=b"in\n")
        assert (status, output) == (7, f"{host.home}\nin\n".encode())
        assert errors == b"no\n"
        assert host.home.stat().st_mode & 0o777 == 0o700
        assert host.logins == [host.user]


@pytest.mark.shells
@pytest.mark.parametrize("name", ["sh", "fish", "tcsh", "zsh"])
async def test_the_login_shell_can_be_chosen(name: str) -> None:
    shell = shutil.which(name) or missing(f"{name} is not installed")
    async with embedded_host(login_shell=shell) as host:
        assert (await _ssh(host, "demo", "echo $SHELL"))[:2] == (0, f"{shell}\n".encode())


@pytest.mark.shells
@pytest.mark.parametrize("name", ["sh", "bash", "zsh", "fish", "tcsh"])
async def test_programs_are_on_the_path_of_every_shell(name: str, tmp_path: Path) -> None:
    shell = shutil.which(name) or missing(f"{name} is not installed")
    program = tmp_path / "some tools" / "greet"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho found\n")
    program.chmod(0o755)
    async with embedded_host(login_shell=shell, programs=[program.parent]) as host:
        login = f"echo greet | {shell} -l" if name == "tcsh" else f"{shell} -l -c greet"
        status, output, _ = await _ssh(host, "demo", login)
        assert (status, output.splitlines()[-1:]) == (0, [b"found"])


async def test_a_detached_process_ends_with_the_host_and_the_folder_goes() -> None:
    async with embedded_host() as host:
        stubborn = "setsid sh -c 'trap \"\" TERM HUP; sleep 600' >/dev/null 2>&1 </dev/null & echo $!"
        status, output, _ = await _ssh(host, "demo", "sh", stdin=stubborn.encode())
        assert status == 0
        home = host.home
    assert not _is_alive(int(output))
    assert not home.parent.exists()


async def test_a_cut_connection_leaves_the_command_running() -> None:
    async with embedded_host() as host:
        mark = host.home / "mark"
        os.mkfifo(mark)
        session = asyncio.create_task(_ssh(host, "demo", f"cat {mark} >/dev/null; echo done > {host.home}/done"))
        writer = await asyncio.to_thread(mark.open, "w")
        host.drop_connections()
        assert (await session)[0] == 255
        writer.close()
        assert await _ssh(host, "demo", f"while ! test -s {host.home}/done; do :; done; cat {host.home}/done") == (
            0,
            b"done\n",
            b"",
        )


@pytest.mark.parametrize("allowed", [True, False])
async def test_unix_sockets_can_be_forwarded_or_refused(allowed: bool) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello from the socket")
        writer.close()

    async with embedded_host(forward_sockets=allowed) as host:
        path = host.home / "listening"
        server = await asyncio.start_unix_server(answer, path)
        async with server, asyncssh.connect("demo", config=[str(host.ssh_config)]) as connection:
            try:
                reader, _ = await connection.open_unix_connection(str(path), encoding=None)
            except asyncssh.ChannelOpenError:
                assert not allowed
            else:
                assert allowed
                assert await reader.read() == b"hello from the socket"
