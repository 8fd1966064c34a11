"""Our side of the WebSocket against the library's own server side, without a network."""

import tracemalloc

import pytest
from websockets.frames import Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from remora.core.errors import Code, ProtocolProblem
from remora.wire.socket.websocket import FRAGMENT, MOST_FRAGMENTS, ClientSocket

MIB = 1024 * 1024


def opened(limit: int = 4 * MIB) -> tuple[ClientSocket, ServerProtocol]:
    client, server = ClientSocket(limit=limit), ServerProtocol(max_size=None)
    server.receive_data(client.upgrade())
    (request,) = server.events_received()
    assert isinstance(request, Request)
    server.send_response(server.accept(request))
    assert client.receive(b"".join(server.data_to_send())) == []
    assert client.is_open
    return client, server


def received(server: ServerProtocol, data: bytes) -> list[tuple[Opcode, bool, bytes]]:
    server.receive_data(data)
    return [(frame.opcode, frame.fin, bytes(frame.data)) for frame in server.events_received()]  # type: ignore[union-attr]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, FRAGMENT - 1, FRAGMENT, FRAGMENT + 1, 3 * FRAGMENT])
def test_a_message_leaves_in_fragments_of_bounded_size(size: int) -> None:
    client, server = opened()
    message = bytes(range(256)) * (size // 256 + 1)
    message = message[:size]
    frames = [frame for data in client.frames(message) for frame in received(server, data)]
    assert b"".join(part for _, _, part in frames) == message
    assert [final for _, final, _ in frames] == [False] * (len(frames) - 1) + [True]
    assert all(len(part) <= FRAGMENT for _, _, part in frames)
    assert frames[0][0] is Opcode.TEXT


@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_messages_are_whole_however_they_arrive(step: int) -> None:
    client, server = opened()
    texts = [b"", b"x" * 125, b"y" * 70_000, "grüße".encode()]
    for text in texts:
        server.send_text(text)
    server.send_text(b"first ", fin=False)
    server.send_ping(b"are you there")
    server.send_continuation(b"second", fin=True)
    data = b"".join(server.data_to_send())
    found = [message for start in range(0, len(data), step) for message in client.receive(data[start : start + step])]
    assert found == [*texts, b"first second"]
    ((opcode, _, payload),) = received(server, client.pending())
    assert (opcode, payload) == (Opcode.PONG, b"are you there")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2p1\r\n" * 3,
        b'{"method":"hello"}\n' * 100,
        b"\x00" * 20_000,
    ],
)
def test_what_is_no_websocket_server_is_named_and_shown(answer: bytes) -> None:
    client = ClientSocket(limit=MIB)
    client.upgrade()
    with pytest.raises(ProtocolProblem) as caught:
        client.receive(answer)
    assert caught.value.code is Code.HANDSHAKE_FAILED
    assert caught.value.seen


def test_f70_a_message_beyond_the_limit_is_classified() -> None:
    client, server = opened(limit=1000)
    server.send_text(b"x" * 1001)
    with pytest.raises(ProtocolProblem) as caught:
        client.receive(b"".join(server.data_to_send()))
    assert caught.value.code is Code.MESSAGE_TOO_LARGE


def test_broken_frames_are_a_violation() -> None:
    client, _ = opened()
    with pytest.raises(ProtocolProblem) as caught:
        client.receive(b"\xff\xff\xff\xff\xff")
    assert caught.value.code is Code.PROTOCOL_VIOLATION


def test_closing_is_answered_and_then_nothing_is_open() -> None:
    client, server = opened()
    server.send_close(1000, "bye")
    assert client.receive(b"".join(server.data_to_send())) == []
    assert not client.is_open
    assert received(server, client.pending())[0][0] is Opcode.CLOSE
    assert client.close() == b""


def test_a_message_in_countless_tiny_fragments_costs_no_more_than_its_bytes() -> None:
    client, _ = opened()
    count = MOST_FRAGMENTS // 4
    tracemalloc.start()
    try:
        assert client.receive(b"\x01\x01x") == []
        for _ in range(5):
            assert client.receive((b"\x00\x01x" + b"\x00\x00") * (count // 5)) == []
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 4 * count
    assert client.receive(b"\x80\x01y") == [b"x" * (count + 1) + b"y"]


def test_a_message_in_more_fragments_than_any_that_means_well_is_a_violation() -> None:
    client, _ = opened()
    assert client.receive(b"\x01\x01x" + b"\x00\x01x" * (MOST_FRAGMENTS - 1)) == []
    with pytest.raises(ProtocolProblem, match="100,000 fragments") as caught:
        client.receive(b"\x00\x01x")
    assert caught.value.code is Code.PROTOCOL_VIOLATION


def test_fragments_are_counted_for_each_message_alone() -> None:
    client, _ = opened()
    for _ in range(3):
        assert client.receive(b"\x01\x01x" + b"\x00\x01x" * (MOST_FRAGMENTS // 2)) == []
        (message,) = client.receive(b"\x80\x01y")
        assert len(message) == MOST_FRAGMENTS // 2 + 2


def test_a_refused_upgrade_is_known_by_its_head_although_its_body_never_ends() -> None:
    client = ClientSocket(limit=100)
    client.upgrade()
    with pytest.raises(ProtocolProblem, match="404 Not Found") as caught:
        client.receive(b"HTTP/1.1 404 Not Found\r\nServer: x\r\n\r\n")
    assert caught.value.code is Code.HANDSHAKE_FAILED
