"""The bridge between lines and a WebSocket, against a server made with the websockets library."""

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.model.fake_app_server import FakeAppServer, Peer
from websockets.asyncio.server import ServerConnection, unix_serve

from remora.adapters.machine.local_sockets import SystemSockets
from remora.adapters.machine.system_clock import SystemClock
from remora.core.errors import Code, ProtocolProblem
from remora.core.settings import Limits
from remora.flows.client.bridge import bridge
from remora.flows.client.client_guard import ClientGuard, ClientTerms, Folders
from remora.flows.client.client_host import Standing
from remora.ports import ByteStream
from remora.testing.memory_streams import memory_stream_pair
from remora.wire.client.conversation import Conversation

LIMITS = Limits(request=20.0)


async def as_named(folder: str) -> str:
    return folder


async def in_the_home(thread_id: str) -> str | None:
    return "~"


async def trusts_nothing(folder: str) -> Standing:
    return Standing(trusted=False)


def cautious(conversation: Conversation) -> ClientGuard:
    return ClientGuard(ClientTerms(folders=Folders(as_named, in_the_home)), trusts_nothing, conversation=conversation)


@asynccontextmanager
async def bridged(socket: str) -> AsyncIterator[tuple[ByteStream, "asyncio.Task[None]"]]:
    """A client's end of a bridge to what listens at `socket`."""
    near, far = memory_stream_pair()
    server = await SystemSockets().connect(socket)
    task = asyncio.ensure_future(bridge(far, server, guard=cautious, clock=SystemClock(), limits=LIMITS))
    try:
        yield near, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def line(stream: ByteStream, rest: bytearray) -> bytes:
    while b"\n" not in rest:
        data = await stream.read(2**20)
        assert data
        rest += data
    whole, _, left = bytes(rest).partition(b"\n")
    rest[:] = left
    return whole


@pytest.mark.parametrize("size", [65_535, 65_536, 2**20 - 1, 2**20 + 1, 2**24 + 1])
async def test_f70_messages_of_any_size_pass_both_ways(size: int) -> None:
    async with FakeAppServer() as server, bridged(server.socket) as (client, _):
        text = "é" * (size // 2)
        message = json.dumps({"id": 1, "method": "echo", "params": {"text": text}}, ensure_ascii=False).encode()
        writing = asyncio.ensure_future(client.write(message + b"\n"))
        answer = json.loads(await line(client, bytearray()))
        await writing
        assert answer == {"id": 1, "result": {"text": text}}


async def test_a_slow_reader_holds_the_server_back_and_memory_stays_small(tmp_path: Path) -> None:
    sent = 0

    async def flood(socket: ServerConnection) -> None:
        nonlocal sent
        piece = "x" * 1_000_000
        for _ in range(300):
            await socket.send(piece)
            sent += 1

    path = str(tmp_path / "s.sock")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(unix_serve(flood, path, compression=None, ping_interval=None))
        client, _ = await stack.enter_async_context(bridged(path))
        rest = bytearray()
        first = await line(client, rest)
        assert len(first) == 1_000_000
        held = sent
        assert held < 50
        tracemalloc.start()
        for _ in range(299):
            await line(client, rest)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 60_000_000


async def test_the_end_of_input_waits_for_answers_and_then_ends_the_bridge() -> None:
    asked = asyncio.Event
    heard, release = asked(), asked()

    async def slow(peer: Peer, request: dict[str, object]) -> None:
        heard.set()
        await release.wait()
        await peer.result(request, "late")

    async with FakeAppServer({"slow": slow}) as server, bridged(server.socket) as (client, task):
        await client.write(b'{"id":"a","method":"slow"}\n')
        await client.write_eof()
        await heard.wait()
        assert not task.done()
        release.set()
        assert json.loads(await line(client, bytearray())) == {"id": "a", "result": "late"}
        await task


async def test_a_server_that_ends_first_is_told() -> None:
    async def leave(peer: Peer, request: dict[str, object]) -> None:
        await peer.notify("last/words")
        await peer.socket.close()

    async with FakeAppServer({"leave": leave}) as server, bridged(server.socket) as (client, task):
        await client.write(b'{"id":1,"method":"leave"}\n')
        assert json.loads(await line(client, bytearray()))["method"] == "last/words"
        with pytest.raises(ProtocolProblem) as caught:
            await task
        assert caught.value.code is Code.SERVER_GONE


def test_a_refusal_is_a_line_of_its_own_beside_a_long_message_of_the_server(tmp_path: Path) -> None:
    half_way = asyncio.Event()

    async def speak(socket: ServerConnection) -> None:
        async def parts() -> AsyncIterator[str]:
            yield '{"method":"long","params":"'
            await half_way.wait()
            yield "x" * 100 + '"}'

        await socket.send(parts())
        await socket.wait_closed()

    async def go() -> list[dict[str, object]]:
        path = str(tmp_path / "s.sock")
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(unix_serve(speak, path, compression=None, ping_interval=None))
            client, _ = await stack.enter_async_context(bridged(path))
            rest = bytearray(await client.read(2**20))
            assert b"\n" not in rest
            asked = {"id": 5, "method": "thread/start", "params": {"sandbox": "danger-full-access"}}
            await client.write(json.dumps(asked).encode() + b"\n")
            half_way.set()
            return [json.loads(await line(client, rest)) for _ in range(2)]

    told, refused = run(go())
    assert told["method"] == "long"
    assert refused["id"] == 5
    assert "names no folder" in str(refused["error"])
