"""The client side of a WebSocket, as bytes in and bytes out; the protocol itself is the websockets library's."""

import re
from collections.abc import Iterator
from typing import Final

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, PayloadTooBig
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from remora.core.errors import Code, ProtocolProblem
from remora.core.server.request_faults import message_too_large
from remora.core.text import SEEN_LIMIT
from remora.core.text import decode as text_of

FRAGMENT: Final = 1024 * 1024
"""Longer messages leave in fragments of this size, so that memory stays bounded and pings get through."""
MOST_FRAGMENTS: Final = 100_000
"""Fragments of one message; a server that sends more keeps everybody busy with nothing."""

_OTHER_STATUS: Final = re.compile(rb"HTTP/1\.1 ((?!101)\d{3} [^\r\n]{0,80})\r\n(?:[^\r\n]+\r\n)*\r\n")
"""The whole head of an answer that opens no WebSocket."""


class ClientSocket:
    """One WebSocket connection without its transport.

    Send :meth:`upgrade` first; feed everything that arrives to :meth:`receive`; after each call send what
    :meth:`pending` holds (answers to pings, the closing handshake). No extensions, no compression.
    """

    def __init__(self, *, limit: int) -> None:
        self._protocol = ClientProtocol(parse_uri("ws://localhost/"), max_size=limit)
        self._limit = limit
        self._message: bytearray | None = None
        self._fragments = 0
        self._first_bytes = b""
        self.work = 0
        """Frames of every kind in what was received last."""

    def upgrade(self) -> bytes:
        """The HTTP request that opens the connection."""
        self._protocol.send_request(self._protocol.connect())
        return self.pending()

    @property
    def is_open(self) -> bool:
        """The upgrade was accepted and nobody has closed."""
        return self._protocol.state is State.OPEN

    def pending(self) -> bytes:
        """What has to be sent now; taken once."""
        return b"".join(self._protocol.data_to_send())

    def receive(self, data: bytes) -> list[bytes]:
        """Take what arrived; give the messages that are complete now.

        Raises :class:`~remora.core.errors.ProtocolProblem`: ``handshake-failed`` when the other side is no
        WebSocket server, ``message-too-large``, ``protocol-violation``.
        """
        if self._protocol.state is State.CONNECTING:
            self._first_bytes = (self._first_bytes + data)[:SEEN_LIMIT]
            if (status := _OTHER_STATUS.match(self._first_bytes)) is not None:  # its body may never end
                raise self._no_socket(f"refused the WebSocket upgrade ({text_of(status[1])})")
        self._protocol.receive_data(data)
        events = self._protocol.events_received()
        self.work = len(events)
        messages = [message for event in events for message in self._take(event)]
        self._raise_failure()
        return messages

    def frames(self, message: bytes) -> Iterator[bytes]:
        """`message` as one text message, in fragments; anything pending goes out with them."""
        for start in range(0, max(len(message), 1), FRAGMENT):
            part = message if len(message) <= FRAGMENT else message[start : start + FRAGMENT]
            last = start + FRAGMENT >= len(message)
            if start == 0:
                self._protocol.send_text(part, fin=last)
            else:
                self._protocol.send_continuation(part, fin=last)
            yield self.pending()

    def close(self) -> bytes:
        """The bytes that begin the closing handshake, if there is anything to close."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(1000)
        return self.pending()

    def _take(self, event: object) -> Iterator[bytes]:
        if isinstance(event, Response) or not isinstance(event, Frame):
            return
        if event.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return
        if self._message is None and event.fin:
            yield bytes(event.data)
            return
        # One growing buffer: a list would cost a hundred times what a fragment of one byte brings.
        self._message = self._message if self._message is not None else bytearray()
        self._message += event.data
        self._fragments += 1
        if self._fragments > MOST_FRAGMENTS:
            raise ProtocolProblem(
                Code.PROTOCOL_VIOLATION,
                f"The app server sends one message in more than {MOST_FRAGMENTS:,} fragments.",
                next_step="Read the server's log on the host; its owner can restart it.",
            )
        if event.fin:
            whole, self._message, self._fragments = bytes(self._message), None, 0
            yield whole

    def _raise_failure(self) -> None:
        refused = self._protocol.handshake_exc
        if refused is not None:
            kind = "refused the WebSocket upgrade" if isinstance(refused, InvalidHandshake) else "is not a WebSocket"
            raise self._no_socket(f"{kind} ({refused})")
        broken = self._protocol.parser_exc
        if isinstance(broken, PayloadTooBig):
            raise message_too_large(self._limit, b"")
        if broken is not None and not isinstance(broken, EOFError):
            raise ProtocolProblem(
                Code.PROTOCOL_VIOLATION,
                f"The app server broke the WebSocket protocol ({broken}).",
                next_step="Update codex on the host, or report this.",
            )

    def _no_socket(self, what: str) -> ProtocolProblem:
        return ProtocolProblem(
            Code.HANDSHAKE_FAILED,
            f"What answered on the host {what}.",
            seen=text_of(self._first_bytes),
            next_step="Check which program listens there; see each candidate with: remora check ALIAS",
        )
