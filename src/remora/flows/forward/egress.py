"""What a client on the host gets at a port that leads here: an HTTP proxy for named destinations, or one of them."""

import base64
import hmac
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

from remora.core.errors import Code, LaunchProblem, ProtocolProblem, RemoraError, TimeLimit, Unreachable
from remora.core.link.egress import Destination, find_destination, join_authority
from remora.core.link.upstream import Upstream
from remora.core.secrets import Secret
from remora.core.settings import Limits
from remora.flows.forward.listeners import show_in
from remora.flows.kit.timeout import within, within_or_none
from remora.ports import ByteStream, Clock, Onward
from remora.wire.proxy.bodies import RequestBody
from remora.wire.proxy.heads import (
    HEAD_END,
    HEAD_LIMIT,
    BadHead,
    ProxyRequest,
    answer,
    connect_head,
    read_head,
    read_status,
)

USER: Final = "remora"
_DRAINED: Final = 1024 * 1024
_DRAINING: Final = 2.0
_NO_PASSWORD: Final = "the password is missing or wrong"  # noqa: S105 - an answer


class Egress:
    """Serves the clients of one port of the host. Nothing but `destinations` is looked up or connected to.

    `direct` takes all bytes to the one destination; else it is an HTTP proxy, which wants `password` if there is one.
    """

    def __init__(
        self,
        destinations: Sequence[Destination],
        *,
        direct: bool,
        password: Secret | None,
        upstream: Upstream | None,
        onward: Onward,
        clock: Clock,
        limits: Limits,
    ) -> None:
        self.destinations = tuple(destinations)
        self.direct = direct
        self.password = password
        self.upstream = upstream
        self.clients = 0
        self.refused = 0
        self.trouble: str | None = None
        self._onward = onward
        self._clock = clock
        self._limits = limits

    async def visit(self, client: ByteStream) -> None:
        """Serve one client. A :data:`~remora.ports.Visitor`."""
        if self.clients >= self._limits.egress_clients:
            await self._refuse(client, 503, f"{self.clients} clients are connected, which is the limit")
            return
        self.clients += 1
        try:
            if self.direct:
                await self._carry(client)
            else:
                await self._serve(client)
        finally:
            self.clients -= 1

    async def _carry(self, client: ByteStream) -> None:
        (destination,) = self.destinations
        try:
            server = await self._reach(destination, destination.host, destination.port)
        except RemoraError as error:
            await self._refuse(client, _status_for(error), error.message)
            return
        await show_in(client, _given(server))

    async def _serve(self, client: ByteStream) -> None:
        try:
            request, early = await self._read_request(client)
            destination = self._judge(request)
            body = None if request.target is None else RequestBody(request)
        except BadHead as error:
            await self._refuse(client, error.status, str(error))
            return
        except TimeLimit as error:
            await self._refuse(client, 408, error.message)
            return
        try:
            server = await self._reach(destination, request.host, request.port)
        except RemoraError as error:
            await self._refuse(client, _status_for(error), error.message)
            return
        try:
            if body is None:
                await client.write(answer(200))
            else:
                await server.write(request.head_for_server())
            resumed = Resumed(client, early)
            await show_in(resumed if body is None else Bounded(resumed, body), _given(server))
        finally:
            await server.close()

    async def _read_request(self, client: ByteStream) -> tuple[ProxyRequest, bytes]:
        seconds = self._limits.handshake
        late = TimeLimit(
            Code.TIME_LIMIT,
            f"no request came within {seconds:g} seconds",
            next_step="Send the request at once after connecting.",
        )
        head, early = await within(self._clock, seconds, _read_until_end(client), error=late)
        return read_head(head), early

    def _judge(self, request: ProxyRequest) -> Destination:
        """The destination that covers it. Raises :class:`BadHead` for a client that may not."""
        if self.password is not None and not _proves(request, self.password):
            raise BadHead(407, _NO_PASSWORD)
        destination = find_destination(self.destinations, request.host, request.port)
        if destination is None:
            named = ", ".join(map(str, self.destinations))
            raise BadHead(
                403,
                f"{join_authority(request.host, request.port)} is not a destination of this egress; allowed: {named}",
            )
        return destination

    async def _reach(self, destination: Destination, host: str, port: int) -> ByteStream:
        """A connection to what was named, through this machine's own proxy where that is set."""
        seconds = self._limits.egress_connect
        through = self.upstream if self.upstream is not None and self.upstream.serves(host, port) else None
        way = "" if through is None else f" through the proxy {through}"
        late = TimeLimit(
            Code.TIME_LIMIT,
            f"{join_authority(host, port)} could not be reached{way} within {seconds:g} seconds",
            next_step="Check the network of this machine.",
        )
        if through is not None:
            return await within(self._clock, seconds, self._tunnel(through, host, port), error=late)
        return await within(
            self._clock, seconds, self._onward.connect(host, port, admit=destination.admits), error=late
        )

    async def _tunnel(self, through: Upstream, host: str, port: int) -> ByteStream:
        stream = await self._onward.connect(through.host, through.port, admit=_anything)
        try:
            authorization = None if through.authorization is None else through.authorization.reveal()
            await stream.write(connect_head(host, port, authorization))
            head, early = await _read_until_end(stream)
            if (status := read_status(head)) != 200:
                raise _refused_by(through, host, status)
        except BadHead:
            await stream.close()
            raise _refused_by(through, host, None) from None
        except BaseException:
            await stream.close()
            raise
        return Resumed(stream, early)

    async def _refuse(self, client: ByteStream, status: int, line: str) -> None:
        """Say why, and take in a little of what the client says meanwhile: it would miss the answer otherwise."""
        self._note(line)
        with suppress(RemoraError):
            if not self.direct:
                await client.write(answer(status, line))
            await client.write_eof()
            await within_or_none(self._clock, _DRAINING, _drain(client))

    def _note(self, line: str) -> None:
        self.refused += 1
        self.trouble = line


class Resumed:
    """A stream of which the beginning was read too far: `early` comes first."""

    def __init__(self, stream: ByteStream, early: bytes) -> None:
        self._stream = stream
        self._early = early
        self.write = stream.write
        self.write_eof = stream.write_eof
        self.close = stream.close

    async def read(self, limit: int = 65536) -> bytes:
        """See :class:`remora.ports.ByteStream`."""
        if not self._early:
            return await self._stream.read(limit)
        data, self._early = self._early[:limit], self._early[limit:]
        return data


class Bounded:
    """A client of which the server hears one request. What comes after that is taken in, and goes nowhere."""

    def __init__(self, client: ByteStream, body: RequestBody) -> None:
        self._client = client
        self._body = body
        self.write = client.write
        self.write_eof = client.write_eof
        self.close = client.close

    async def read(self, limit: int = 65536) -> bytes:
        """See :class:`remora.ports.ByteStream`."""
        while data := await self._client.read(limit):
            try:
                part = self._body.take(data)
            except BadHead as error:
                raise ProtocolProblem(
                    Code.PROTOCOL_VIOLATION, str(error), next_step="Send the body as HTTP/1.1 defines it."
                ) from None
            if part:
                return part
        return b""


async def _read_until_end(stream: ByteStream) -> tuple[bytes, bytes]:
    """A head without its end, and what came after. Raises :class:`BadHead`."""
    received = b""
    while (end := received.find(HEAD_END)) < 0:
        if len(received) > HEAD_LIMIT:
            raise BadHead(431, f"the head of the request has more than {HEAD_LIMIT} bytes")
        data = await stream.read()
        if not data:
            raise BadHead(400, "the request is incomplete")
        received += data
    return received[:end], received[end + len(HEAD_END) :]


async def _drain(client: ByteStream) -> None:
    taken = 0
    while taken < _DRAINED and (data := await client.read()):
        taken += len(data)


def _anything(address: str, *, is_own: bool) -> bool:
    return True


def _given(server: ByteStream) -> Callable[[], Awaitable[ByteStream]]:
    async def give() -> ByteStream:
        return server

    return give


def _proves(request: ProxyRequest, password: Secret) -> bool:
    scheme, _, given = (request.header("proxy-authorization") or "").partition(" ")
    wanted = base64.b64encode(f"{USER}:{password.reveal()}".encode())
    return scheme.lower() == "basic" and hmac.compare_digest(given.strip().encode("latin-1"), wanted)


def _status_for(error: RemoraError) -> int:
    if error.code is Code.EGRESS_REFUSED:
        return 403
    return 504 if error.code in (Code.TIME_LIMIT, Code.CONNECT_TIMEOUT) else 502


def _refused_by(through: Upstream, host: str, status: int | None) -> RemoraError:
    if status == 407:
        return LaunchProblem(
            Code.PROXY_FAILED,
            f"the proxy {through} of this machine rejected the password, or needs one",
            next_step="Put it in HTTPS_PROXY (http://USER:PASSWORD@HOST:PORT) and open the egress again.",
        )
    said = "did not answer like a proxy" if status is None else f"answered with status {status}"
    return Unreachable(
        Code.PROXY_FAILED,
        f"the proxy {through} of this machine did not connect to {host}: it {said}",
        next_step="Check HTTPS_PROXY and NO_PROXY of this machine.",
    )
