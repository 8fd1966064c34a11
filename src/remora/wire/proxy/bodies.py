"""Where the body of a request to an HTTP proxy ends: what follows it is another request, and is not passed on."""

from typing import Final

from remora.wire.proxy.heads import BadHead, ProxyRequest

_LENGTH_DIGITS: Final = 18
_CHUNK_DIGITS: Final = frozenset(b"0123456789abcdefABCDEF")
_LINE_LIMIT: Final = 4096
_TRAILER_LIMIT: Final = 64 * 1024


class RequestBody:
    """Takes what a client sends after a head, and gives the part that belongs to the body, byte for byte."""

    def __init__(self, request: ProxyRequest) -> None:
        """Raises :class:`BadHead` for a body whose end a server might see elsewhere."""
        length = _length(request)
        self._chunked = length is None
        self._left = length or 0
        self._line: bytearray | None = bytearray() if self._chunked else None
        self._trailers = False
        self._trailer_size = 0
        self.is_over = length == 0

    def take(self, data: bytes) -> bytes:
        """What of `data` belongs to the body. Raises :class:`BadHead` for chunks that are none."""
        taken = 0
        while taken < len(data) and not self.is_over:
            if self._line is None:
                step = min(self._left, len(data) - taken)
                self._left -= step
                taken += step
                self._note_data()
            else:
                end = data.find(b"\n", taken)
                stop = len(data) if end < 0 else end + 1
                self._line += data[taken:stop]
                taken = stop
                if len(self._line) > _LINE_LIMIT:
                    raise BadHead(400, "a chunk of this request is malformed")
                if end >= 0:
                    self._read_line(bytes(self._line))
        return data[:taken]

    def _note_data(self) -> None:
        if self._left:
            return
        if self._chunked:
            self._line = bytearray()
        else:
            self.is_over = True

    def _read_line(self, line: bytes) -> None:
        """A size, or in the trailers a header or their end. The line behind a chunk's data is part of that data."""
        self._line = bytearray()
        if not line.endswith(b"\r\n") or b"\r" in line[:-2] or b"\0" in line:
            raise BadHead(400, "a chunk of this request is malformed")
        if self._trailers:
            self._trailer_size += len(line)
            self.is_over = line == b"\r\n"
            if self._trailer_size > _TRAILER_LIMIT:
                raise BadHead(431, "the trailers of this request are too large")
            return
        digits = line[:-2].partition(b";")[0].rstrip(b" \t")
        if not digits or len(digits) > 15 or not _CHUNK_DIGITS.issuperset(digits):
            raise BadHead(400, "a chunk of this request is malformed")
        size = int(digits, 16)
        if size:
            self._left, self._line = size + 2, None
        else:
            self._trailers = True


def _length(request: ProxyRequest) -> int | None:
    """How many bytes the body has; `None` for one in chunks."""
    lengths, codings = request.values("content-length"), request.values("transfer-encoding")
    if request.nominates("content-length") or request.nominates("transfer-encoding") or (lengths and codings):
        raise BadHead(400, "the length of this request is ambiguous")
    if codings:
        if [coding.lower() for coding in codings] != ["chunked"] or request.version != "HTTP/1.1":
            raise BadHead(400, "the length of this request is ambiguous")
        return None
    if not lengths:
        return 0
    text = lengths[0]
    if len(lengths) > 1 or not (text.isascii() and text.isdigit() and len(text) <= _LENGTH_DIGITS):
        raise BadHead(400, "the length of this request is ambiguous")
    return int(text)
