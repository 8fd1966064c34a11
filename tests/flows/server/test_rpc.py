"""One connection to an app server: who gets which answer, and what happens when none comes."""

import asyncio
import json
from typing import Any

import pytest
from tests.support.model.fake_app_server import INITIALIZED, Answer, FakeAppServer, Peer
from tests.support.network.streams import PipeStream

from remora.adapters.files.disk_spool import DiskSpool
from remora.adapters.machine.system_clock import SystemClock
from remora.core.errors import Code, RemoraError
from remora.core.settings import Limits
from remora.flows.server.rpc import open_rpc
from remora.testing.manual_clock import ManualClock
from remora.wire.appserver.jsonrpc import Framing


def code_of(caught: pytest.ExceptionInfo[RemoraError]) -> Code:
    return caught.value.code


async def test_answers_find_who_asked_in_any_order() -> None:
    held: list[dict[str, Any]] = []

    async def hold(peer: Peer, request: dict[str, Any]) -> None:
        held.append(request)
        if len(held) == 3:
            for each in reversed(held):
                await peer.result(each, each["params"])

    async with FakeAppServer({"later": hold}) as server, server.rpc() as rpc:
        answers = await asyncio.gather(*(rpc.request("later", {"n": n}) for n in range(3)))
        assert answers == [{"n": 0}, {"n": 1}, {"n": 2}]
        assert rpc.server.version == "9.9.9"


async def test_a_request_sent_with_the_handshake_is_answered_to_the_one_who_asks_for_it() -> None:
    asked = ("thread/start", {"cwd": "/srv"})
    hello: list[dict[str, Any]] = []
    thread: asyncio.Event = asyncio.Event()

    async def initialize(peer: Peer, request: dict[str, Any]) -> None:
        hello.append(request)

    async def start(peer: Peer, request: dict[str, Any]) -> None:
        thread.set()  # a client that waits for its handshake first would wait for ever
        await peer.result(hello[0], INITIALIZED)
        await peer.result(request, {"number": len(server.requests)})

    scripts: dict[str, Answer] = {"initialize": initialize, "thread/start": start}
    async with FakeAppServer(scripts) as server, server.rpc([asked]) as rpc:
        assert thread.is_set()
        first = await rpc.request(*asked)
        assert [request["method"] for request in server.requests].count("thread/start") == 1
        assert await rpc.request(*asked) != first


async def test_f57_answers_with_and_without_the_jsonrpc_member_and_unknown_members() -> None:
    async def odd(peer: Peer, request: dict[str, Any]) -> None:
        await peer.send({"id": 4242, "result": "nobody asked"})
        await peer.send({"jsonrpc": "2.0", "id": request["id"], "result": {"ok": 1}, "trace": {"new": []}})

    async with FakeAppServer({"odd": odd}) as server, server.rpc() as rpc:
        assert await rpc.request("odd") == {"ok": 1}


async def test_an_overloaded_server_is_asked_again_within_a_bound() -> None:
    count = 0

    async def busy(peer: Peer, request: dict[str, Any]) -> None:
        nonlocal count
        count += 1
        if count < 3:
            await peer.refuse(request, -32001, "Server overloaded; retry later.")
        else:
            await peer.result(request, "at last")

    async def always(peer: Peer, request: dict[str, Any]) -> None:
        await peer.refuse(request, -32001, "Server overloaded; retry later.")

    async with FakeAppServer({"turn/start": busy, "always": always}) as server, server.rpc() as rpc:
        assert await rpc.request("turn/start") == "at last"
        assert count == 3
        with pytest.raises(RemoraError) as caught:
            await rpc.request("always", limit=0.5)
        assert code_of(caught) is Code.SERVER_OVERLOADED


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (-32600, "no rollout found for thread id 01a1", Code.THREAD_MISSING),
        (-32600, "invalid session id: bad", Code.THREAD_MISSING),
        (-32602, "Input exceeds the maximum length", Code.REQUEST_REFUSED),
    ],
)
async def test_refusals_are_classified_once(code: int, text: str, expected: Code) -> None:
    async def refuse(peer: Peer, request: dict[str, Any]) -> None:
        await peer.refuse(request, code, text)

    async with FakeAppServer({"thread/resume": refuse}) as server, server.rpc() as rpc:
        with pytest.raises(RemoraError) as caught:
            await rpc.request("thread/resume")
        assert code_of(caught) is expected
        assert text in caught.value.seen


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("thread/turns/list", Code.CONNECTION_LOST),
        ("thread/resume", Code.CONNECTION_LOST),
        ("account/read", Code.CONNECTION_LOST),
        ("thread/start", Code.REQUEST_UNKNOWN),
        ("turn/start", Code.REQUEST_UNKNOWN),
        ("turn/steer", Code.REQUEST_UNKNOWN),
    ],
)
async def test_f81_a_link_lost_between_request_and_answer(method: str, expected: Code) -> None:
    server = FakeAppServer()

    async def lose(peer: Peer, request: dict[str, Any]) -> None:
        server.cut()

    server.scripts[method] = lose
    async with server, server.rpc() as rpc:
        with pytest.raises(RemoraError) as caught:
            await rpc.request(method, {})
        assert code_of(caught) is expected
        await rpc.wait_closed()
        with pytest.raises(RemoraError) as later:
            await rpc.request("turn/start", {})
        assert code_of(later) is Code.CONNECTION_LOST, "nothing of it has left"


async def test_no_answer_in_time_is_a_time_limit_for_reads_and_unknown_for_the_rest() -> None:
    async def mute(peer: Peer, request: dict[str, Any]) -> None:
        return

    async with FakeAppServer({"thread/list": mute, "turn/start": mute}) as server, server.rpc() as rpc:
        for method, expected in (("thread/list", Code.TIME_LIMIT), ("turn/start", Code.REQUEST_UNKNOWN)):
            with pytest.raises(RemoraError) as caught:
                await rpc.request(method, {}, limit=0.05)
            assert code_of(caught) is expected
            assert method in caught.value.message


async def test_every_request_of_the_server_is_answered_unknown_ones_with_an_error() -> None:
    async with FakeAppServer() as server, server.rpc():
        peer = server.peers[0]
        methods = ["currentTime/read", "attestation/generate", "account/chatgptAuthTokens/refresh", "future/thing"]
        for method in methods:
            await peer.ask(method, method, threadId="t")
            answer = await peer.answer_to(method)
            assert answer["error"]["code"] == -32601
        await peer.ask(7, "item/tool/call", tool="x")
        assert (await peer.answer_to(7))["result"]["success"] is False


async def test_unreadable_messages_end_the_connection_with_what_was_seen() -> None:
    async with FakeAppServer() as server, server.rpc() as rpc:
        await server.peers[0].send("\x1b[31mWelcome!" + "x" * 100_000)
        await rpc.wait_closed()
        assert rpc.failure is not None
        assert rpc.failure.code is Code.PROTOCOL_VIOLATION
        assert rpc.failure.seen.startswith("\\x1b[31mWelcome!xxx")
        assert len(rpc.failure.seen) <= 2_100


async def test_a_server_that_closes_is_gone() -> None:
    async with FakeAppServer() as server, server.rpc() as rpc:
        await server.peers[0].socket.close()
        await rpc.wait_closed()
        assert rpc.failure is not None
        assert rpc.failure.code is Code.SERVER_GONE


async def test_f71_a_slow_consumer_neither_stalls_the_socket_nor_loses_or_reorders_anything() -> None:
    """Ten thousand events arrive while nobody reads; requests are answered all the while; memory is bounded."""
    async with FakeAppServer() as server, server.rpc() as rpc:
        spool = DiskSpool(memory=64 * 1024, disk=2**30)
        rpc.deliver_to(spool)
        peer = server.peers[0]
        for number in range(10_000):
            await peer.notify("item/agentMessage/delta", number=number, padding="x" * 100)
        assert await rpc.request("alive", {"x": 1}) == {"x": 1}
        assert spool._held_size <= 64 * 1024
        for number in range(10_000):
            record = await spool.get()
            assert record is not None
            assert json.loads(record)["params"]["number"] == number
        spool.close()


async def test_what_came_before_the_spool_is_delivered_first_and_the_end_is_told() -> None:
    async with FakeAppServer() as server, server.rpc() as rpc:
        for number in range(3):
            await server.peers[0].notify("early", number=number)
        await rpc.request("sync", {})
        await server.peers[0].socket.close()
        await rpc.wait_closed()
        spool = DiskSpool(memory=1000, disk=2**30)
        rpc.deliver_to(spool)
        assert [json.loads(await spool.get() or b"")["params"]["number"] for _ in range(3)] == [0, 1, 2]
        assert await spool.get() is None
        spool.close()


async def _answering(data: bytes | None) -> asyncio.Server:
    """A server on a loopback port that sends `data` to whoever connects; `None`: nothing, ever."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if data is not None:
            writer.write(data)
            writer.close()
        else:
            await reader.read()
            writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


@pytest.mark.parametrize(
    ("data", "framing", "expected"),
    [
        (b"", Framing.WEBSOCKET, Code.SERVER_GONE),
        (b"", Framing.LINES, Code.SERVER_GONE),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", Framing.WEBSOCKET, Code.HANDSHAKE_FAILED),
        (b"Last login: yesterday\n", Framing.LINES, Code.PROTOCOL_VIOLATION),
    ],
)
async def test_what_answers_but_is_no_app_server(data: bytes, framing: Framing, expected: Code) -> None:
    async with await _answering(data) as server:
        stream = PipeStream(*await asyncio.open_connection(*server.sockets[0].getsockname()))
        with pytest.raises(RemoraError) as caught:
            async with open_rpc(stream, framing, clock=SystemClock(), limits=Limits()):
                pass
        assert code_of(caught) is expected


@pytest.mark.parametrize("framing", list(Framing))
async def test_a_living_but_mute_server_reaches_the_limit_of_the_handshake(framing: Framing) -> None:
    clock = ManualClock()
    async with await _answering(None) as server:
        stream = PipeStream(*await asyncio.open_connection(*server.sockets[0].getsockname()))

        async def open_it() -> None:
            async with open_rpc(stream, framing, clock=clock, limits=Limits(handshake=10.0)):
                pass

        opening = asyncio.create_task(open_it())
        while not clock.sleepers:  # noqa: ASYNC110 - real sockets take real passes of the loop
            await asyncio.sleep(0)
        await clock.advance(10.0)
        with pytest.raises(RemoraError) as caught:
            await opening
        assert code_of(caught) is Code.TIME_LIMIT
        assert caught.value.stage.value == "handshake"


async def test_f70_an_answer_beyond_the_limit_fails_its_request_alone_where_lines_are_spoken() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            message = json.loads(line)
            if "id" not in message:
                continue
            result: Any = INITIALIZED if message["method"] == "initialize" else message["params"]
            if message["method"] == "big":
                result = "x" * 200_000
            writer.write(json.dumps({"id": message["id"], "result": result}).encode() + b"\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        stream = PipeStream(*await asyncio.open_connection(*server.sockets[0].getsockname()))
        async with open_rpc(stream, Framing.LINES, clock=SystemClock(), limits=Limits(message=100_000)) as rpc:
            with pytest.raises(RemoraError) as caught:
                await rpc.request("big", {})
            assert code_of(caught) is Code.MESSAGE_TOO_LARGE
            assert await rpc.request("small", {"a": 1}) == {"a": 1}
