"""What a WebSocket client says, taken apart and put together again, against the websockets library on both sides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from remora.core.errors import ProtocolProblem
from remora.wire.client.frames import ClientFrames
from remora.wire.socket.socket_pieces import Piece


def carried(frames: ClientFrames, data: bytes) -> bytes:
    return b"".join(part if isinstance(part, bytes) else frames.encode(part) for part in frames.feed(data))


@given(
    messages=st.lists(st.binary(max_size=300), max_size=5),
    size=st.integers(1, 90),
    cut=st.integers(1, 120),
    ping=st.booleans(),
)
def test_the_server_hears_what_the_client_said(messages: list[bytes], size: int, cut: int, ping: bool) -> None:
    client, server, frames = ClientProtocol(parse_uri("ws://localhost/")), ServerProtocol(max_size=None), ClientFrames()
    client.send_request(client.connect())
    server.receive_data(carried(frames, b"".join(client.data_to_send())))
    (request,) = server.events_received()
    server.send_response(server.accept(request))  # type: ignore[arg-type]
    said = bytearray()
    for message in messages:
        parts = [message[start : start + size] for start in range(0, len(message) or 1, size)]
        for number, part in enumerate(parts):
            opcode = Opcode.CONT if number else Opcode.BINARY
            said += Frame(opcode, part, number == len(parts) - 1).serialize(mask=True)
            if ping:
                said += Frame(Opcode.PING, b"?").serialize(mask=True)
    for start in range(0, len(said), cut):
        server.receive_data(carried(frames, bytes(said[start : start + cut])))
    heard: list[bytes] = []
    text = b""
    for frame in server.events_received():
        assert isinstance(frame, Frame)
        if frame.opcode in (Opcode.BINARY, Opcode.CONT):
            text += bytes(frame.data)
            if frame.fin:
                heard, text = [*heard, text], b""
    assert heard == messages


def test_a_message_is_cut_only_where_the_network_cut_it() -> None:
    frames = ClientFrames()
    assert list(frames.feed(b"GET / HTTP/1.1\r\n\r")) == []
    frame = Frame(Opcode.TEXT, b"hello").serialize(mask=True)
    assert list(frames.feed(b"\n" + frame)) == [b"GET / HTTP/1.1\r\n\r\n", Piece(b"hello", last=True)]


@pytest.mark.parametrize(
    "said",
    [b"\xc1\x80\0\0\0\0", b"\x81\x00", b"\x83\x80\0\0\0\0", b"\x89\xfe\x00\x7e\0\0\0\0", b"x" * 70_000],
    ids=["compressed", "not masked", "unknown", "long ping", "no upgrade"],
)
def test_what_no_client_says_ends_the_connection(said: bytes) -> None:
    frames = ClientFrames()
    before = b"" if len(said) > 100 else b"GET / HTTP/1.1\r\n\r\n"
    with pytest.raises(ProtocolProblem):
        list(frames.feed(before + said))
