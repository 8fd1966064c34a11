"""Connections from this machine to elsewhere."""

import asyncio
import errno
import socket
from ipaddress import ip_address
from typing import Final

from remora.adapters.machine.local_stream import LocalStream
from remora.core.errors import Code, LaunchProblem, Unreachable
from remora.ports import Admit, ByteStream

_NO_WAY: Final = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EPERM})
_ONE_ADDRESS: Final = 4.0
"""Seconds for one address while there are others."""


class SystemOnward:
    """See :class:`remora.ports.Onward`."""

    async def connect(self, host: str, port: int, *, admit: Admit) -> ByteStream:
        """See :class:`remora.ports.Onward`. What was looked up is connected to: a name cannot change between."""
        addresses = await _look_up(host, port)
        admitted = [address for address in addresses if admit(address, is_own=_is_own(address))]
        if not admitted:
            raise LaunchProblem(
                Code.EGRESS_REFUSED,
                f"{host} means {addresses[0]}, and the egress allows that address only if the command names it.",
                next_step=f"Name the address itself to allow it: {addresses[0]}:{port}",
            )
        failure: OSError | None = None
        for number, address in enumerate(admitted, start=1):
            try:
                async with asyncio.timeout(None if number == len(admitted) else _ONE_ADDRESS):
                    return await _connect(address, port)
            except OSError as error:
                failure = error
        raise _unreachable(host, port, failure)


async def _look_up(host: str, port: int) -> list[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Unreachable(
            Code.NAME_NOT_FOUND,
            f"This machine cannot resolve the name {host}.",
            next_step="Check the name and the network of this machine.",
            seen=str(error),
        ) from None
    return list(dict.fromkeys(str(place[0]) for *_, place in found))


def _is_own(address: str) -> bool:
    """Whether this machine has that address: then it is also where a connection there comes from."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))  # sends nothing
            return bool(ip_address(probe.getsockname()[0]) == ip_address(address))
    except (OSError, ValueError):  # there is no way there at all
        return False


async def _connect(address: str, port: int) -> ByteStream:
    stream = LocalStream()
    await asyncio.get_running_loop().create_connection(lambda: stream, address, port)
    return stream


def _unreachable(host: str, port: int, error: OSError | None) -> Unreachable:
    if isinstance(error, ConnectionRefusedError):
        code, what = Code.CONNECTION_REFUSED, "refused the connection"
    elif error is not None and error.errno in _NO_WAY:
        code, what = Code.NETWORK_UNREACHABLE, "cannot be reached from this machine"
    else:
        code, what = Code.CONNECT_TIMEOUT, "did not answer this machine"
    return Unreachable(
        code,
        f"{host} port {port} {what}.",
        next_step="Check that the destination runs, and check the network of this machine.",
        seen=str(error or ""),
    )
