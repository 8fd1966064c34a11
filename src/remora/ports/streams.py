"""Bytes on their way, and the programs they come from."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


class ByteStream(Protocol):
    """A two-way stream of bytes with half-close and back-pressure.

    A broken connection raises :class:`remora.core.errors.Unreachable` from whatever waits on it: ``host-left`` when
    the far side ended it with a goodbye, else ``connection-lost``. The end of the other side's data is no error.
    """

    async def read(self, limit: int = 65536) -> bytes:
        """Wait for bytes and give at most `limit` of them; ``b""`` once the other side has ended."""
        ...

    async def write(self, data: bytes) -> None:
        """Send all of `data`; returns when the far end's window and our buffer allow more."""
        ...

    async def write_eof(self) -> None:
        """End our side; reading goes on. Twice is harmless."""
        ...

    async def close(self) -> None:
        """Let go of the stream at once. Idempotent; pending reads end with ``b""`` or the error."""
        ...


@runtime_checkable
class PromptStream(ByteStream, Protocol):
    """A stream that can also be written to, and listened to, without waiting."""

    @property
    def prompt(self) -> bool:
        """Whether nothing has to be waited for now."""
        ...

    def write_now(self, data: bytes) -> None:
        """Send all of `data`; only while :attr:`prompt`."""
        ...

    def listen(self, listener: Callable[[bytes], bytes]) -> None:
        """Give `listener` what comes in the moment it comes, where that is cheaper than to be read; the rest is read.

        What it gives back waits to be read. Nothing is given while anything does, so the order is one. It may not
        raise.
        """
        ...


@dataclass(frozen=True, slots=True)
class ExitStatus:
    """How a remote process ended: a status or a signal's name; both `None` when the host did not say."""

    status: int | None = None
    signal: str | None = None


class RemoteProcess(ByteStream, Protocol):
    """A command running on the host: the stream is its standard input and output."""

    async def read_error(self, limit: int = 65536) -> bytes:
        """Standard error, like :meth:`ByteStream.read`."""
        ...

    async def wait(self) -> ExitStatus:
        """Wait for the end of the process. Output not yet read stays readable."""
        ...

    async def kill(self) -> None:
        """Ask the host to kill the process and its process group, and close. Harmless when it has ended."""
        ...


Visitor = Callable[[ByteStream], Awaitable[None]]
"""Serves one client that connected here. The stream is closed when it returns; what it raises is the client's end."""
