"""What the parts of the relay ask of each other. For the type checker alone: this is not sent to the host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import socket

    from remora.remote.relay.loop import Loop
    from remora.remote.relay.spool import Disk
    from remora.wire.relay.frame_session import FrameSession
    from remora.wire.relay.relay_frames import Frame


class Connection(Protocol):
    """One laptop's connection, as the service and a session see it."""

    server: str

    @property
    def lasting(self) -> bool: ...

    def carry(self, hosted: Hosted, welcome: bytes) -> None: ...

    def refuse(self, reason: str) -> None: ...

    def dismiss(self, reason: str) -> None: ...

    def flush(self) -> None: ...


class Hosted(Protocol):
    """A laptop's session, as the connection that carries it and the ends of its streams see it."""

    loop: Loop
    session: FrameSession
    held: set[Any]

    @property
    def lasting(self) -> bool: ...

    def detached(self, attachment: Connection) -> None: ...

    def receive(self, frame: Frame) -> None: ...

    def moved(self) -> None: ...

    def forget(self, end: Any) -> None: ...

    def end(self, reason: str) -> None: ...

    def abort(self) -> None: ...

    def carry_another(self, descriptors: tuple[int, int], control: socket.socket) -> Connection: ...


class Service(Protocol):
    """The relay as a whole, as its connections and sessions see it."""

    loop: Loop
    disk: Disk

    def hello(self, attachment: Any, frame: Frame) -> None: ...

    def dropped(self, attachment: Any) -> None: ...

    def adopt(self, descriptors: tuple[int, int], control: socket.socket, server: str) -> Connection: ...

    def ended(self, hosted: Any) -> None: ...
