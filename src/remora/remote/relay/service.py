"""The relay: keeps byte streams alive on this host while the laptop that they belong to comes and goes.

One process for each account, app server and version of this program; it ends by itself when it holds no session.
Runs on the host: Python 3.8, standard library only, started by :mod:`remora.remote.relay.entry`.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import struct

from remora.remote.relay.attachment import LaptopConnection
from remora.remote.relay.ends import peer_user
from remora.remote.relay.hosted_session import HostedSession
from remora.remote.relay.loop import Loop
from remora.remote.relay.spool import Disk
from remora.remote.relay.terms import SessionTerms, is_same, read_number, read_word
from remora.wire.relay.relay_frames import PROTOCOL, WELCOME, ProtocolBreak, encode_table, read_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from remora.wire.relay.relay_frames import Frame

_FIRST_LIMIT = 30.0
"""Seconds that a new relay waits for its first laptop."""
_HANDOVER_LIMIT = 10.0
_PARTING = 1.0
"""Seconds that the news of our death get."""


class Relay:
    """All sessions of this process, and the socket where connections are handed over."""

    def __init__(self, loop: Loop, listener: socket.socket, folder: str) -> None:
        self.loop = loop
        places = [os.environ.get("TMPDIR", ""), "/var/tmp", "/tmp", folder]  # noqa: S108
        self.disk = Disk([place for place in places if place.startswith("/")])
        self._listener = listener
        self._sessions: dict[str, HostedSession] = {}
        self._attachments: set[LaptopConnection] = set()
        self._handovers: set[PendingHandover] = set()
        self._waits_for_first = True
        self._parting = False

    def run(self) -> None:
        """Serve until no session is left."""
        self._listener.setblocking(False)
        self._listen()
        self.loop.call_at("first", self.loop.now() + _FIRST_LIMIT, self, self._stop_waiting)
        while self._waits_for_first or self._sessions or self._attachments or self._handovers:
            self.loop.run_once()
            if self._parting and all(attachment.idle for attachment in self._attachments):
                return

    def part(self) -> None:
        """Somebody ends us: tell every laptop, then go."""
        if self._parting:
            return
        self._parting = True
        self.loop.watch(self._listener, 0, self, self._accept)
        for attachment in list(self._attachments):
            attachment.warn()
        self.loop.call_at("part", self.loop.now() + _PARTING, self, self._drop_all)

    def hello(self, attachment: LaptopConnection, frame: Frame) -> None:
        """A laptop says which session it means. Raises ProtocolBreak."""
        table = read_table(frame)
        if table.get("protocol") != PROTOCOL:
            attachment.refuse(f"this relay speaks protocol {PROTOCOL}")
            return
        name, token, incarnation = (read_word(table, key) for key in ("session", "token", "incarnation"))
        terms = SessionTerms(table)
        hosted = self._sessions.get(name)
        if hosted is not None and not is_same(hosted.token, token):
            attachment.refuse("this session belongs to another client")
            return
        if hosted is not None and hosted.incarnation != incarnation:
            hosted.end("the session was restarted")
            hosted = None
        resumed = hosted is not None
        if hosted is None:
            hosted = self._sessions[name] = HostedSession(self, name, token, os.urandom(8).hex(), terms)
        self.disk.limit = terms.disk
        try:
            hosted.session.attach(int(read_number(table, "received")) if resumed else 0)
        except ProtocolBreak:
            hosted.end("the two sides have different data")
            raise
        hosted.attached(attachment)
        welcome = {
            "protocol": PROTOCOL,
            "incarnation": hosted.incarnation,
            "resumed": resumed,
            "received": hosted.session.received,
        }
        attachment.carry(hosted, encode_table(WELCOME, welcome))

    def ended(self, hosted: HostedSession) -> None:
        """That session is over."""
        if self._sessions.get(hosted.name) is hosted:
            del self._sessions[hosted.name]

    def dropped(self, attachment: LaptopConnection) -> None:
        """That connection is gone."""
        self._attachments.discard(attachment)

    def take_over(self, handover: PendingHandover, descriptors: tuple[int, int], server: str) -> None:
        """A connection was handed to us."""
        self._stop_waiting()
        attachment = LaptopConnection(self, descriptors, handover.control, server)
        try:
            self._begin(attachment)
            handover.control.send(b"+")
        except OSError:
            attachment.drop()

    def adopt(self, descriptors: tuple[int, int], control: socket.socket, server: str) -> LaptopConnection:
        """A session of ours brings a connection of another one. Raises OSError."""
        attachment = LaptopConnection(self, descriptors, control, server)
        try:
            self._begin(attachment)
        except OSError:
            attachment.drop()
            raise
        return attachment

    def _begin(self, attachment: LaptopConnection) -> None:
        self._attachments.add(attachment)
        attachment.start()

    def forget(self, handover: PendingHandover) -> None:
        """That handover came to its end."""
        self._handovers.discard(handover)

    def abort(self) -> None:
        """See :class:`remora.remote.relay.loop.Party`; the relay itself goes on."""

    def _listen(self) -> None:
        self.loop.watch(self._listener, selectors.EVENT_READ, self, self._accept)

    def _accept(self, events: int) -> None:
        try:
            control, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionError):
            return
        except OSError:  # no descriptors left: others have to end first
            self.loop.watch(self._listener, 0, self, self._accept)
            self.loop.call_at("listen", self.loop.now() + 1.0, self, self._listen)
            return
        control.setblocking(False)
        if peer_user(control) in {None, os.geteuid()}:
            handover = PendingHandover(self, control)
            self._handovers.add(handover)
            handover.start()
        else:
            control.close()

    def _stop_waiting(self) -> None:
        self._waits_for_first = False
        self.loop.cancel("first")

    def _drop_all(self) -> None:
        for attachment in list(self._attachments):
            attachment.drop()


class PendingHandover:
    """Somebody of ours who connected, until two descriptors and the name of the control socket have come."""

    def __init__(self, relay: Relay, control: socket.socket) -> None:
        self.control = control
        self._relay = relay

    def start(self) -> None:
        """Wait for them, not for ever."""
        loop = self._relay.loop
        loop.watch(self.control, selectors.EVENT_READ, self, self._readable)
        loop.call_at(self, loop.now() + _HANDOVER_LIMIT, self, self.abort)

    def abort(self) -> None:
        """Let go."""
        self._end()
        self.control.close()

    def _readable(self, events: int) -> None:
        space = socket.CMSG_SPACE(16 * 4)
        try:
            data, rights, _, _ = self.control.recvmsg(8192, space)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.abort()
            return
        descriptors = _descriptors(rights)
        if len(descriptors) == 2 and data.endswith(b"\0") and len(data) > 1:
            self._end()
            self._relay.take_over(self, (descriptors[0], descriptors[1]), os.fsdecode(data[:-1]))
            return
        for descriptor in descriptors:
            os.close(descriptor)
        self.abort()

    def _end(self) -> None:
        self._relay.loop.watch(self.control, 0, self, self._readable)
        self._relay.loop.cancel(self)
        self._relay.forget(self)


def run(listener: socket.socket, folder: str, name: str) -> None:
    """Be the relay `name` of `folder`, then remove its files. Descriptors are ours alone; the lock is one of them."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    relay = Relay(Loop(), listener, folder)
    hearing, telling = socket.socketpair()
    telling.setblocking(False)
    signal.set_wakeup_fd(telling.fileno())
    signal.signal(signal.SIGTERM, lambda *_: None)

    def heard(events: int) -> None:
        hearing.recv(64)
        relay.part()

    relay.loop.watch(hearing, selectors.EVENT_READ, relay, heard)
    relay.run()
    for ending in (".sock", ".log", ".lock"):
        try:
            os.unlink(os.path.join(folder, name + ending))
        except OSError:
            pass


def _descriptors(rights: list[tuple[int, int, bytes]]) -> list[int]:
    found: list[int] = []
    for level, kind, data in rights:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            found += struct.unpack(f"{len(data) // 4}i", data[: len(data) // 4 * 4])
    return found
