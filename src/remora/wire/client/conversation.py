"""Who has asked what in one conversation with the app server.

The server takes an answer to any pending request from any connection, and its request ids are a small counter. So an
answer is passed on only for a request that this very conversation was asked.
"""

from typing import Final

from remora.wire.client.envelope import Envelope, guess_envelope, read_envelope
from remora.wire.socket.socket_pieces import Piece

TYPE_CHECKING = False
if TYPE_CHECKING:
    from remora.wire.appserver.jsonrpc import RequestId

_HEAD: Final = 64 * 1024


class Conversation:
    """What a client has asked, and what it was asked.

    What the server sends is read here in pieces. A message of it that is too long to be read, and begins neither with
    its id nor with method and id, is not counted.
    """

    def __init__(self) -> None:
        self._heard = bytearray()
        self._open: set[RequestId] = set()
        self._asked: set[RequestId] = set()

    @property
    def open_requests(self) -> int:
        """How many requests of the client the server has still to answer."""
        return len(self._open)

    def may_say(self, envelope: Envelope) -> bool:
        """The client would send this; false for an answer to what it was not asked. An answer counts once."""
        if envelope.is_request and envelope.id is not None:
            self._open.add(envelope.id)
        elif envelope.is_answer:
            if envelope.id not in self._asked:
                return False
            self._asked.discard(envelope.id)
        return True

    def heard(self, piece: Piece) -> None:
        """The server sent this."""
        self._heard += piece.data[: _HEAD + 1 - len(self._heard)]
        if not piece.last:
            return
        head, self._heard = self._heard, bytearray()
        envelope = read_envelope(head) if len(head) <= _HEAD else guess_envelope(bytes(head))
        if envelope.id is None:
            return
        if envelope.is_answer:
            self._open.discard(envelope.id)
        else:
            self._asked.add(envelope.id)
