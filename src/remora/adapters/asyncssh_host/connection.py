"""One authenticated connection as a :class:`remora.ports.RemoteHost`."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager

import asyncssh

from remora.adapters.asyncssh_host import failures
from remora.adapters.asyncssh_host.channels import RECEIVE_PACKET, RECEIVE_WINDOW, ChannelStream
from remora.adapters.asyncssh_host.listeners import listen
from remora.adapters.ssh.openings import ChannelRefusedError, Openings
from remora.adapters.ssh.ssh_failures import channel_refused, channel_too_slow, connection_lost, listening_refused
from remora.core.errors import RemoraError, Unreachable
from remora.core.host.hosts import Host
from remora.core.server.shells import quote_words
from remora.core.settings import Limits
from remora.ports import ByteStream, ConnectionFacts, RemoteProcess, Visitor


class Lifetime:
    """Whether a connection stands, and why it no longer does."""

    def __init__(self) -> None:
        self.leaving = False
        self.error: Exception | None = None
        self._ended = asyncio.Event()

    def end(self, error: Exception | None) -> None:
        """The connection is gone; the first reason counts."""
        self.error = self.error or error
        self._ended.set()

    @property
    def ended(self) -> bool:
        return self._ended.is_set()

    async def wait(self) -> None:
        """Return when the connection is gone."""
        await self._ended.wait()


class AsyncsshHost:
    """Everything multiplexed inside one connection."""

    def __init__(
        self,
        host: Host,
        connection: asyncssh.SSHClientConnection,
        lifetime: Lifetime,
        *,
        facts: ConnectionFacts,
        environment: Mapping[str, str],
        limits: Limits,
    ) -> None:
        self._host = host
        self._connection = connection
        self._lifetime = lifetime
        self._facts = facts
        self._environment: dict[bytes | str, bytes | str] = dict(environment.items())
        self._limits = limits
        self._openings: Openings[ChannelStream] = Openings(host, limits.channel)

    @property
    def facts(self) -> ConnectionFacts:
        """See :class:`remora.ports.RemoteHost`."""
        return self._facts

    async def start(self, words: Sequence[str]) -> RemoteProcess:
        """See :class:`remora.ports.RemoteHost`."""
        line = quote_words(words)

        def request(stream: ChannelStream) -> Coroutine[object, object, object]:
            return self._connection.create_session(
                lambda: stream,
                line,
                env=self._environment,
                request_pty=False,
                encoding=None,
                window=RECEIVE_WINDOW,
                max_pktsize=RECEIVE_PACKET,
            )

        return await self._open(request, what="a session for a command")

    async def open_unix_socket(self, path: str) -> ByteStream:
        """See :class:`remora.ports.RemoteHost`."""

        def request(stream: ChannelStream) -> Coroutine[object, object, object]:
            return self._connection.create_unix_connection(
                lambda: stream, path, encoding=None, window=RECEIVE_WINDOW, max_pktsize=RECEIVE_PACKET
            )

        return await self._open(request, what=f"a channel to the socket {path}")

    async def open_port(self, port: int) -> ByteStream:
        """See :class:`remora.ports.RemoteHost`."""

        def request(stream: ChannelStream) -> Coroutine[object, object, object]:
            return self._connection.create_connection(
                lambda: stream, "127.0.0.1", port, encoding=None, window=RECEIVE_WINDOW, max_pktsize=RECEIVE_PACKET
            )

        return await self._open(request, what=f"a channel to port {port}")

    def serve_port(self, port: int, visitor: Visitor) -> AbstractAsyncContextManager[int]:
        """See :class:`remora.ports.RemoteHost`."""

        def refused(reason: str) -> RemoraError:
            return self._broken() or listening_refused(self._host, port, reason)

        return listen(
            self._connection,
            port,
            visitor,
            make_stream=lambda: ChannelStream(self._explain),
            refused=refused,
            too_slow=channel_too_slow(self._host, "to listen on a port", self._limits.channel),
            limit=self._limits.channel,
        )

    async def wait_lost(self) -> Unreachable:
        """See :class:`remora.ports.RemoteHost`."""
        await self._lifetime.wait()
        if self._lifetime.leaving:
            return connection_lost(self._host)
        return failures.connection_ended(self._host, self._lifetime.error)

    async def _open(
        self, request: Callable[[ChannelStream], Coroutine[object, object, object]], *, what: str
    ) -> ChannelStream:
        async def attempt() -> ChannelStream:
            stream = ChannelStream(self._explain)
            try:
                await self._await_channel(request(stream), stream, what=what)
            except asyncssh.ChannelOpenError as error:
                raise self._broken() or ChannelRefusedError(error.reason) from None
            return stream

        return await self._openings.open(attempt, what=what)

    async def _await_channel(
        self, opening: Coroutine[object, object, object], stream: ChannelStream, *, what: str
    ) -> None:
        """Wait until the channel stands; one that comes too late is closed when it comes.

        The request to run a command has then left, but is not answered yet: what is written now travels right behind
        it, which saves a round trip. A refusal of the command ends the stream.
        """
        task = asyncio.ensure_future(opening)
        standing = asyncio.ensure_future(stream.opened.wait())
        try:
            await asyncio.wait({task, standing}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._close_when_open(task, stream)
            raise
        finally:
            standing.cancel()
        if task.done():
            task.result()
        else:
            task.add_done_callback(lambda done: self._end_if_refused(done, stream, what))

    def _end_if_refused(self, done: "asyncio.Future[object]", stream: ChannelStream, what: str) -> None:
        error = None if done.cancelled() else done.exception()
        if isinstance(error, asyncssh.ChannelOpenError):
            stream.fail(self._broken() or channel_refused(self._host, what, error.reason))
        elif isinstance(error, Exception):
            stream.fail(failures.connection_ended(self._host, self._lifetime.error if self._lifetime.ended else error))

    def _close_when_open(self, task: "asyncio.Future[object]", stream: ChannelStream) -> None:
        def close(done: "asyncio.Future[object]") -> None:
            if not done.cancelled() and done.exception() is None:
                stream.abandon()

        task.add_done_callback(close)

    def _broken(self) -> RemoraError | None:
        if not self._connection.is_closed() and not self._lifetime.ended:
            return None
        return failures.connection_ended(self._host, self._lifetime.error)

    def _explain(self, error: Exception | None) -> RemoraError | None:
        """A channel that ends while the connection stands, or because we leave, ends in order."""
        if self._lifetime.leaving:
            return None
        # asyncssh has taken its transport away before it tells the channels, but says so publicly only afterwards.
        if error is None and self._connection.get_extra_info("socket") is not None and not self._lifetime.ended:
            return None
        return failures.connection_ended(self._host, error)
