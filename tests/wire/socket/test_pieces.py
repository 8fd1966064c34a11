"""Messages that pass through in pieces: WebSocket frames to lines and back, however the bytes arrive."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol

from remora.core.errors import Code, ProtocolProblem
from remora.wire.socket.line_pieces import LineCutter, as_line
from remora.wire.socket.socket_pieces import PieceSocket

texts = st.lists(st.text(st.characters(codec="utf-8"), min_size=1), max_size=6)


def cuts(data: bytes, places: list[int]) -> list[bytes]:
    """`data` in parts, cut at `places`."""
    at = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(at)]


def opened() -> tuple[PieceSocket, ServerProtocol]:
    socket, server = PieceSocket(), ServerProtocol(max_size=None)
    server.receive_data(socket.upgrade())
    (request,) = server.events_received()
    server.send_response(server.accept(request))  # type: ignore[arg-type]
    assert socket.receive(b"".join(server.data_to_send())) == []
    assert socket.is_open
    return socket, server


@given(messages=texts, places=st.lists(st.integers(0, 10_000), max_size=20), parts=st.integers(1, 4))
def test_what_the_server_says_becomes_one_line_a_message(messages: list[str], places: list[int], parts: int) -> None:
    socket, server = opened()
    for message in messages:
        data = json.dumps(message, indent=1).encode()
        size = max(1, -(-len(data) // parts))
        fragments = [data[start : start + size] for start in range(0, len(data), size)]
        for index, fragment in enumerate(fragments):
            send = server.send_text if index == 0 else server.send_continuation
            send(fragment, fin=index == len(fragments) - 1)
            server.send_ping(b"between")
    out = b""
    for part in cuts(b"".join(server.data_to_send()), places):
        out += b"".join(map(as_line, socket.receive(part)))
    assert [json.loads(line) for line in out.split(b"\n")[:-1]] == messages
    server.receive_data(socket.pending())
    assert all(frame.opcode is Opcode.PONG for frame in server.events_received())  # type: ignore[union-attr]


@given(messages=texts, places=st.lists(st.integers(0, 10_000), max_size=20), ended=st.booleans())
def test_each_line_becomes_one_message(messages: list[str], places: list[int], ended: bool) -> None:
    socket, server = opened()
    data = b"\r\n\n".join(json.dumps(message).encode() for message in messages) + b"\n" * ended
    cutter = LineCutter()
    for part in cuts(data, places):
        for piece in cutter.feed(part):
            server.receive_data(socket.send(piece))
    for piece in cutter.finish():
        server.receive_data(socket.send(piece))
    got, message = [], b""
    for frame in server.events_received():
        assert isinstance(frame, Frame)
        message += bytes(frame.data)
        if frame.fin:
            got.append(json.loads(message))
            message = b""
    assert got == messages
    assert message == b""


def test_a_message_is_passed_on_before_it_is_whole() -> None:
    socket, server = opened()
    server.send_text(b"x" * 1_000_000)
    data = b"".join(server.data_to_send())
    assert sum(len(piece.data) for piece in socket.receive(data[:500_000])) > 499_000
    assert socket.receive(data[500_000:])[-1].last


@pytest.mark.parametrize(
    "data", [b"\xc1\x01x", b"\x81\x81abcdx", b"\x80\x01x", b"\x83\x00", b"\x09\x00", b"\x89\x7e\x01\x00"]
)
def test_bytes_that_are_no_frames_are_a_violation(data: bytes) -> None:
    socket, _ = opened()
    with pytest.raises(ProtocolProblem) as caught:
        socket.receive(data)
    assert caught.value.code is Code.PROTOCOL_VIOLATION


@pytest.mark.parametrize("answer", [b"HTTP/1.1 404 Not Found\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"x" * 70_000])
def test_what_is_no_websocket_fails_the_handshake(answer: bytes) -> None:
    socket = PieceSocket()
    socket.upgrade()
    with pytest.raises(ProtocolProblem) as caught:
        socket.receive(answer)
    assert caught.value.code is Code.HANDSHAKE_FAILED


def test_the_farewell_is_said_once_and_answered() -> None:
    socket, server = opened()
    server.send_close(1000)
    socket.receive(b"".join(server.data_to_send()))
    assert socket.is_over
    server.receive_data(socket.pending())
    assert socket.close() == b""


def test_a_server_that_asks_and_does_not_listen_fills_no_memory() -> None:
    socket, server = opened()
    for number in range(5000):
        server.send_ping(b"%0100d" % number)
        assert socket.receive(b"".join(server.data_to_send())) == []
    assert 0 < len(socket.pending()) < 128 * 1024
    server.send_ping(b"and now")
    socket.receive(b"".join(server.data_to_send()))
    assert socket.has_pending
