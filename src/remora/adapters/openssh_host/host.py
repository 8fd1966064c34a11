"""A connection that the system's ``ssh`` holds, as a :class:`remora.ports.RemoteHost`."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from remora.adapters.openssh_host.channel import MuxChannel
from remora.adapters.openssh_host.connection import MuxConnection
from remora.adapters.openssh_host.listeners import listen
from remora.adapters.openssh_host.packets import numbers, string
from remora.adapters.ssh.openings import Openings
from remora.adapters.ssh.session_options import forwarded_agent, session_environment
from remora.adapters.ssh.ssh_failures import channel_refused
from remora.core.errors import Unreachable
from remora.core.host.hosts import Host
from remora.core.server.shells import quote_words
from remora.core.settings import Limits
from remora.ports import ByteStream, ConnectionFacts, RemoteProcess, Visitor


class OpensshHost:
    """Everything multiplexed inside one control master, whose socket is `control`; `folder` is private to us."""

    def __init__(
        self,
        host: Host,
        connection: MuxConnection,
        facts: ConnectionFacts,
        limits: Limits,
        *,
        control: Path,
        folder: Callable[[], Path],
    ) -> None:
        self._control = control
        self._folder = folder
        self._limits = limits
        self._host = host
        self._connection = connection
        self._facts = facts
        self._environment = session_environment(host)
        self._openings: Openings[MuxChannel] = Openings(host, limits.channel)

    @property
    def facts(self) -> ConnectionFacts:
        """See :class:`remora.ports.RemoteHost`."""
        return self._facts

    async def start(self, words: Sequence[str]) -> RemoteProcess:
        """See :class:`remora.ports.RemoteHost`."""
        line = quote_words(words)
        what = "a session for a command"
        channel = await self._open(lambda: self._connection.open("session"), what=what)
        if forwarded_agent(self._host):
            channel.request("auth-agent-req@openssh.com")
        for name, value in self._environment.items():
            channel.request("env", string(name.encode()) + string(value.encode("utf-8", "surrogateescape")))

        def answer(agreed: bool) -> None:
            if not agreed:
                channel.fail(channel_refused(self._host, what, "The command was refused."))

        channel.request("exec", string(line.encode()), answer=answer)
        return channel

    async def open_unix_socket(self, path: str) -> ByteStream:
        """See :class:`remora.ports.RemoteHost`."""
        details = string(path.encode("utf-8", "surrogateescape")) + string(b"") + numbers(0)
        return await self._open(
            lambda: self._connection.open("direct-streamlocal@openssh.com", details),
            what=f"a channel to the socket {path}",
        )

    async def open_port(self, port: int) -> ByteStream:
        """See :class:`remora.ports.RemoteHost`."""
        details = string(b"127.0.0.1") + numbers(port) + string(b"127.0.0.1") + numbers(0)
        return await self._open(
            lambda: self._connection.open("direct-tcpip", details), what=f"a channel to port {port}"
        )

    def serve_port(self, port: int, visitor: Visitor) -> AbstractAsyncContextManager[int]:
        """See :class:`remora.ports.RemoteHost`."""
        return listen(self._host, self._control, self._folder(), port, visitor, limit=self._limits.channel)

    async def wait_lost(self) -> Unreachable:
        """See :class:`remora.ports.RemoteHost`."""
        return await self._connection.wait_lost()

    async def _open(self, request: Callable[[], MuxChannel], *, what: str) -> MuxChannel:
        return await self._openings.open(lambda: _stand(request()), what=what)


async def _stand(channel: MuxChannel) -> MuxChannel:
    """Wait until the channel stands; one that comes too late is closed when it comes."""
    try:
        await channel.opened()
    except asyncio.CancelledError:
        channel.abandon()
        raise
    return channel
