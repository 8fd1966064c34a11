"""This machine: its time, its networks and sockets, and what it keeps."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from remora.core.secrets import Secret
from remora.ports.carriage import Line
from remora.ports.streams import ByteStream, Visitor


class Clock(Protocol):
    """Time as an argument, so that tests own it."""

    def monotonic(self) -> float:
        """Seconds that only grow; they may stand still while the machine sleeps."""
        ...

    def wall(self) -> float:
        """Seconds since 1970, as the machine believes; they jump when it wakes or is set."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class LocalNetwork(Protocol):
    """How this machine is connected."""

    def signature(self) -> str:
        """A text that differs when the machine has moved: another address, a network that came back, a VPN."""
        ...


class LocalSockets(Protocol):
    """Sockets on this machine, for programs of the same user."""

    def serve(self, path: str, visitor: Visitor) -> AbstractAsyncContextManager[None]:
        """Listen on a unix socket, mode 0600; peers of other users are turned away unheard.

        A socket at `path` that nobody listens on is replaced, a living one is not. On leaving it is removed and
        the visits are cancelled. Raises ``runtime-folder-unusable`` when it cannot be bound.
        """
        ...

    def serve_port(self, port: int, visitor: Visitor, line: Line | None = None) -> AbstractAsyncContextManager[int]:
        """Listen on `port` of loopback, 0 for any, and give the port. Raises ``port-taken``.

        A client that `line` can carry at once need not become a visit.
        """
        ...

    async def connect(self, path: str) -> ByteStream:
        """Connect to a unix socket of the same user. Raises :class:`~remora.core.errors.Unreachable`."""
        ...


class Admit(Protocol):
    """Whether an address may be connected to; `is_own`: it is one of this machine's."""

    def __call__(self, address: str, *, is_own: bool) -> bool: ...


class Onward(Protocol):
    """Connections from this machine to elsewhere, for somebody who may not reach everything from here."""

    async def connect(self, host: str, port: int, *, admit: "Admit") -> ByteStream:
        """Connect to the first address of `host` that answers, of those that `admit` lets pass.

        Raises :class:`~remora.core.errors.Unreachable`; ``egress-refused`` when `admit` lets none pass.
        """
        ...


class SecretReader(Protocol):
    """Reads secrets on this machine, at the last moment."""

    async def read(self, *, environment: str | None, file: str | None, command: Sequence[str] | None) -> Secret:
        """The one of the three that is not `None`, without the newline at its end. Raises ``secret-missing``."""
        ...


class RunLog(Protocol):
    """The log of one run at one host, on this machine, for its user alone."""

    @property
    def path(self) -> str: ...

    def write(self, line: str) -> None:
        """Add one line."""
        ...

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        ...


class RunLogs(Protocol):
    """Where the logs of runs are kept; the oldest of a host go."""

    def open(self, alias: str) -> RunLog:
        """A new log. Raises :class:`OSError` when there is no place for it."""
        ...


class EventSpool(Protocol):
    """Unread events, in order, in bounded memory: the rest waits on disk."""

    def put(self, record: bytes) -> None:
        """Add one record; never waits for the reader."""
        ...

    async def get(self) -> bytes | None:
        """The oldest record; waits for one; `None` after :meth:`finish` once all were read."""
        ...

    def finish(self) -> None:
        """No more records will come."""
        ...

    def close(self) -> None:
        """Let go of memory and disk. Idempotent."""
        ...
