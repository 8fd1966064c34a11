"""One client of a hostile app server: raw bytes, or a true server up to the point where it turns."""

import base64
import hashlib
import json
import socket
import time
from typing import Any, Final, Self

GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
THREAD, TURN = "01a1fb4f-b259-7882-bdc0-254f2ef00d93", "turn-1"
INITIALIZED = {"userAgent": "remora/9.9.9 (hostile)", "codexHome": "/h", "platformOs": "linux"}
OPENED = {
    "thread": {"id": THREAD, "status": {"type": "idle"}, "historyMode": "paginated", "turns": []},
    "cwd": "/srv",
    "model": "m",
    "approvalPolicy": "on-request",
    "sandbox": {"type": "readOnly"},
}
STARTED = {"turn": {"id": TURN, "items": [], "status": "inProgress"}}
TRUE: dict[str, Any] = {
    "initialize": INITIALIZED,
    "thread/start": OPENED,
    "thread/resume": OPENED,
    "turn/start": STARTED,
    "thread/loaded/list": {"data": []},
    "thread/list": {"data": []},
}
"""What a true server answers."""

TEXT, BINARY, CONTINUE, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10
_BLOCK: Final = 64 * 1024


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """One frame of a server: without a mask."""
    first = bytes([opcode | (0x80 if fin else 0)])
    if len(payload) < 126:
        return first + bytes([len(payload)]) + payload
    if len(payload) < 65536:
        return first + b"\x7e" + len(payload).to_bytes(2, "big") + payload
    return first + b"\x7f" + len(payload).to_bytes(8, "big") + payload


def text(message: Any) -> bytes:
    """A message as a frame: bytes as they are, anything else as JSON."""
    return frame(TEXT, message if isinstance(message, bytes) else json.dumps(message).encode())


def told(method: str, **params: Any) -> bytes:
    """A notification about our turn."""
    return text({"method": method, "params": {"threadId": THREAD, "turnId": TURN, **params}})


def asked(request_id: Any, **params: Any) -> bytes:
    """A request for approval of a command."""
    where = {"threadId": THREAD, "turnId": TURN, "itemId": f"item-{request_id}", "command": "ls", **params}
    return text({"id": request_id, "method": "item/commandExecution/requestApproval", "params": where})


class Wire:
    """The connection; use from one thread. What the client does to it raises :class:`OSError`, which ends a mode."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._buffer = bytearray()

    def send(self, data: bytes) -> Self:
        """These very bytes."""
        self.connection.sendall(data)
        return self

    def drip(self, data: bytes, pause: float = 0.05) -> Self:
        """One byte after another."""
        for byte in data:
            self.send(bytes([byte]))
            time.sleep(pause)
        return self

    def flood(self, *parts: bytes) -> None:
        """The same without end; big enough that sending costs nothing."""
        whole = b"".join(parts)
        block = whole * max(1, _BLOCK // len(whole))
        while True:
            self.connection.sendall(block)

    def counted(self, make: Any) -> None:
        """What `make` gives for 0, 1, 2 and so on, without end."""
        number = 0
        while True:
            self.connection.sendall(b"".join(make(number + step) for step in range(200)))
            number += 200

    def wait(self) -> None:
        """Say nothing and take everything until the client goes."""
        while self.connection.recv(_BLOCK):
            pass

    def stay(self) -> None:
        """Say nothing and take nothing until the client goes."""
        while True:
            time.sleep(0.05)
            self.connection.getpeername()
            if self.connection.recv(1, socket.MSG_PEEK) == b"":
                return

    def request(self) -> bytes:
        """The client's upgrade."""
        while b"\r\n\r\n" not in self._buffer:
            self._more()
        end = self._buffer.index(b"\r\n\r\n") + 4
        head = bytes(self._buffer[:end])
        del self._buffer[:end]
        return head

    def answer_upgrade(self, head: bytes, status: str = "101 Switching Protocols", **headers: str | None) -> bytes:
        """The answer to an upgrade; `headers` replace or, with `None`, drop those of a true one."""
        key = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:"))
        accept = base64.b64encode(hashlib.sha1(key.split(b":")[1].strip() + GUID).digest()).decode()  # noqa: S324
        lines = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accept, **headers}
        fields = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None)
        return f"HTTP/1.1 {status}\r\n{fields}\r\n".encode()

    def upgrade(self) -> Self:
        """Become a WebSocket, truly."""
        return self.send(self.answer_upgrade(self.request()))

    def hear(self) -> Any:
        """The client's next message."""
        whole = b""
        while True:
            first, second = self._take(2)
            length = second & 0x7F
            if length > 125:
                length = int.from_bytes(self._take(2 if length == 126 else 8), "big")
            mask = self._take(4)
            body = bytes(byte ^ mask[index % 4] for index, byte in enumerate(self._take(length)))
            if first & 0x0F in (TEXT, CONTINUE):
                whole += body
                if first & 0x80:
                    return json.loads(whole)
            elif first & 0x0F == CLOSE:
                raise ConnectionResetError("the client said that it goes")

    def reach(self, method: str) -> Any:
        """Be a true server until the client asks for `method`; that request is not answered."""
        if not self._spoken:
            self.upgrade()
            self._spoken = True
        while True:
            message = self.hear()
            if "method" not in message or "id" not in message:
                continue
            if message["method"] == method:
                return message
            self.result(message, TRUE.get(message["method"], {}))

    _spoken = False

    def result(self, request: Any, result: Any) -> Self:
        """Answer."""
        return self.send(text({"id": request["id"], "result": result}))

    def turn(self) -> Self:
        """Be a true server until the turn has begun."""
        return self.result(self.reach("turn/start"), STARTED)

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._more()
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    def _more(self) -> None:
        data = self.connection.recv(_BLOCK)
        if not data:
            raise ConnectionResetError("the client went")
        self._buffer += data
