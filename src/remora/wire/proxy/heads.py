"""The heads of requests to an HTTP proxy, read strictly: what is not exactly understood is not passed on."""

import re
from dataclasses import dataclass
from typing import Final

from remora.core.link.egress import join_authority, split_authority

HEAD_LIMIT: Final = 64 * 1024
"""Bytes of one head."""
HEAD_END: Final = b"\r\n\r\n"

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET: Final = re.compile(r"[\x21-\x7e]+")
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_VERSIONS: Final = frozenset({"HTTP/1.0", "HTTP/1.1"})
_HTTP_PORT: Final = 80
_ONLY_HERE: Final = frozenset(
    {
        *("connection", "host", "http2-settings", "keep-alive", "proxy-authenticate", "proxy-authorization"),
        *("proxy-connection", "te", "upgrade"),
    }
)
"""Headers that end at a proxy, or that it writes itself."""
_REASONS: Final = {
    200: "Connection established",
    400: "Bad Request",
    403: "Forbidden",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


class BadHead(Exception):
    """A head that is not passed on; `status` and the text are the answer."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class ProxyRequest:
    """What a client asks of a proxy: a tunnel to `host` and `port`, or, with a `target`, one request to it."""

    host: str
    port: int
    method: str
    target: str | None
    version: str
    headers: tuple[tuple[str, str], ...]

    def header(self, name: str) -> str | None:
        """The value of the one header of this name; `None` when there is none or more than one."""
        values = self.values(name)
        return values[0] if len(values) == 1 else None

    def values(self, name: str) -> list[str]:
        """The values of all headers of this name."""
        return [value for each, value in self.headers if each.lower() == name]

    def nominates(self, name: str) -> bool:
        """Whether the client says that a header is for this connection alone."""
        return name in self._nominated

    @property
    def _nominated(self) -> set[str]:
        return {word.strip().lower() for word in ",".join(self.values("connection")).split(",")}

    def head_for_server(self) -> bytes:
        """The head as the server behind gets it: the host is that of the target, and one request is all there is."""
        left_out = _ONLY_HERE | self._nominated
        passed = [f"{name}: {value}" for name, value in self.headers if name.lower() not in left_out]
        host = self.host if self.port == _HTTP_PORT and ":" not in self.host else join_authority(self.host, self.port)
        lines = (f"{self.method} {self.target} {self.version}", f"Host: {host}", *passed, "Connection: close", "", "")
        return "\r\n".join(lines).encode("latin-1")


def read_head(head: bytes) -> ProxyRequest:
    """Read a head, without the empty line at its end. Raises :class:`BadHead`."""
    first, *rest = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    method, target, version = words if len(words) == 3 else ("", "", "")
    if version not in _VERSIONS or not _TOKEN.fullmatch(method) or not _TARGET.fullmatch(target):
        raise BadHead(400, "this is not an HTTP request")
    headers = tuple(_read_header(line) for line in rest)
    if method == "CONNECT":
        place, path = split_authority(target, default=None), None
    else:
        place, path = _split_url(target)
    if place is None:
        raise BadHead(400, "this is a proxy: ask for CONNECT HOST:PORT or for http://HOST/PATH")
    return ProxyRequest(*place, method, path, version, headers)


def connect_head(host: str, port: int, authorization: str | None) -> bytes:
    """What we ask another proxy for."""
    place = join_authority(host, port)
    lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
    if authorization is not None:
        lines.append(f"Proxy-Authorization: {authorization}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def read_status(head: bytes) -> int | None:
    """The status in the head of an answer; `None` when it is none."""
    found = re.match(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: |\r|$)", head)
    return int(found[1]) if found else None


def answer(status: int, line: str = "") -> bytes:
    """The whole answer of a proxy; without `line` only its head."""
    head = [f"HTTP/1.1 {status} {_REASONS[status]}"]
    body = f"remora: {line}\n".encode() if line else b""
    if body:
        head += ["Content-Type: text/plain; charset=utf-8", f"Content-Length: {len(body)}", "Connection: close"]
    if status == 407:
        head.append('Proxy-Authenticate: Basic realm="remora"')
    return ("\r\n".join(head) + "\r\n\r\n").encode() + body


def _read_header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
        raise BadHead(400, "a header of this request is malformed")
    return name, value.strip(" \t")


def _split_url(target: str) -> tuple[tuple[str, int] | None, str | None]:
    """Where an absolute target leads, and what is asked for there."""
    scheme, colon, rest = target.partition("://")
    if not colon or scheme.lower() != "http":
        return None, None
    end = next((index for index, letter in enumerate(rest) if letter in "/?#"), len(rest))
    path = rest[end:].partition("#")[0]
    return split_authority(rest[:end], default=_HTTP_PORT), path if path.startswith("/") else f"/{path}"
