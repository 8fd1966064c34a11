"""A server of plain bytes: a connection's first byte says what it does with the rest.

``python -m tests.support.network.byte_server PATH`` serves a unix socket and a port of loopback,
whose number it prints.
"""

import contextlib
import socket
import sys
import threading
from typing import Final

ECHO: Final = b"E"
"""Everything comes back."""
SINK: Final = b"S"
"""Everything is taken; at the end of it, its size comes back as eight bytes."""
SOURCE: Final = b"R"
"""Eight bytes say how many to send."""

_BLOCK: Final = 65536
_ZEROS: Final = bytes(_BLOCK)


def converse(connection: socket.socket) -> None:
    """Serve one client to its end."""
    with connection, contextlib.suppress(OSError):
        kind = connection.recv(1)
        if kind == ECHO:
            while data := connection.recv(_BLOCK):
                connection.sendall(data)
        elif kind == SINK:
            size = 0
            while data := connection.recv(_BLOCK):
                size += len(data)
            connection.sendall(size.to_bytes(8, "big"))
        elif kind == SOURCE:
            left = int.from_bytes(connection.recv(8, socket.MSG_WAITALL), "big")
            while left:
                piece = _ZEROS[: min(left, _BLOCK)]
                connection.sendall(piece)
                left -= len(piece)


def serve(server: socket.socket) -> None:
    """Take clients for ever."""
    server.listen()
    while True:
        connection, _ = server.accept()
        threading.Thread(target=converse, args=(connection,), daemon=True).start()


def main(path: str) -> None:
    """Serve until killed."""
    on_path, on_port = socket.socket(socket.AF_UNIX), socket.socket()
    on_path.bind(path)
    on_port.bind(("127.0.0.1", 0))
    threading.Thread(target=serve, args=(on_path,), daemon=True).start()
    on_port.listen()
    print(on_port.getsockname()[1], flush=True)
    serve(on_port)


if __name__ == "__main__":
    main(sys.argv[1])
