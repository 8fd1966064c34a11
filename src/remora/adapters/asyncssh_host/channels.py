"""Byte streams inside one SSH connection."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

import asyncssh
from asyncssh.channel import SSHChannel

from remora.adapters.machine.inbox import Inbox
from remora.adapters.ssh.ssh_failures import channel_closed
from remora.core.errors import RemoraError
from remora.ports import ExitStatus

RECEIVE_WINDOW: Final = 4 * 1024 * 1024
"""What the far side may send ahead of the reader; with it a long round trip still fills a fast line."""

RECEIVE_PACKET: Final = 128 * 1024
"""The largest packet that the far side may send; each one costs asyncssh about the same, whatever its size."""

_INBOX_HIGH: Final = 1024 * 1024
_INBOX_LOW: Final = 256 * 1024
_LISTENED: Final = 32 * 1024
"""Bytes; a larger piece waits for the reader, who takes several as one: for many bytes that costs less."""
_WRITE_PIECE: Final = 256 * 1024
_WRITE_HIGH: Final = 512 * 1024


class ChannelStream(asyncssh.SSHClientSession[bytes], asyncssh.SSHUNIXSession[bytes], asyncssh.SSHTCPSession[bytes]):
    """One channel as a :class:`remora.ports.RemoteProcess`; a channel to a socket leaves half of that unused.

    `explain` turns the end of the channel into an error, or `None` when the end is an orderly one. Standard output and
    standard error share the channel's window, so a reader that leaves one of them unread holds up both.
    """

    def __init__(self, explain: Callable[[Exception | None], RemoraError | None]) -> None:
        self._explain = explain
        self._channel: SSHChannel[bytes] | None = None
        self._output = Inbox()
        self._errors = Inbox()
        self._listener: Callable[[bytes], bytes] | None = None
        self._held = False
        self._eof_sent = False
        self._writable = asyncio.Event()
        self._writable.set()
        self._over = asyncio.Event()
        self._closed = False
        self._status = ExitStatus()
        self._failure: RemoraError | None = None
        self.opened = asyncio.Event()
        """Set when the channel stands and can be written to."""
        self.gone = asyncio.Event()
        """Set when the host, too, has let go of the channel."""

    @property
    def ended(self) -> bool:
        """Whether the process has ended or the stream was closed."""
        return self._over.is_set()

    async def read(self, limit: int = 65536) -> bytes:
        """See :class:`remora.ports.ByteStream`."""
        return await self._read_from(self._output, limit)

    async def read_error(self, limit: int = 65536) -> bytes:
        """See :class:`remora.ports.RemoteProcess`."""
        return await self._read_from(self._errors, limit)

    async def write(self, data: bytes) -> None:
        """See :class:`remora.ports.ByteStream`."""
        for start in range(0, len(data), _WRITE_PIECE):
            self._send(data[start : start + _WRITE_PIECE])
            await self._writable.wait()
        self._raise_failure()

    @property
    def prompt(self) -> bool:
        """See :class:`remora.ports.PromptStream`."""
        return self._writable.is_set()

    def write_now(self, data: bytes) -> None:
        """See :class:`remora.ports.PromptStream`."""
        self._send(data)

    def listen(self, listener: Callable[[bytes], bytes]) -> None:
        """See :class:`remora.ports.PromptStream`."""
        self._listener = listener

    async def write_eof(self) -> None:
        """See :class:`remora.ports.ByteStream`."""
        self._raise_failure()
        if not self._eof_sent and not self._closed and self._channel is not None:
            self._eof_sent = True
            with contextlib.suppress(OSError):
                self._channel.write_eof()

    async def wait(self) -> ExitStatus:
        """See :class:`remora.ports.RemoteProcess`."""
        await self._over.wait()
        if self._status == ExitStatus():
            self._raise_failure()
        return self._status

    async def kill(self) -> None:
        """See :class:`remora.ports.RemoteProcess`. sshd refuses signals to a forced command; closing remains."""
        if not self._closed and isinstance(self._channel, asyncssh.SSHClientChannel):
            with contextlib.suppress(OSError):
                self._channel.kill()
        self.abandon()

    async def close(self) -> None:
        """See :class:`remora.ports.ByteStream`."""
        self.abandon()

    def abandon(self) -> None:
        """Close without waiting; for a channel that came too late."""
        if not self._closed and self._channel is not None:
            self._channel.abort()
        self._end(None)

    def finish(self) -> None:
        """Close once all that was written has left; :attr:`gone` tells when the host has it."""
        if not self._closed and self._channel is not None:
            self._channel.close()
        self._end(None)

    def drop(self) -> None:
        """Close at once, also when :meth:`finish` is still at it."""
        if self._channel is not None and not self.gone.is_set():
            self._channel.abort()
        self._end(None)

    def fail(self, error: RemoraError) -> None:
        """The host refused what the channel was opened for."""
        self._end(error)

    def connection_made(self, chan: SSHChannel[bytes]) -> None:
        """The channel stands."""
        self._channel = chan
        chan.set_write_buffer_limits(high=_WRITE_HIGH)
        self.opened.set()

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Keep what came; beyond the high mark the channel holds the rest back and so does the far side."""
        if datatype is None and self._listener is not None and len(data) < _LISTENED and not self._output.size:
            data = self._listener(data)
            if not data:
                return
        inbox = self._output if datatype is None else self._errors
        inbox.put(data)
        if not self._held:
            self._hold()

    def eof_received(self) -> bool:
        """The far side has ended; ours stays open."""
        self._output.end()
        self._errors.end()
        return True

    def exit_status_received(self, status: int) -> None:
        """The process ended by itself."""
        self._status = ExitStatus(status=status)
        self._over.set()

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        """A signal ended the process."""
        self._status = ExitStatus(signal=signal)
        self._over.set()

    def pause_writing(self) -> None:
        """The far end takes no more for now."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The far end takes more."""
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """The channel is gone, orderly or not."""
        self.gone.set()
        self._end(None if self._closed else self._explain(exc))

    def _end(self, failure: RemoraError | None) -> None:
        self._closed = True
        self._failure = self._failure or failure
        self._output.end()
        self._errors.end()
        self._writable.set()
        self._over.set()

    async def _read_from(self, inbox: Inbox, limit: int) -> bytes:
        await inbox.wait()
        data = inbox.take(limit)
        if self._held and max(self._output.size, self._errors.size) <= _INBOX_LOW:
            self._release()
        if not data:
            self._raise_failure()
        return data

    def _hold(self) -> None:
        self._held = max(self._output.size, self._errors.size) > _INBOX_HIGH
        if self._held and self._channel is not None:
            self._channel.pause_reading()

    def _release(self) -> None:
        """Take all that was held back before any of it is held back again.

        With the first piece asyncssh allows the far side a whole window more, whatever it still holds itself: in
        memory that would become more with each piece that is taken, for a far side that is quicker than the reader.
        """
        if self._channel is not None:
            listener, self._listener = self._listener, None  # what was held back comes after what is being read
            self._channel.resume_reading()
            self._listener = listener
        self._hold()

    def _send(self, data: bytes) -> None:
        self._raise_failure()
        try:
            if self._channel is None or self._closed:
                raise BrokenPipeError
            self._channel.write(data)
        except OSError:
            raise channel_closed() from None

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure
