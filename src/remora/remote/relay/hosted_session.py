"""A laptop's session on the host: its streams, and how long they are kept while the laptop is away.

Runs on the host: Python 3.8, standard library only.
"""

from __future__ import annotations

from remora.remote.relay.spool import Spool
from remora.remote.relay.targets import open_end
from remora.wire.relay.frame_session import ACK_DELAY, FrameSession
from remora.wire.relay.relay_frames import DATA, EOF, OPEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from remora.remote.relay.ends import End
    from remora.remote.relay.roles import Connection, Service
    from remora.remote.relay.terms import SessionTerms
    from remora.wire.relay.frame_session import Stream
    from remora.wire.relay.relay_frames import Frame

_LEAST_PAUSE = 1.0
"""Seconds between two looks at what a laptop that is away would lose."""


class HostedSession:
    """One session; `incarnation` tells it from an earlier one of the same name."""

    def __init__(self, relay: Service, name: str, token: str, incarnation: str, terms: SessionTerms) -> None:
        self.name = name
        self.token = token
        self.incarnation = incarnation
        self.loop = relay.loop
        self.session = FrameSession(terms.window, lambda: Spool(terms.memory, relay.disk))
        self.held: set[End] = set()
        """The ends that are not read because enough of theirs waits here."""
        self.over = False
        self._relay = relay
        self._terms = terms
        self._ends: dict[int, End] = {}
        self._attachment: Connection | None = None
        self._server = ""
        self._deadline = 0.0
        self._spare = False
        """Whether the last look found nothing to keep."""

    @property
    def lasting(self) -> bool:
        """Whether a laptop that is away would lose something with this session: what still goes on here, or bytes."""
        return self.session.awaits_bytes or any(end.lasting for end in self._ends.values())

    def attached(self, attachment: Connection) -> None:
        """A connection carries it now; an earlier one is let go."""
        earlier, self._attachment = self._attachment, attachment
        self._server = attachment.server
        self.loop.cancel((self, "lease"))
        if earlier is not None:
            earlier.dismiss("another connection of this session replaced this one")

    def detached(self, attachment: Connection) -> None:
        """That connection is gone: the lease begins."""
        if self._attachment is attachment and not self.over:
            self._attachment = None
            self._deadline = self.loop.now() + self._terms.lease
            self._spare = not self.lasting
            self._wait_on()

    def _wait_on(self) -> None:
        """Nobody is attached: there is another look later, as what goes on here may end meanwhile."""
        now, pause = self.loop.now(), self._terms.lease_idle
        due = now + pause if self._spare else min(now + max(pause, _LEAST_PAUSE), self._deadline)
        self.loop.call_at((self, "lease"), due, self, self._look)

    def _look(self) -> None:
        lasting = self.lasting
        if self.loop.now() >= self._deadline if lasting else self._spare:
            self.abort()
            return
        self._spare = not lasting
        self._wait_on()

    def carry_another(self, descriptors: tuple[int, int], control: socket.socket) -> Connection:
        """Another session comes in on `descriptors`, which are a stream of this one. Raises OSError."""
        return self._relay.adopt(descriptors, control, self._server)

    def receive(self, frame: Frame) -> None:
        """Do what a frame asks. Raises ProtocolBreak."""
        event = self.session.receive(frame)
        if event is None:
            return
        kind, stream, payload = event
        if kind == OPEN:
            self._open(stream)
            return
        end = self._ends.get(stream.number)
        if end is None:
            return
        if kind == DATA:
            end.deliver(payload)
        elif kind == EOF:
            end.deliver_end()
        else:
            end.release()

    def moved(self) -> None:
        """There may be something to send, or room for more: it is looked at once, for all that happens now."""
        self.loop.call_later(self, self._move)

    def forget(self, end: End) -> None:
        """That end, too, has done all that it had to after its stream."""
        end.close()
        self._ends.pop(end.number, None)

    def _move(self) -> None:
        if self._attachment is not None and not self.over:
            if self.session.owes_ack:
                self._owe()
            self._attachment.flush()
            for end in list(self.held):
                end.resume()
        self._sweep()

    def end(self, reason: str) -> None:
        """End it for good, telling whoever is attached."""
        if self.over:
            return
        self.over = True
        self.loop.cancel((self, "lease"))
        self.loop.cancel((self, "ack"))
        for opened in list(self._ends.values()):
            opened.release()
        self._ends.clear()
        self._relay.ended(self)
        if self._attachment is not None:
            self._attachment.dismiss(reason)

    def abort(self) -> None:
        """The lease has run out, or something went wrong that should not have."""
        self.end("the relay could not continue this session")

    def _open(self, stream: Stream) -> None:
        end = open_end(self, stream, server=self._server)
        if end is not None:
            self._ends[stream.number] = end
            try:
                end.start()
            except OSError as error:  # no descriptors or processes left
                end.refuse(error)

    def _owe(self) -> None:
        key = (self, "ack")
        if not self.loop.is_due(key):
            self.loop.call_at(key, self.loop.now() + ACK_DELAY, self, self._acknowledge)

    def _acknowledge(self) -> None:
        self.session.acknowledge()
        self.moved()

    def _sweep(self) -> None:
        """Let go of the ends whose streams are over; one that still has something to give stays until it has."""
        for stream in self.session.take_gone():
            end = self._ends.get(stream.number)
            if end is not None and end.finished:
                self.forget(end)
