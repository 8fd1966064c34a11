"""An app server that means harm: whatever it sends, the run ends with a reason, and nothing is granted."""

import asyncio
import json
from typing import Any

import pytest
from tests.support.base.loop import run
from tests.support.base.runs import PROMPT, Unattended, report_of, run_to_end
from tests.support.model.fake_app_server import FakeAppServer, Peer
from tests.support.model.fake_thread import FakeThread

from remora.core.errors import Code, ProtocolProblem, RemoraError

COMMAND = "item/commandExecution/requestApproval"
DEEP = "[" * 5_000 + "]" * 5_000
LIMIT = 20.0


async def outcome_after(text: str) -> tuple[str, str | None]:
    """How a run ends in whose middle the server sends `text`."""

    async def play(thread: FakeThread, peer: Peer) -> None:
        await peer.send(text)
        await thread.say(peer, "a", "hello")
        await thread.end(peer)

    async with FakeThread(play).serve() as server, asyncio.timeout(LIMIT):
        report = report_of(await run_to_end(server.connect, PROMPT))
        return report.outcome, report.error.code if report.error else None


@pytest.mark.parametrize(
    "text",
    [
        f'{{"method":"item/started","params":{DEEP}}}',
        f'{{"later":{DEEP},"method":"item/started"}}',
        f'{{"id":1,"error":{{"code":1,"message":"m","data":{DEEP}}}}}',
        '{"method":"item/started","params":{"threadId":"01a1fb4f-b259-7882-bdc0-254f2ef00d93","turnId":"turn-1","item":{"n":1e999}}}',
        f'{{"id":7,"method":"{COMMAND}","params":{{"command":"ls","n":1e999}}}}',
    ],
    ids=["deep-params", "deep-member", "deep-error", "number-beyond-range", "request-beyond-range"],
)
def test_a_message_that_cannot_be_read_ends_the_run_with_a_reason_and_never_hangs_it(text: str) -> None:
    assert run(outcome_after(text)) == ("unknown", Code.PROTOCOL_VIOLATION)


async def test_an_answer_that_cannot_be_read_is_a_violation() -> None:
    async def deep(peer: Peer, request: dict[str, Any]) -> None:
        await peer.send(f'{{"id":{request["id"]},"result":{{"n":1e999}}}}')

    async with FakeAppServer({"deep": deep}) as server, server.rpc() as rpc:
        with pytest.raises(ProtocolProblem, match="cannot be read") as caught:
            await rpc.request("deep")
        assert caught.value.code is Code.PROTOCOL_VIOLATION


class FullDisk:
    """A spool whose disk is full."""

    def put(self, record: bytes) -> None:
        raise OSError(28, "No space left on device")

    async def get(self) -> bytes | None:
        raise AssertionError

    def finish(self) -> None: ...

    def close(self) -> None: ...


async def test_a_spool_that_fails_ends_the_connection_instead_of_leaving_it_deaf() -> None:
    async def talk(peer: Peer, request: dict[str, Any]) -> None:
        await peer.notify("news")
        await peer.result(request, {})

    async with FakeAppServer({"talk": talk}) as server, server.rpc() as rpc, asyncio.timeout(LIMIT):
        rpc.deliver_to(FullDisk())
        with pytest.raises(RemoraError, match="could not process"):
            await rpc.request("talk")
        await rpc.wait_closed()
        assert rpc.failure is not None
        assert "No space left" in rpc.failure.seen


async def test_a_server_that_asks_for_ever_and_takes_no_answer_is_left() -> None:
    """Each question of this kind is answered at once; a server that reads none must not fill our memory."""

    async def flood(peer: Peer, request: dict[str, Any]) -> None:
        question = json.dumps({"method": "item/tool/call", "params": {}, "id": 1})
        peer.socket.transport.pause_reading()
        for _ in range(60_000):
            await peer.send(question)

    async with FakeAppServer({"flood": flood}) as server, server.rpc() as rpc, asyncio.timeout(LIMIT):
        with pytest.raises(ProtocolProblem, match="without reading the answers"):
            await rpc.request("flood")
        assert rpc.failure is not None
        assert rpc.failure.code is Code.PROTOCOL_VIOLATION


@pytest.mark.parametrize(
    "decisions",
    [
        [{"decline": {}, "acceptForSession": {}}],
        [{"cancel": {"then": "accept"}}],
        ["Decline", "no"],
        [],
        None,
        [7, [], {}],
    ],
    ids=["object-named-decline", "object-named-cancel", "look-alikes", "none-offered", "absent", "no-decisions"],
)
def test_where_nobody_decides_only_the_plain_word_decline_leaves_us(decisions: Any) -> None:
    got: list[Any] = []
    nobody = Unattended()

    async def play(thread: FakeThread, peer: Peer) -> None:
        await thread.ask(peer, 1, COMMAND, itemId="c", command="ls", availableDecisions=decisions)

        async def go_on() -> None:
            got.append(await peer.answer_to(1))
            await thread.end(peer)

        background.append(asyncio.create_task(go_on()))

    background: list[asyncio.Task[None]] = []

    async def go() -> None:
        async with FakeThread(play).serve() as server, asyncio.timeout(LIMIT):
            await run_to_end(server.connect, PROMPT, approvals=nobody)
            await asyncio.gather(*background)

    run(go())
    assert got[0]["result"] == {"decision": "decline"}
    for choice in nobody.seen[0].choices:
        assert choice.grants == (choice.value not in ("decline", "cancel"))
