"""The laptop's side of the relay: one session that outlives the connections it is carried by."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final

from remora.core.errors import Code, RemoraError, TimeLimit
from remora.core.link.links import SessionName
from remora.core.link.relay_faults import host_shuts_down, link_left, relay_failed, session_lost
from remora.core.secrets import Secret
from remora.core.settings import Limits
from remora.core.text import decode
from remora.flows.kit.portions import PORTION, LoopTurn
from remora.flows.kit.timeout import dismiss, within, within_or_none
from remora.flows.relay.relay_attachment import Attachment
from remora.flows.relay.relay_streams import CarriedOutbox, CarriedStream, RelayStream, StreamOutbox
from remora.ports import ByteStream, Clock, Far, Near, PromptStream
from remora.wire.relay import relay_frames as frames
from remora.wire.relay.close_reasons import stream_problem
from remora.wire.relay.frame_session import ACK_DELAY, FrameSession
from remora.wire.relay.relay_frames import Frame, FrameReader, ProtocolBreak

_PIECE: Final = 512 * 1024
"""Bytes that are handed to the connection at once."""
_MOST_URGENT: Final = 64
"""Frames that wait for a connection which takes none; beyond that the host gets no answer."""


class RelaySession:
    """Streams to one host that live on across connections. One for each link; for one event loop.

    With an `own` name it takes the place of a session that had the name before, such as that of a hub that was killed.
    """

    def __init__(
        self, *, clock: Clock, limits: Limits, nonce: Callable[[], str], own: SessionName | None = None
    ) -> None:
        self._clock = clock
        self._limits = limits
        own = own or SessionName(nonce(), Secret(nonce() + nonce()))
        self._name, self._token = own.name, own.token
        self._incarnation = ""
        self._session = FrameSession(limits.relay_window)
        self._streams: dict[int, RelayStream | CarriedStream] = {}
        self._attachment: Attachment | None = None
        self._urgent: list[bytes] = []
        self._wake = asyncio.Event()
        self._prompt: PromptStream | None = None
        self._sending = False
        self._owing = asyncio.Event()
        self._pumps: list[asyncio.Task[None]] = []
        self._left = False

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return len(self._session.streams)

    def open(self, target: str, *, transient: bool = False) -> ByteStream:
        """A stream to ``server``, ``port:N`` or ``folder:PATH``; at once, whether a connection stands or not.

        When the host cannot open it, reading and writing raise why. What is written meanwhile waits, and then the
        writer does. A `transient` stream is of no use to anybody after its laptop: alone it keeps no session.
        """
        outbox = StreamOutbox()
        stream = self._session.open(target, outbox, transient=transient)
        opened = RelayStream(self._session, stream, outbox, self._rouse)
        if self._left:
            self._session.close(stream)
            opened.fail(link_left())
            return opened
        self._sweep()
        self._streams[stream.number] = opened
        self._rouse()
        return opened

    def carry(self, target: str, near: Near, *, served: Callable[[], None], left: Callable[[], None]) -> Far | None:
        """As :meth:`open`, for a client that is not waited for; it leaves with :meth:`flush`. `None` after the end.

        `served` is called when the first bytes have come from the host, `left` once, when the client has gone.
        """
        if self._left:
            return None
        outbox = CarriedOutbox(near.resume)
        stream = self._session.open(target, outbox)
        carried = CarriedStream(self._session, stream, outbox, near, served=served, left=left)
        self._streams[stream.number] = carried
        return carried

    def flush(self) -> None:
        """Let go what was told to carried streams."""
        if self._session.has_output:
            self._rouse()
        self._sweep()

    @asynccontextmanager
    async def attach(self, connection: ByteStream) -> AsyncIterator[Attachment]:
        """Carry the session on `connection`, which comes from :func:`remora.flows.relay.relay_start.reach_relay`.

        When this yields, the relay has said whether it resumes. An attachment of before is lost. On leaving, the
        connection is closed; the streams wait for the next one. Raises ``relay-failed``, ``time-limit``, and what the
        connection raises.
        """
        attachment = Attachment(self._clock, self.send_now)
        try:
            if self._attachment is not None:
                self._attachment.lose(relay_failed("Another connection of this session has replaced this one."))
            await dismiss(*self._pumps)
            reader = FrameReader()
            await self._greet(connection, reader, attachment)
            if self._left:  # meanwhile
                await connection.write(frames.encode(frames.BYE))
                raise link_left()
            self._attachment = attachment
            self._prompt = connection if isinstance(connection, PromptStream) else None
            self._urgent.clear()
            self._rouse()
            self._owing.clear()
            pumps = self._pumps = [
                asyncio.create_task(work)
                for work in (
                    self._receive(connection, reader, attachment),
                    self._send(connection, attachment),
                    self._acknowledge(),
                )
            ]
            try:
                yield attachment
            finally:
                await dismiss(*pumps)
        finally:
            attachment.lose(relay_failed("The connection was closed."))
            if self._attachment is attachment:
                self._attachment = self._prompt = None
            with suppress(RemoraError):
                await connection.close()

    async def leave(self) -> None:
        """End the session for good, on the host too when it can be reached; all streams end."""
        if not self._left:
            self._left = True
            attachment = self._attachment
            if attachment is not None:
                self.send_now(frames.encode(frames.BYE))
                with suppress(RemoraError):
                    await within_or_none(self._clock, self._limits.stop, attachment.wait_lost())
            self._break_streams(link_left())

    def send_now(self, frame: bytes) -> None:
        """Send a frame of this connection ahead of all that waits."""
        self._urgent.append(frame)
        self._rouse()

    async def _greet(self, connection: ByteStream, reader: FrameReader, attachment: Attachment) -> None:
        slow = TimeLimit(
            Code.TIME_LIMIT,
            f"The relay on the host did not answer within {self._limits.handshake:g} seconds.",
            next_step="Try again; if it fails again, check the load of the host.",
        )
        first = await within(self._clock, self._limits.handshake, self._exchange(connection, reader), error=slow)
        if first.kind == frames.REFUSED:
            raise relay_failed("The relay on the host refused this session.", decode(first.payload))
        try:
            if first.kind != frames.WELCOME:
                raise ProtocolBreak("the first frame was not a welcome")
            self._welcome(frames.read_table(first), attachment)
        except ProtocolBreak as error:
            self._abandon(error)
            raise relay_failed("The relay on the host sent an invalid answer.", str(error)) from error

    async def _exchange(self, connection: ByteStream, reader: FrameReader) -> Frame:
        limits = self._limits
        hello = {
            "protocol": frames.PROTOCOL,
            "session": self._name,
            "token": self._token.reveal(),
            "incarnation": self._incarnation,
            "received": self._session.received,
            "window": limits.relay_window,
            "memory": limits.relay_memory,
            "disk": limits.relay_disk,
            "lease": limits.lease,
            "lease_idle": limits.lease_idle,
        }
        await connection.write(frames.encode_table(frames.HELLO, hello))
        while data := await connection.read(_PIECE):
            try:
                came = reader.feed(data, 1)
            except ProtocolBreak as error:
                raise relay_failed("The program that answered on the host is not the relay.", decode(data)) from error
            if came:
                return came[0]
        raise relay_failed("The relay on the host closed the connection before it answered.")

    def _welcome(self, table: dict[str, object], attachment: Attachment) -> None:
        received, incarnation = table.get("received"), table.get("incarnation")
        if not isinstance(received, int) or not isinstance(incarnation, str):
            raise ProtocolBreak("a welcome is incomplete")
        attachment.resumed = table.get("resumed") is True
        if attachment.resumed and incarnation != self._incarnation:
            raise ProtocolBreak("a welcome resumes an unknown session")
        if not attachment.resumed:
            self._begin_anew(session_lost())
        self._incarnation = incarnation
        self._session.attach(received)

    async def _receive(self, connection: ByteStream, reader: FrameReader, attachment: Attachment) -> None:
        turn = LoopTurn()
        try:
            await self._take_all(reader, turn, attachment, b"")
            if isinstance(connection, PromptStream):
                connection.listen(partial(self._hear, reader, turn, attachment))
            while not attachment.lost and (data := await connection.read(_PIECE)):
                await self._take_all(reader, turn, attachment, data)
            attachment.lose(relay_failed("The relay on the host closed the connection."))
        except RemoraError as error:
            attachment.lose(error)

    async def _take_all(self, reader: FrameReader, turn: LoopTurn, attachment: Attachment, data: bytes) -> None:
        """Do what came asks, and what waits in `reader`, over as many turns of the loop as it needs."""
        while not self._take_some(reader, turn, attachment, data):
            data = b""
            await asyncio.sleep(0)

    def _hear(self, reader: FrameReader, turn: LoopTurn, attachment: Attachment, data: bytes) -> bytes:
        """Bytes came; gives back those for which this turn of the loop has no time."""
        return b"" if self._take_some(reader, turn, attachment, data) else reader.take_rest()

    def _take_some(self, reader: FrameReader, turn: LoopTurn, attachment: Attachment, data: bytes) -> bool:
        """Do what this turn of the loop has time for, then answer that together; whether it was everything."""
        if attachment.lost:
            return True
        most = turn.left
        try:
            came = reader.feed(data, most)
            turn.spend(len(came) + len(data) // PORTION)
            for frame in came:
                self._take(frame, attachment)
        except ProtocolBreak as error:
            self._give_up(error, attachment)
            return True
        attachment.note(heard=True, owed=self._session.awaits_ack)
        self._sweep()
        if self._urgent or self._session.has_output:
            self._rouse()
        if self._session.owes_ack:
            self._owing.set()
        return len(came) < most

    def _give_up(self, error: ProtocolBreak, attachment: Attachment) -> None:
        self._abandon(error)
        attachment.lose(relay_failed("The relay on the host broke its protocol.", str(error)))

    def _take(self, frame: Frame, attachment: Attachment) -> None:
        if frame.kind == frames.PING and len(self._urgent) >= _MOST_URGENT:
            pass  # it asks and does not listen
        elif frame.kind == frames.PING:
            self._urgent.append(frames.encode(frames.PONG, frame.payload))
        elif frame.kind == frames.PONG:
            attachment.answered(frame.payload)
        elif frame.kind == frames.LEAVING:
            attachment.lose(host_shuts_down())
        elif frame.kind == frames.BYE:
            attachment.lose(relay_failed("The relay on the host ended this connection.", decode(frame.payload)))
        else:
            self._deliver(frame)

    def _deliver(self, frame: Frame) -> None:
        event = self._session.receive(frame)
        if event is None:
            return
        kind, stream, payload = event
        opened = self._streams.get(stream.number)
        if opened is not None and kind == frames.DATA:
            opened.deliver(payload)
        elif opened is not None and kind == frames.EOF:
            opened.end()
        elif opened is not None:
            opened.fail(stream_problem(stream.target, decode(payload)))

    def _rouse(self) -> None:
        """There may be something to send: it goes at once where nothing has to be waited for, else from `_send`."""
        prompt, attachment = self._prompt, self._attachment
        if prompt is None or attachment is None or self._sending:
            self._wake.set()
            return
        try:
            while prompt.prompt:
                output = self._take_output(attachment)
                if not output:
                    return
                attachment.note(heard=False, owed=self._session.awaits_ack)
                prompt.write_now(b"".join(output))
        except RemoraError as error:
            attachment.lose(error)
        self._wake.set()

    async def _send(self, connection: ByteStream, attachment: Attachment) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                self._sending = True
                while output := self._take_output(attachment):
                    attachment.note(heard=False, owed=self._session.awaits_ack)
                    await connection.write(b"".join(output))
                self._sending = False
        except RemoraError as error:
            attachment.lose(error)
        finally:
            self._sending = False

    def _take_output(self, attachment: Attachment) -> list[bytes]:
        if attachment.lost:
            return []
        output, self._urgent = self._urgent, []
        output += self._session.take_output(_PIECE)
        return output

    async def _acknowledge(self) -> None:
        while True:
            await self._owing.wait()
            await self._clock.sleep(ACK_DELAY)
            self._owing.clear()
            self._session.acknowledge()
            if self._session.has_output:
                self._rouse()

    def _sweep(self) -> None:
        """Forget the streams that are over."""
        for stream in self._session.take_gone():
            self._streams.pop(stream.number, None)

    def _abandon(self, error: ProtocolBreak) -> None:
        """What both sides have does not fit together: the next connection begins anew."""
        self._incarnation = ""
        self._begin_anew(relay_failed("The data of this connection could not be reassembled.", str(error)))

    def _begin_anew(self, error: RemoraError) -> None:
        for stream in self._session.restart():
            opened = self._streams.pop(stream.number, None)
            if opened is not None:
                opened.fail(error)

    def _break_streams(self, error: RemoraError) -> None:
        self._session.restart()
        for opened in self._streams.values():
            opened.fail(error)
        self._streams.clear()
