"""Many short connections at once: each is two objects that call each other, and neither ever waits."""

from typing import Protocol


class Near(Protocol):
    """A client of this machine whose bytes a :class:`Line` carries. Nothing that is called here waits."""

    def take(self, data: bytes) -> None:
        """Bytes for the client; each that it was given is told by :meth:`Far.taken`."""
        ...

    def take_end(self) -> None:
        """No more bytes will come for the client."""
        ...

    def cut(self) -> None:
        """The other end is gone: the client gets what came before, and is then let go."""
        ...

    def resume(self) -> None:
        """The other end is :attr:`Far.full` no more."""
        ...


class Far(Protocol):
    """The host's end of a connection that a :class:`Line` carries. Nothing that is called here waits."""

    @property
    def full(self) -> bool:
        """Whether it holds enough for now; it calls :meth:`Near.resume` when that has changed."""
        ...

    def take(self, data: bytes) -> None:
        """Bytes from the client."""
        ...

    def take_end(self) -> None:
        """No more bytes will come from the client."""
        ...

    def taken(self, count: int) -> None:
        """The client was given so many bytes: as many more may come."""
        ...

    def close(self) -> None:
        """The client has gone. Called once, whatever happened before; nothing is called on it after."""
        ...


class Line(Protocol):
    """Carries many clients to one place at once, each without a task of its own."""

    def open(self, near: Near) -> Far | None:
        """A connection for `near`; `None` when there can be none now without waiting."""
        ...

    def flush(self) -> None:
        """Whatever was told until now may leave; called once for all that happened at the same moment."""
        ...
