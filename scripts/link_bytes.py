"""How fast bytes go through a socket: what `scripts/bench link` does on each way."""

import socket
import threading
import time
from dataclasses import dataclass
from typing import Final

from tests.support.network.byte_server import ECHO, SINK, SOURCE

_BLOCK: Final = 65536
_MESSAGE: Final = bytes(200)
_LIMIT: Final = 120.0


@dataclass(frozen=True, slots=True)
class Way:
    """One way to the byte server: a unix socket, or a port of loopback."""

    name: str
    place: str | int

    def connect(self, kind: bytes = b"") -> socket.socket:
        """A new connection, for `kind` of service."""
        stream = socket.socket(socket.AF_UNIX if isinstance(self.place, str) else socket.AF_INET)
        stream.settimeout(_LIMIT)
        try:
            stream.connect(self.place if isinstance(self.place, str) else ("127.0.0.1", self.place))
            if isinstance(self.place, int):
                stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream.sendall(kind)
        except OSError:
            stream.close()
            raise
        return stream

    def answers(self) -> bool:
        """Whether it is there."""
        try:
            with self.connect(ECHO) as stream:
                ask(stream, b"there?")
        except OSError:
            return False
        return True


def ask(stream: socket.socket, message: bytes) -> None:
    """Send, and wait until it has come back."""
    stream.sendall(message)
    take(stream, len(message))


def take(stream: socket.socket, size: int) -> None:
    """Read so many bytes. Raises :class:`ConnectionError` when they end before."""
    while size:
        data = stream.recv(min(size, _BLOCK))
        if not data:
            raise ConnectionError(f"{size} bytes are missing")
        size -= len(data)


def latencies(way: Way, count: int) -> list[float]:
    """Seconds for each of so many messages of 200 bytes and their echo."""
    taken = []
    with way.connect(ECHO) as stream:
        for _ in range(count):
            began = time.perf_counter()
            ask(stream, _MESSAGE)
            taken.append(time.perf_counter() - began)
    return taken


def echo(way: Way, size: int) -> float:
    """Bytes per second there and back, both at once."""
    with way.connect(ECHO) as stream:
        began = time.perf_counter()
        sending = threading.Thread(target=_pour, args=(stream, size))
        sending.start()
        take(stream, size)
        sending.join()
        return size / (time.perf_counter() - began)


def upload(way: Way, size: int) -> float:
    """Bytes per second to the host, until it says that it has all."""
    with way.connect(SINK) as stream:
        began = time.perf_counter()
        _pour(stream, size)
        stream.shutdown(socket.SHUT_WR)
        take(stream, 8)
        return size / (time.perf_counter() - began)


def download(way: Way, size: int) -> float:
    """Bytes per second from the host."""
    with way.connect(SOURCE) as stream:
        began = time.perf_counter()
        stream.sendall(size.to_bytes(8, "big"))
        take(stream, size)
        return size / (time.perf_counter() - began)


def _pour(stream: socket.socket, size: int) -> None:
    block = bytes(_BLOCK)
    while size:
        piece = block[: min(size, _BLOCK)]
        stream.sendall(piece)
        size -= len(piece)
