"""Requests and answers over one byte stream to an app server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from random import Random
from typing import Any, Final

import msgspec

from remora.core.backoff import Backoff
from remora.core.errors import Code, ProtocolProblem, RemoraError
from remora.core.server.request_faults import (
    answer_late,
    answers_untaken,
    closed_here,
    handshake_late,
    message_too_large,
    not_taken_in,
    outcome_unknown,
)
from remora.core.settings import Limits
from remora.flows.kit.timeout import dismiss, within
from remora.flows.server.outbox import Call, Outbox, Outgoing, fail, ignore
from remora.flows.server.transport import MessageTransport, open_transport
from remora.flows.server.unasked import Unasked
from remora.ports import ByteStream, Clock, EventSpool
from remora.wire.appserver import calls, jsonrpc
from remora.wire.appserver.calls import ServerInfo
from remora.wire.appserver.jsonrpc import Framing

_UNTAKEN_ANSWERS: Final = 10_000
"""Answers that a server may leave unread while it asks for more."""
_LARGEST_UNASKED: Final = 32 * 1024 * 1024
"""Bytes of one notification or request of the server; only an answer, which may be a whole history, may have more."""
_AT_ONCE: Final = 32
"""Messages that are taken before whoever reads them, and everybody else, has a turn."""
_OVERLOAD_PAUSES: Final = Backoff(first=0.2, quick=8, floor=10.0, ceiling=10.0)


Asked = tuple[str, Any]
"""A method and its parameters."""


class RpcClient:
    """One initialized connection to an app server.

    It reads eagerly: answers go to who asked, everything else in arrival order to the spool given with
    :meth:`deliver_to`. Server requests that need no decision are answered here. Safe to use from many tasks.
    """

    server: ServerInfo

    def __init__(self, transport: MessageTransport, *, clock: Clock, limits: Limits, random: Random) -> None:
        self._transport = transport
        self._clock = clock
        self._limits = limits
        self._random = random
        self._calls: dict[jsonrpc.RequestId, Call] = {}
        self._outbox = Outbox(transport)
        self._ahead: dict[tuple[str, bytes], asyncio.Task[Any]] = {}
        self._next_id = 0
        self._unasked = Unasked(limits.spool_memory)
        self._closed = asyncio.Event()
        self._heard = clock.monotonic()
        self.failure: RemoraError | None = None
        """Why the connection ended; `None` while it stands."""

    async def request(self, method: str, params: Any = None, *, limit: float | None = None) -> Any:
        """Ask and wait for the decoded answer.

        An overloaded server is asked again, with growing pauses, within the limit. Raises
        ``request-refused``, ``thread-missing``, ``server-overloaded``; when the connection ends first:
        the reason it ended, if nothing was sent or `method` only reads, otherwise ``request-unknown``.
        """
        seconds = limit if limit is not None else self._limits.request
        deadline = self._clock.monotonic() + seconds
        early = self._ahead.pop(_key(method, params), None)
        attempt, left = 1, seconds
        while True:
            try:
                return await (early or self._ask(method, params, left))
            except ProtocolProblem as error:
                if error.code is not Code.SERVER_OVERLOADED:
                    raise
                pause = _OVERLOAD_PAUSES.delay(attempt, elapsed=seconds - left, chance=self._random.random())
                if pause is None:
                    raise
                await self._clock.sleep(min(pause, max(deadline - self._clock.monotonic(), 0)))
                left = deadline - self._clock.monotonic()
                if left <= 0:
                    raise
            early, attempt = None, attempt + 1

    @property
    def silence(self) -> float:
        """For how many seconds the server has owed an answer and sent nothing; 0 when it owes none."""
        asked = [call.asked for call in self._calls.values() if call.started]
        return self._clock.monotonic() - max(self._heard, min(asked)) if asked else 0.0

    def ask_ahead(self, asked: Asked) -> None:
        """Send a request before its answer is wanted; the equal :meth:`request` that follows takes the answer."""
        task = asyncio.ensure_future(self._ask(*asked, self._limits.request))
        task.add_done_callback(ignore)
        self._ahead[_key(*asked)] = task

    async def drop_ahead(self) -> None:
        """Forget answers that nobody took. Run by :func:`open_rpc`."""
        await dismiss(*self._ahead.values())

    async def notify(self, method: str, params: Any = None) -> None:
        """Tell; returns when it was handed to the transport."""
        await self._send(jsonrpc.encode_notification(method, params))

    async def respond(self, request_id: jsonrpc.RequestId, result: Any) -> None:
        """Answer a request of the server; it leaves once the server takes it."""
        self._answer_unasked(jsonrpc.encode_result(request_id, result))

    async def refuse(self, request_id: jsonrpc.RequestId, code: int, message: str) -> None:
        """Answer a request of the server with an error; see :meth:`respond`."""
        self._answer_unasked(jsonrpc.encode_error(request_id, code, message))

    def deliver_to(self, spool: EventSpool) -> None:
        """Put notifications and server requests, as the bytes that came, into `spool` from now on.

        What came before is put there first. The spool is finished when the connection ends. Until this is
        called nothing is subscribed, so only general news can wait here; of those the newest are kept.
        """
        self._unasked.attach(spool)

    async def wait_closed(self) -> None:
        """Return when the connection has ended; :attr:`failure` then says why."""
        await self._closed.wait()

    # -- sending

    async def _ask(self, method: str, params: Any, seconds: float) -> Any:
        self._next_id += 1
        request_id = self._next_id
        call = Call(method, asyncio.get_running_loop().create_future(), self._clock.monotonic())
        self._calls[request_id] = call
        late = answer_late(method, seconds)
        try:
            outgoing = self._post(jsonrpc.encode_request(request_id, method, params), call)
            raw = await within(self._clock, seconds, _answer(outgoing, call), error=late)
        except RemoraError as error:
            if error is not late and error is not self.failure:
                raise
            raise self._lost(call, error) from None
        finally:
            self._calls.pop(request_id, None)
            call.answer.cancel()
        return jsonrpc.decode_value(raw)

    def _lost(self, call: Call, error: RemoraError) -> RemoraError:
        if not call.started or calls.is_safe_to_repeat(call.method):
            return error
        return outcome_unknown(call.method, error)

    async def _send(self, message: bytes) -> None:
        await self._post(message).sent

    def _post(self, message: bytes, call: Call | None = None) -> Outgoing:
        if self.failure is not None:
            raise self.failure
        return self._outbox.post(message, call)

    async def write_all(self) -> None:
        """Write what is posted, in order, until the connection ends. Run by :func:`open_rpc`."""
        try:
            await self._outbox.write_all()
        except RemoraError as error:
            self.end(error)

    # -- receiving

    async def read_all(self) -> None:
        """Read until the connection ends. Run by :func:`open_rpc`."""
        try:
            while True:
                messages = await self._transport.receive()
                self._heard = self._clock.monotonic()
                for number, message in enumerate(messages, start=1):
                    self._take(message)
                    if number % _AT_ONCE == 0:
                        await asyncio.sleep(0)
                if self._transport.has_pending:
                    self._outbox.flush()
        except RemoraError as error:
            self.end(error)
        except Exception as error:  # noqa: BLE001 - a full disk below the spool, for one: whoever waits must learn it
            self.end(not_taken_in(error))

    def _take(self, message: bytes | jsonrpc.TooLarge) -> None:
        if isinstance(message, jsonrpc.TooLarge):
            self._take_too_large(message)
            return
        match jsonrpc.decode(message):
            case jsonrpc.Response(request_id, result):
                self._settle(request_id, result)
            case jsonrpc.Failure(request_id, code, text, _):
                self._settle_refused(request_id, code, text)
            case jsonrpc.Request() | jsonrpc.Notification() if len(message) > _LARGEST_UNASKED:
                raise message_too_large(_LARGEST_UNASKED, message)
            case jsonrpc.Request(request_id, method, _):
                answer = calls.automatic_answer(request_id, method)
                if answer is None:
                    self._unasked.put(message)
                else:
                    self._answer_unasked(answer)
            case jsonrpc.Notification():
                self._unasked.put(message)

    def _answer_unasked(self, answer: bytes) -> None:
        if self._outbox.size > _UNTAKEN_ANSWERS:
            raise answers_untaken()
        self._post(answer).sent.add_done_callback(ignore)

    def _take_too_large(self, message: jsonrpc.TooLarge) -> None:
        request_id = jsonrpc.leading_id(message.beginning)
        call = self._calls.get(request_id) if request_id is not None else None
        error = message_too_large(self._limits.message, message.beginning)
        if call is None:
            raise error
        fail(call.answer, error)

    def _settle(self, request_id: jsonrpc.RequestId, result: msgspec.Raw) -> None:
        call = self._calls.get(request_id)
        if call is not None and not call.answer.done():
            call.answer.set_result(result)

    def _settle_refused(self, request_id: jsonrpc.RequestId | None, code: int, text: str) -> None:
        call = self._calls.get(request_id) if request_id is not None else None
        if call is not None:
            fail(call.answer, calls.refusal(call.method, code, text))

    def end(self, error: RemoraError) -> None:
        """End the connection for `error`: whoever waits learns it. Only the first reason counts."""
        if self.failure is None:
            self.failure = error
        for call in self._calls.values():
            fail(call.answer, self.failure)
        self._outbox.fail(self.failure)
        self._unasked.finish()
        self._closed.set()


@asynccontextmanager
async def open_rpc(
    stream: ByteStream,
    framing: Framing,
    *,
    clock: Clock,
    limits: Limits,
    random: Random | None = None,
    ahead: Sequence[Asked] | Awaitable[Sequence[Asked]] = (),
) -> AsyncIterator[RpcClient]:
    """Speak with the app server at the other end of `stream`: upgrade if needed, ``initialize``, then yours.

    Order: when this yields, the server has answered ``initialize``: it lives. On leaving, the connection
    is closed and the stream with it. `ahead` are requests that travel in one flight with ``initialize``, so that
    their answers come a round trip earlier; see :meth:`RpcClient.ask_ahead`. Those that still have to be found
    out leave as soon as they are, and what that raises is raised here. Raises ``handshake-failed``, ``server-gone``,
    ``time-limit``, ``protocol-violation`` or what the stream raises.
    """
    mute = handshake_late(limits.handshake)
    tasks: list[asyncio.Task[None]] = []
    transport = open_transport(stream, framing, limits)
    client = RpcClient(transport, clock=clock, limits=limits, random=random or Random())  # noqa: S311 - spreads retries
    try:
        await within(clock, limits.handshake, transport.open(), error=mute)
        tasks += [asyncio.create_task(client.read_all()), asyncio.create_task(client.write_all())]
        await within(clock, limits.handshake, _initialize(client, ahead), error=mute)
        yield client
    finally:
        await client.drop_ahead()
        await dismiss(*tasks)
        client.end(closed_here())
        await transport.close(clock)


async def _initialize(client: RpcClient, ahead: Sequence[Asked] | Awaitable[Sequence[Asked]]) -> None:
    params = calls.initialize_params(version("remora"))
    asked = asyncio.ensure_future(client.request("initialize", params))
    try:
        await asyncio.sleep(0)
        await client.notify("initialized")
        for request in ahead if isinstance(ahead, Sequence) else await ahead:
            client.ask_ahead(request)
        client.server = calls.read_server_info(await asked)
    finally:
        await dismiss(asked)


async def _answer(outgoing: Outgoing, call: Call) -> msgspec.Raw:
    either: set[asyncio.Future[Any]] = {outgoing.sent, call.answer}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if not call.answer.done():
        outgoing.sent.result()
    else:
        outgoing.sent.add_done_callback(ignore)
    return await call.answer


def _key(method: str, params: Any) -> tuple[str, bytes]:
    return method, msgspec.json.encode(params)
