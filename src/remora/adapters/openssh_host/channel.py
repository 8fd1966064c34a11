"""One channel through a control master, as a stream or a process."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from remora.adapters.machine.inbox import Inbox
from remora.adapters.openssh_host.packets import (
    CHANNEL_CLOSE,
    CHANNEL_EOF,
    CHANNEL_REQUEST,
    CHANNEL_WINDOW_ADJUST,
    Reader,
    data_packet,
    numbers,
    ssh_packet,
    string,
)
from remora.adapters.ssh.ssh_failures import channel_closed
from remora.core.errors import RemoraError
from remora.ports import ExitStatus

RECEIVE_WINDOW: Final = 4 * 1024 * 1024
"""What the far side may send ahead of the reader; with it a long round trip still fills a fast line."""

_LEAST_PIECE: Final = 1024
"""A host that takes less at once would keep us busy with nothing but packets."""
_GIVE_BACK: Final = RECEIVE_WINDOW // 4
"""So much must have been read before the far side hears of it."""


class MuxChannel:
    """See :class:`remora.ports.RemoteProcess`; a channel to a socket leaves half of that unused.

    `send` hands a packet to the master, `room` waits until the master takes more. Standard output and standard error
    share the channel's window, so a reader that leaves one of them unread holds up both.
    """

    def __init__(self, number: int, send: Callable[[bytes], None], room: asyncio.Event) -> None:
        self.number = number
        self._send = send
        self._room = room
        self._far = 0
        self._window = 0
        self._piece = 0
        self._window_open = asyncio.Event()
        self._output = Inbox()
        self._errors = Inbox()
        self._read_since = 0
        self._granted = RECEIVE_WINDOW
        self._answers: deque[Callable[[bool], None]] = deque()
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._eof_sent = False
        self._close_sent = False
        self._over = asyncio.Event()
        self._status = ExitStatus()
        self._failure: RemoraError | None = None
        self.gone = asyncio.Event()
        """Set when the host, too, has let go of the channel."""

    @property
    def ended(self) -> bool:
        """Whether the process has ended or the stream was closed."""
        return self._over.is_set()

    @property
    def standing(self) -> bool:
        """Whether requests can be sent on it."""
        return self._opened.done() and not self._close_sent and not self.gone.is_set()

    async def opened(self) -> None:
        """Wait until the channel stands. Raises what stood in the way."""
        await asyncio.shield(self._opened)

    async def read(self, limit: int = 65536) -> bytes:
        """See :class:`remora.ports.ByteStream`."""
        return await self._read_from(self._output, limit)

    async def read_error(self, limit: int = 65536) -> bytes:
        """See :class:`remora.ports.RemoteProcess`."""
        return await self._read_from(self._errors, limit)

    async def write(self, data: bytes) -> None:
        """See :class:`remora.ports.ByteStream`."""
        position = 0
        while position < len(data):
            self._require_open()
            if not self._room.is_set():
                await self._room.wait()
            elif not self._window:
                self._window_open.clear()
                await self._window_open.wait()
            else:
                piece = data[position : position + min(self._window, self._piece)]
                self._window -= len(piece)
                position += len(piece)
                self._send(data_packet(self._far, piece))
        self._require_open()

    async def write_eof(self) -> None:
        """See :class:`remora.ports.ByteStream`."""
        if self._failure is not None:
            raise self._failure
        if not self._eof_sent and not self._close_sent:
            self._eof_sent = True
            self._send(ssh_packet(CHANNEL_EOF, numbers(self._far)))

    async def wait(self) -> ExitStatus:
        """See :class:`remora.ports.RemoteProcess`."""
        await self._over.wait()
        if self._status == ExitStatus() and self._failure is not None:
            raise self._failure
        return self._status

    async def kill(self) -> None:
        """See :class:`remora.ports.RemoteProcess`. sshd refuses signals to a forced command; closing remains."""
        if self.standing:
            self.request("signal", string(b"KILL"))
        self.abandon()

    async def close(self) -> None:
        """See :class:`remora.ports.ByteStream`."""
        self.abandon()

    def abandon(self) -> None:
        """Close without waiting; a channel that stands only later is closed then."""
        if self.standing:
            self._close_sent = True
            self._send(ssh_packet(CHANNEL_CLOSE, numbers(self._far)))
        self._close_sent = True
        self._end()

    def request(self, kind: str, details: bytes = b"", *, answer: Callable[[bool], None] | None = None) -> None:
        """Ask the far side something about this channel; `answer` hears whether it agrees."""
        if answer is not None:
            self._answers.append(answer)
        head = numbers(self._far) + string(kind.encode()) + (b"\0" if answer is None else b"\1")
        self._send(ssh_packet(CHANNEL_REQUEST, head, details))

    def answered(self, *, agreed: bool) -> None:
        """The far side answers the oldest request that waits for it."""
        if self._answers:
            self._answers.popleft()(agreed)

    def stand(self, far: int, window: int, piece: int) -> None:
        """The host has opened the channel. Raises ``ValueError`` for terms that nobody can keep."""
        if piece < _LEAST_PIECE:
            raise ValueError("the host accepts no packets of a usable size")
        self._far, self._window, self._piece = far, window, piece
        self._window_open.set()
        if self._close_sent:
            self._send(ssh_packet(CHANNEL_CLOSE, numbers(far)))
        if not self._opened.done():
            self._opened.set_result(None)

    def refuse(self, error: Exception) -> None:
        """The host has refused to open the channel."""
        self.gone.set()
        self._end()
        if not self._opened.done():
            self._opened.set_exception(error)
            self._opened.exception()  # nobody may be waiting any more

    def widen(self, more: int) -> None:
        """The far side takes `more` bytes."""
        self._window += more
        self._window_open.set()

    def receive(self, data: bytes, *, errors: bool) -> None:
        """Bytes have come. Raises ``ValueError`` for more than were allowed: the master passes on all that it gets."""
        self._granted -= len(data)
        if self._granted < 0:
            raise ValueError("more data arrived than was allowed")
        if self._close_sent:
            return
        (self._errors if errors else self._output).put(data)

    def receive_eof(self) -> None:
        """The far side has ended; ours stays open."""
        self._output.end()
        self._errors.end()

    def receive_request(self, fields: Reader) -> None:
        """How the process ended; nothing else is asked of a client."""
        kind, _ = fields.string(), fields.flag()
        if kind == b"exit-status":
            self._status = ExitStatus(status=fields.number())
        elif kind == b"exit-signal":
            self._status = ExitStatus(signal=fields.text())
        else:
            return
        self._over.set()

    def receive_close(self) -> None:
        """The host has let go of the channel."""
        if not self._close_sent:
            self._close_sent = True
            self._send(ssh_packet(CHANNEL_CLOSE, numbers(self._far)))
        self.gone.set()
        self._end()

    def fail(self, error: RemoraError | None) -> None:
        """The connection is gone, or the host refuses what the channel was opened for; `None`: because we leave."""
        if not self._close_sent:
            self._failure = self._failure or error
        self._close_sent = True
        self.gone.set()
        self._end()
        if not self._opened.done():
            self._opened.set_exception(error or channel_closed())
            self._opened.exception()

    def _end(self) -> None:
        self._output.end()
        self._errors.end()
        self._window_open.set()
        self._over.set()

    async def _read_from(self, inbox: Inbox, limit: int) -> bytes:
        await inbox.wait()
        data = inbox.take(limit)
        self._read_since += len(data)
        if self._read_since >= _GIVE_BACK and self.standing:
            self._send(ssh_packet(CHANNEL_WINDOW_ADJUST, numbers(self._far, self._read_since)))
            self._granted += self._read_since
            self._read_since = 0
        if not data and self._failure is not None:
            raise self._failure
        return data

    def _require_open(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._close_sent or self._eof_sent:
            raise channel_closed()
