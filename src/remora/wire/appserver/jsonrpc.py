"""JSON-RPC as the app server speaks it: without a ``jsonrpc`` member, one message per frame or line.

Unknown members are ignored. Parameters and results stay undecoded bytes until somebody wants them, so a
message of a hundred megabytes is not turned into objects on its way through.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec

from remora.core.errors import Code, ProtocolProblem
from remora.core.text import SEEN_LIMIT
from remora.core.text import decode as text_of

METHOD_NOT_FOUND: Final = -32601
INTERNAL_ERROR: Final = -32603
OVERLOADED: Final = -32001

_LEADING_ID: Final = re.compile(rb'^\s*\{\s*"id"\s*:\s*(?:(\d{1,18})|"([^"\\]{0,64})")\s*[,}]')

RequestId = str | int


class Framing(StrEnum):
    """How messages are told apart in a byte stream."""

    WEBSOCKET = "websocket"
    LINES = "lines"


@dataclass(frozen=True, slots=True)
class Request:
    """The other side asks and waits for an answer. `params` is undecoded JSON."""

    id: RequestId
    method: str
    params: bytes


@dataclass(frozen=True, slots=True)
class Notification:
    """The other side tells. `params` is undecoded JSON."""

    method: str
    params: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """The answer to our request. `result` is undecoded JSON, sharing memory with the message."""

    id: RequestId
    result: msgspec.Raw


@dataclass(frozen=True, slots=True)
class Failure:
    """The other side refused our request; `id` is `None` when it could not read which."""

    id: RequestId | None
    code: int
    message: str
    data: Any = None


Incoming = Request | Notification | Response | Failure


class _ErrorBody(msgspec.Struct):
    code: int = INTERNAL_ERROR
    message: str = ""
    data: Any = None


class _Envelope(msgspec.Struct):
    id: RequestId | None = None
    method: str | None = None
    params: msgspec.Raw = msgspec.Raw(b"null")
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: _ErrorBody | None = None


_decoder: Final = msgspec.json.Decoder(_Envelope)
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that are no JSON, no UTF-8, out of range, or nested beyond all reason."""


def encode_request(request_id: RequestId, method: str, params: Any) -> bytes:
    """A request as one line without its newline."""
    return msgspec.json.encode({"id": request_id, "method": method, "params": params})


def encode_notification(method: str, params: Any = None) -> bytes:
    """A notification; without parameters the member is absent."""
    body: dict[str, Any] = {"method": method}
    if params is not None:
        body["params"] = params
    return msgspec.json.encode(body)


def encode_result(request_id: RequestId, result: Any) -> bytes:
    """The answer to the other side's request."""
    return msgspec.json.encode({"id": request_id, "result": result})


def encode_error(request_id: RequestId, code: int, message: str) -> bytes:
    """The refusal of the other side's request."""
    return msgspec.json.encode({"id": request_id, "error": {"code": code, "message": message}})


def decode(message: bytes) -> Incoming:
    """Read one message.

    Raises :class:`~remora.core.errors.ProtocolProblem` (``protocol-violation``) with the capped text.
    """
    try:
        envelope = _decoder.decode(message)
    except _UNREADABLE as error:
        raise violation(message, f"The app server sent an invalid JSON-RPC message ({error}).") from None
    if envelope.method is not None:
        params = bytes(envelope.params)
        if envelope.id is None:
            return Notification(envelope.method, params)
        return Request(envelope.id, envelope.method, params)
    if envelope.error is not None:
        return Failure(envelope.id, envelope.error.code, envelope.error.message, envelope.error.data)
    if envelope.id is not None and envelope.result is not msgspec.UNSET:
        return Response(envelope.id, envelope.result)
    raise violation(message, "The app server sent a message that is neither request, answer nor notification.")


def decode_value(raw: bytes | msgspec.Raw) -> Any:
    """Decode the parameters or the result of a message, which :func:`decode` leaves alone.

    Raises :class:`~remora.core.errors.ProtocolProblem` (``protocol-violation``) with the capped text.
    """
    try:
        return msgspec.json.decode(raw)
    except _UNREADABLE as error:
        raise violation(bytes(raw), f"The app server sent a value that cannot be read ({error}).") from None


def violation(message: bytes, sentence: str) -> ProtocolProblem:
    """The error for bytes that do not fit, carrying the beginning and the end of them."""
    seen = text_of(message[:SEEN_LIMIT])
    return ProtocolProblem(
        Code.PROTOCOL_VIOLATION,
        sentence,
        seen=seen,
        next_step="Update codex on the host, or report this with the text above.",
    )


def leading_id(beginning: bytes) -> RequestId | None:
    """The id of an answer whose beginning alone is known, or `None`."""
    found = _LEADING_ID.match(beginning)
    if found is None:
        return None
    return int(found[1]) if found[1] is not None else found[2].decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class TooLarge:
    """A message beyond the limit, dropped as it came; `beginning` is enough to tell whose it was."""

    beginning: bytes


class Lines:
    """Cuts a byte stream into lines of any length up to a limit.

    A longer line is swallowed to its end without being kept, and reported once as :class:`TooLarge`.
    """

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._line = bytearray()
        self._swallowing = False

    def feed(self, data: bytes) -> list[bytes | TooLarge]:
        """Take what arrived; give the lines that are complete now, empty ones left out."""
        found: list[bytes | TooLarge] = []
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            found += self._append(memoryview(data)[start:end])
            if not self._swallowing and self._line.strip():
                found.append(bytes(self._line))
            self._line = bytearray()
            self._swallowing = False
            start = end + 1
        return found + self._append(memoryview(data)[start:])

    def _append(self, part: memoryview) -> list[TooLarge]:
        if self._swallowing:
            return []
        self._line += part
        if len(self._line) <= self._limit:
            return []
        beginning = bytes(self._line[:SEEN_LIMIT])
        self._line = bytearray()
        self._swallowing = True
        return [TooLarge(beginning)]

    @property
    def rest(self) -> bytes:
        """What came after the last newline."""
        return bytes(self._line)
