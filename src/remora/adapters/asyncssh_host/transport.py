"""The bytes below SSH: a TCP connection or the user's ProxyCommand, always as one connected socket."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from remora.adapters.asyncssh_host.laps import Laps
from remora.adapters.ssh.session_options import program_environment
from remora.core.errors import Code, Stage, Unreachable
from remora.core.host.hosts import AddressFamily, Host
from remora.core.text import decode

_Address: TypeAlias = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]
_AddressInfo: TypeAlias = tuple[int, int, int, str, _Address]
_FAMILIES: Final = {
    AddressFamily.ANY: socket.AF_UNSPEC,
    AddressFamily.IPV4: socket.AF_INET,
    AddressFamily.IPV6: socket.AF_INET6,
}
_STDERR_KEPT: Final = 8192
_STOP_GRACE: Final = 1.0


class Proxy:
    """A running ProxyCommand: its own process group, and the last it said on standard error.

    The pipe of standard error is ours to close: a helper that the command left behind may hold its other end for ever.
    """

    def __init__(self, process: asyncio.subprocess.Process, errors: int) -> None:
        self._process = process
        self._errors = errors
        self._said = bytearray()
        self._silent = asyncio.Event()
        os.set_blocking(errors, False)
        asyncio.get_running_loop().add_reader(errors, self._listen)

    @property
    def said(self) -> str:
        """The end of its standard error; remote or local text, not yet neutralised."""
        return decode(bytes(self._said))

    async def settle(self, limit: float) -> None:
        """Wait a little for last words, when the command has broken the connection."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._silent.wait(), limit)

    async def stop(self) -> None:
        """End the whole process group, gently first; nothing of it is left when this returns."""
        try:
            for number, limit in ((signal.SIGTERM, _STOP_GRACE), (signal.SIGKILL, None)):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, number)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._process.wait(), limit)
        finally:
            self._listen()
            self._end()
            os.close(self._errors)

    def _listen(self) -> None:
        with contextlib.suppress(BlockingIOError):
            data = b"" if self._silent.is_set() else os.read(self._errors, _STDERR_KEPT)
            self._said += data
            del self._said[:-_STDERR_KEPT]
            if not data:
                self._end()

    def _end(self) -> None:
        self._silent.set()
        asyncio.get_running_loop().remove_reader(self._errors)


@dataclass(frozen=True, slots=True)
class SocketWay:
    """The bytes to the first host of a route; `proxy` when a ProxyCommand carries them."""

    connected: socket.socket
    proxy: Proxy | None = None


async def open_way(stack: contextlib.AsyncExitStack, host: Host, *, limit: float, laps: Laps) -> SocketWay:
    """Connect, or start the ProxyCommand; what was opened ends with `stack`."""
    if host.proxy_command is not None:
        way = SocketWay(*await stack.enter_async_context(run_proxy(host, host.proxy_command)))
        laps.end(Stage.ROUTE)
        return way
    connected = await connect_tcp(host, limit=limit, laps=laps)
    laps.end(Stage.ROUTE)
    stack.callback(connected.close)
    return SocketWay(connected)


async def connect_tcp(host: Host, *, limit: float, laps: Laps) -> socket.socket:
    """Connect to the first address that answers, in the resolver's order.

    Raises :class:`Unreachable`: ``name-not-found``, ``connection-refused``, ``network-unreachable`` or
    ``connect-timeout``.
    """
    loop = asyncio.get_running_loop()
    failures: list[OSError] = []
    try:
        async with asyncio.timeout(limit):
            addresses = await _look_up(host)
            laps.end(Stage.NAME)
            local = await _look_up_bind_address(host, {family for family, *_ in addresses})
            for family, kind, protocol, _, address in addresses:
                if local and family not in local:
                    continue
                connection = socket.socket(family, kind, protocol)
                try:
                    connection.setblocking(False)
                    if local:
                        connection.bind(local[family])
                    await loop.sock_connect(connection, address)
                except OSError as error:
                    connection.close()
                    failures.append(error)
                except BaseException:
                    connection.close()
                    raise
                else:
                    return connection
    except TimeoutError:
        raise Unreachable(
            Code.CONNECT_TIMEOUT,
            f"{_where(host)} did not answer within {limit:g} seconds.",
            next_step="Check that the machine is on and that no firewall blocks the port, or raise ConnectTimeout.",
            seen="; ".join(map(str, failures)),
            host=host.alias,
        ) from None
    raise _connect_failure(host, failures)


@contextlib.asynccontextmanager
async def run_proxy(host: Host, command: str) -> AsyncIterator[tuple[socket.socket, Proxy]]:
    """Run the ProxyCommand through the user's shell, as OpenSSH does, with a socket for its input and output."""
    near, far = socket.socketpair()
    errors, errors_end = os.pipe()
    shell = os.environ.get("SHELL") or "/bin/sh"
    with contextlib.ExitStack() as ours:
        ours.callback(near.close)
        ours.callback(os.close, errors)
        try:
            process = await asyncio.create_subprocess_exec(
                shell,
                "-c",
                f"exec {command}",
                stdin=far.fileno(),
                stdout=far.fileno(),
                stderr=errors_end,
                start_new_session=True,
                env=program_environment(host),
            )
        except OSError as error:
            raise Unreachable(
                Code.PROXY_FAILED,
                f"The ProxyCommand of {host.alias} could not be started.",
                next_step="Check that the program in SHELL exists and can be run.",
                seen=str(error),
                host=host.alias,
            ) from None
        finally:
            far.close()
            os.close(errors_end)
        proxy = Proxy(process, errors)
        ours.pop_all()
    try:
        near.setblocking(False)
        yield near, proxy
    finally:
        near.close()
        await proxy.stop()


async def _look_up(host: Host) -> list[_AddressInfo]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(
            host.hostname, host.port, family=_FAMILIES[host.address_family], type=socket.SOCK_STREAM
        )
        return list(found)
    except (socket.gaierror, UnicodeError) as error:
        raise Unreachable(
            Code.NAME_NOT_FOUND,
            f"The name {host.hostname!r} of {host.alias} has no address.",
            next_step="Check HostName in the SSH configuration, and the VPN or DNS that resolves this name.",
            seen=str(error),
            host=host.alias,
        ) from None


async def _look_up_bind_address(host: Host, families: set[int]) -> dict[int, _Address]:
    """The local address for each of the families that the host has; empty where any will do."""
    if host.bind_address is None or host.bind_address == "*":
        return {}
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(
            host.bind_address, 0, family=_FAMILIES[host.address_family], type=socket.SOCK_STREAM
        )
    except (socket.gaierror, UnicodeError) as error:
        raise _bind_failure(host, "is not an address of this machine", str(error)) from None
    local = {int(family): address for family, _, _, _, address in reversed(found)}
    if families.isdisjoint(local):
        raise _bind_failure(host, f"and {_where(host)} have no address family in common", "")
    return local


def _bind_failure(host: Host, fault: str, seen: str) -> Unreachable:
    return Unreachable(
        Code.NETWORK_UNREACHABLE,
        f"BindAddress {host.bind_address} of {host.alias} {fault}.",
        next_step="Correct BindAddress in the SSH configuration.",
        seen=seen,
        host=host.alias,
    )


def _connect_failure(host: Host, failures: list[OSError]) -> Unreachable:
    seen = "; ".join(dict.fromkeys(map(str, failures)))
    if any(isinstance(failure, ConnectionRefusedError) for failure in failures):
        return Unreachable(
            Code.CONNECTION_REFUSED,
            f"{_where(host)} refused the connection.",
            next_step="Check that sshd runs there and that Port in the SSH configuration is right.",
            seen=seen,
            host=host.alias,
        )
    if any(isinstance(failure, TimeoutError) for failure in failures):
        return Unreachable(
            Code.CONNECT_TIMEOUT,
            f"{_where(host)} did not answer.",
            next_step="Check that the machine is on and that no firewall blocks the port.",
            seen=seen,
            host=host.alias,
        )
    return Unreachable(
        Code.NETWORK_UNREACHABLE,
        f"Network unreachable: {_where(host)}.",
        next_step="Check the network or VPN of this machine, and BindAddress and AddressFamily if they are set.",
        seen=seen,
        host=host.alias,
    )


def _where(host: Host) -> str:
    return f"{host.hostname} port {host.port}"
