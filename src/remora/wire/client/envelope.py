"""What a JSON-RPC message is, read from its beginning: a request, an answer, or a notification."""

import re
from typing import Final

import msgspec

from remora.wire.appserver.jsonrpc import RequestId, leading_id

_HEAD: Final = 200
_METHOD: Final = re.compile(rb'"method"\s*:\s*"([A-Za-z0-9_/]{1,100})"')
_METHOD_FIRST: Final = re.compile(
    rb'^\s*\{\s*"method"\s*:\s*"[^"\\]{1,100}"\s*,\s*"id"\s*:\s*(?:(\d{1,18})|"([^"\\]{0,64})")\s*[,}]'
)


class Envelope(msgspec.Struct, frozen=True):
    """The two members that say what a message is."""

    id: RequestId | None = None
    method: str | None = None

    @property
    def is_request(self) -> bool:
        """An answer is awaited."""
        return self.id is not None and self.method is not None

    @property
    def is_answer(self) -> bool:
        """The other side has asked, or is said to have."""
        return self.method is None


UNREADABLE: Final = Envelope(None, "")
"""What is no message: whoever gets it says so."""

_decoder: Final = msgspec.json.Decoder(Envelope)


def read_envelope(message: bytes | bytearray) -> Envelope:
    """The envelope of a whole message."""
    try:
        return _decoder.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return UNREADABLE


def guess_envelope(beginning: bytes) -> Envelope:
    """The envelope of a message of which only the beginning is known; an id that stands further behind is not found."""
    head = beginning[:_HEAD]
    found = _METHOD.search(beginning)
    method = found[1].decode() if found is not None else None
    request_id = leading_id(head)
    if request_id is None and (named := _METHOD_FIRST.match(head)) is not None:
        request_id = int(named[1]) if named[1] is not None else named[2].decode("utf-8", "replace")
    return Envelope(request_id, method)
