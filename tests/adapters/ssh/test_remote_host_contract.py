"""The contract of a remote host, kept by the twin and by the adapter against three independent servers."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from tests.support.network.echo_socket import echo_port, echo_socket
from tests.support.sshd.control_master import NoDialler, choosing, control_master, short_folder
from tests.support.sshd.paramiko_server import ParamikoServer
from tests.support.sshd.system_sshd import SystemSshd

from remora.adapters.asyncssh_host import AsyncsshDialler
from remora.adapters.openssh_host import OpensshDialler
from remora.adapters.ssh.openssh_config import OpenSshResolver
from remora.demo.embedded_host import embedded_host
from remora.flows.host.dial import find_route
from remora.flows.kit.unattended import UnattendedDialogue
from remora.ports import Dialler, ExitStatus, RemoteHost
from remora.testing import contracts
from remora.testing.contracts import REMOTE_HOST_CONTRACT, Contract, HostUnderTest
from remora.testing.memory_host import MemoryHost, Program, ProgramEnd
from remora.testing.memory_streams import MemoryStream


@contextlib.asynccontextmanager
async def memory(folder: Path) -> AsyncIterator[HostUnderTest]:
    """The in-memory twin with programs that do what the contract's commands do."""

    @contextlib.asynccontextmanager
    async def connect() -> AsyncIterator[RemoteHost]:
        host = MemoryHost(_program, sockets={"/echo": _echo}, ports={7: _echo})
        yield host
        await host.aclose()

    async def lose(host: RemoteHost) -> None:
        assert isinstance(host, MemoryHost)
        host.lose_connection()

    async def say_goodbye(host: RemoteHost) -> None:
        assert isinstance(host, MemoryHost)
        host.leave()

    yield HostUnderTest(connect, lose, echo_socket="/echo", echo_port=7, say_goodbye=say_goodbye)


@contextlib.asynccontextmanager
async def system_sshd(folder: Path) -> AsyncIterator[HostUnderTest]:
    """OpenSSH."""

    async def lose(host: RemoteHost) -> None:
        for process in server.connection_processes():
            os.kill(process, signal.SIGKILL)

    with SystemSshd(folder) as server:
        async with echo_socket(folder / "echo") as path, echo_port() as port:
            yield HostUnderTest(
                lambda: AsyncsshDialler().dial(server.route(), UnattendedDialogue()),
                lose,
                echo_socket=path,
                echo_port=port,
            )


@contextlib.asynccontextmanager
async def own_master(folder: Path) -> AsyncIterator[HostUnderTest]:
    """The system's ssh as a control master of ours, to OpenSSH."""

    async def lose(host: RemoteHost) -> None:
        for process in server.connection_processes():
            os.kill(process, signal.SIGKILL)

    with SystemSshd(folder) as server, short_folder() as sockets:
        config = folder / "config"
        config.write_text(server.ssh_config())
        route = await find_route("devbox", OpenSshResolver(str(config)))
        dialler = OpensshDialler(lambda: sockets, ssh_config=str(config))
        async with echo_socket(folder / "echo") as path, echo_port() as port:
            yield HostUnderTest(
                lambda: dialler.dial(route, UnattendedDialogue()), lose, echo_socket=path, echo_port=port
            )


@contextlib.asynccontextmanager
async def own_master_to_asyncssh(folder: Path) -> AsyncIterator[HostUnderTest]:
    """The system's ssh as a control master of ours, to asyncssh's server."""
    with short_folder() as sockets:
        async with embedded(folder, lambda config: OpensshDialler(lambda: sockets, ssh_config=config)) as under_test:
            yield under_test


@contextlib.asynccontextmanager
async def users_master(folder: Path) -> AsyncIterator[HostUnderTest]:
    """A control master that the user has started."""

    async def lose(host: RemoteHost) -> None:
        for process in server.connection_processes():
            os.kill(process, signal.SIGKILL)

    with SystemSshd(folder) as server, short_folder() as sockets:
        config = folder / "config"
        config.write_text(server.ssh_config(extra=[f"ControlPath {sockets}/cm-%C"]))
        route = await find_route("devbox", OpenSshResolver(str(config)))
        dialler = choosing(NoDialler())
        with control_master(config, "devbox"):
            async with echo_socket(folder / "echo") as path, echo_port() as port:
                yield HostUnderTest(
                    lambda: dialler.dial(route, UnattendedDialogue()), lose, echo_socket=path, echo_port=port
                )


@contextlib.asynccontextmanager
async def asyncssh_server(folder: Path) -> AsyncIterator[HostUnderTest]:
    """asyncssh's own server, reached through its SSH configuration."""
    async with embedded(folder, lambda config: AsyncsshDialler()) as under_test:
        yield under_test


@contextlib.asynccontextmanager
async def embedded(folder: Path, make_dialler: Callable[[str], Dialler]) -> AsyncIterator[HostUnderTest]:
    """The demo's host, reached by the dialler that is made for its SSH configuration."""
    async with embedded_host() as server, echo_socket(folder / "echo") as path:
        config = str(server.ssh_config)
        route, dialler = await find_route(server.alias, OpenSshResolver(config)), make_dialler(config)

        async def lose(host: RemoteHost) -> None:
            server.drop_connections()

        async def say_goodbye(host: RemoteHost) -> None:
            server.dismiss_connections()

        yield HostUnderTest(
            lambda: dialler.dial(route, UnattendedDialogue()), lose, echo_socket=path, say_goodbye=say_goodbye
        )


@contextlib.asynccontextmanager
async def paramiko_server(folder: Path) -> AsyncIterator[HostUnderTest]:
    """paramiko, which gives its server no unix socket channels."""
    with ParamikoServer(folder) as server:

        async def lose(host: RemoteHost) -> None:
            await asyncio.to_thread(server.drop_connections)

        yield HostUnderTest(
            lambda: AsyncsshDialler().dial(server.route(), UnattendedDialogue()), lose, echo_socket=None
        )


@pytest.mark.parametrize("contract", REMOTE_HOST_CONTRACT, ids=lambda contract: contract.__name__)
@pytest.mark.parametrize(
    "implementation",
    [
        memory,
        asyncssh_server,
        paramiko_server,
        pytest.param(system_sshd, marks=pytest.mark.sshd),
        pytest.param(own_master, marks=pytest.mark.sshd),
        own_master_to_asyncssh,
        pytest.param(users_master, marks=pytest.mark.sshd),
    ],
    ids=lambda implementation: implementation.__name__,
)
async def test_remote_host(
    contract: Contract,
    implementation: Callable[[Path], AbstractAsyncContextManager[HostUnderTest]],
    tmp_path: Path,
) -> None:
    async with implementation(tmp_path) as under_test:
        await contract(under_test)


def _program(words: Sequence[str]) -> Program | None:
    if tuple(words[:2]) == contracts.PRINT_WORDS:
        return _print_words
    return _PROGRAMS.get(tuple(words))


async def _cat(end: ProgramEnd) -> ExitStatus:
    await _echo(end.stream)
    return ExitStatus(status=0)


async def _echo(stream: MemoryStream) -> None:
    while data := await stream.read():
        await stream.write(data)


async def _read_then_answer(end: ProgramEnd) -> ExitStatus:
    while await end.stream.read():
        pass
    await end.stream.write(b"done\n")
    return ExitStatus(status=0)


async def _exit_seven(end: ProgramEnd) -> ExitStatus:
    return ExitStatus(status=7)


async def _die_by_signal(end: ProgramEnd) -> ExitStatus:
    return ExitStatus(signal="TERM")


async def _both_outputs(end: ProgramEnd) -> ExitStatus:
    await end.stream.write(b"out\n")
    await end.errors.write(b"err\n")
    return ExitStatus(status=0)


async def _never_read(end: ProgramEnd) -> ExitStatus:
    await asyncio.Event().wait()
    return ExitStatus()


async def _flood(end: ProgramEnd) -> ExitStatus:
    await end.stream.write(bytes(contracts.FLOOD_SIZE))
    return ExitStatus(status=0)


async def _print_words(end: ProgramEnd) -> ExitStatus:
    await end.stream.write("".join(f"[{word}]" for word in end.words[2:]).encode())
    return ExitStatus(status=0)


_PROGRAMS: dict[tuple[str, ...], Program] = {
    contracts.ECHO: _cat,
    contracts.READ_THEN_ANSWER: _read_then_answer,
    contracts.EXIT_SEVEN: _exit_seven,
    contracts.DIE_BY_SIGNAL: _die_by_signal,
    contracts.BOTH_OUTPUTS: _both_outputs,
    contracts.NEVER_READ: _never_read,
    contracts.FLOOD: _flood,
}
