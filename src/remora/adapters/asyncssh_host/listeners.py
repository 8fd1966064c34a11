"""Ports of the host's loopback whose clients are served here."""

import asyncio
import contextlib
import ipaddress
from collections.abc import AsyncIterator, Callable
from typing import Final

import asyncssh

from remora.adapters.asyncssh_host.channels import RECEIVE_PACKET, RECEIVE_WINDOW, ChannelStream
from remora.core.errors import RemoraError
from remora.ports import Visitor

_LOOPBACK: Final = "127.0.0.1"
_MOST_VISITORS: Final = 1024
_LINGER: Final = 10.0
"""Seconds that a visit which is over may take to hand over what was written before."""
_FAREWELL: Final = 2.0


@contextlib.asynccontextmanager
async def listen(
    connection: asyncssh.SSHClientConnection,
    port: int,
    visitor: Visitor,
    *,
    make_stream: Callable[[], ChannelStream],
    refused: Callable[[str], RemoraError],
    too_slow: RemoraError,
    limit: float,
) -> AsyncIterator[int]:
    """See :meth:`remora.ports.RemoteHost.serve_port`. A listener that comes too late is closed when it comes."""
    visits = _Visits(visitor, make_stream)
    asking = asyncio.ensure_future(
        connection.create_server(
            visits.receive, _LOOPBACK, port, encoding=None, window=RECEIVE_WINDOW, max_pktsize=RECEIVE_PACKET
        )
    )
    try:
        async with asyncio.timeout(limit):
            listener = await asyncio.shield(asking)
    except TimeoutError:
        asking.add_done_callback(_close_late)
        raise too_slow from None
    except asyncio.CancelledError:
        asking.add_done_callback(_close_late)
        raise
    except (asyncssh.Error, asyncssh.ChannelListenError, OSError) as error:
        raise refused(str(error)) from None
    try:
        yield listener.get_port()
    finally:
        await _stop(listener)
        await visits.end()


async def _stop(listener: asyncssh.SSHListener) -> None:
    listener.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_FAREWELL):
            await listener.wait_closed()


def _close_late(done: "asyncio.Future[asyncssh.SSHListener]") -> None:
    if not done.cancelled() and done.exception() is None:
        done.result().close()


class _Visits:
    """The clients that are here now."""

    def __init__(self, visitor: Visitor, make_stream: Callable[[], ChannelStream]) -> None:
        self._visitor = visitor
        self._make_stream = make_stream
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = False

    def receive(self, host: str, port: int) -> ChannelStream:
        """Called by asyncssh for a client at `host`.

        Under ``GatewayPorts yes`` sshd listens for the whole network, whatever it is asked for.
        """
        if self._over or len(self._tasks) >= _MOST_VISITORS or not _is_loopback(host):
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "not let in")
        stream = self._make_stream()
        task = asyncio.get_running_loop().create_task(self._visit(stream))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return stream

    async def end(self) -> None:
        """Cancel all visits and wait for their end; who comes later is turned away."""
        self._over = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _visit(self, stream: ChannelStream) -> None:
        try:
            await stream.opened.wait()
            with contextlib.suppress(RemoraError):
                await self._visitor(stream)
                stream.finish()
                async with asyncio.timeout(_LINGER):
                    await stream.gone.wait()
        except TimeoutError:
            pass
        except Exception as error:  # noqa: BLE001 - one client's trouble must not end the others
            asyncio.get_running_loop().call_exception_handler({"message": "a visit failed", "exception": error})
        finally:
            stream.drop()


def _is_loopback(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
