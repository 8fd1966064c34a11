"""A bare client of a real app server over JSON lines, for tests of what the server is given to talk to."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

Message = dict[str, Any]
_LIMIT = 60.0
_LONGEST_LINE = 64 * 1024 * 1024


@dataclass(slots=True)
class Turn:
    """What one turn came to."""

    status: str = ""
    items: list[Message] = field(default_factory=list)
    deltas: list[str] = field(default_factory=list)
    plans: list[list[Message]] = field(default_factory=list)
    approvals: list[Message] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    under_way: set[str] = field(default_factory=set)

    def of_type(self, kind: str) -> list[Message]:
        """The completed items of one type, in order."""
        return [item for item in self.items if item["type"] == kind]


class AppServer:
    """One initialized connection with one thread; every approval is answered with `decision`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._number = 0
        self.decision = "accept"
        self.thread: Message = {}

    async def request(self, method: str, params: Message, turn: Turn | None = None) -> Message:
        """Send a request and give its result; what comes before the answer goes to `turn`."""
        self._number += 1
        number = self._number
        self._send({"id": number, "method": method, "params": params})
        while True:
            message = await self._receive()
            if message.get("id") == number and "method" not in message:
                assert "error" not in message, message
                result: Message = message["result"]
                return result
            self._note(message, turn or Turn())

    async def run_turn(self, text: str) -> Turn:
        """One turn, to its end, and that of its items: old servers complete a quick command after its turn."""
        turn = Turn()
        await self.request(
            "turn/start", {"threadId": self.thread["id"], "input": [{"type": "text", "text": text}]}, turn
        )
        while not turn.status or turn.under_way:
            self._note(await self._receive(), turn)
        return turn

    def _note(self, message: Message, turn: Turn) -> None:
        method, params = message.get("method"), message.get("params", {})
        if "id" in message and method is not None:
            turn.approvals.append({"method": method, **params})
            self._send({"id": message["id"], "result": {"decision": self.decision}})
        elif method == "item/started":
            turn.under_way.add(params["item"]["id"])
        elif method == "item/completed":
            turn.under_way.discard(params["item"]["id"])
            turn.items.append(params["item"])
        elif method == "item/agentMessage/delta":
            turn.deltas.append(params["delta"])
        elif method == "turn/plan/updated":
            turn.plans.append(params["plan"])
        elif method in {"warning", "configWarning"}:
            turn.warnings.append(str(params.get("message") or params.get("summary")))
        elif method == "turn/completed":
            turn.status = params["turn"]["status"]

    def notify(self, method: str) -> None:
        """Send a notification without parameters."""
        self._send({"method": method})

    def _send(self, message: Message) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")

    async def _receive(self) -> Message:
        assert self._process.stdout is not None
        async with asyncio.timeout(_LIMIT):
            line = await self._process.stdout.readline()
        assert line, "the app server ended"
        message: Message = json.loads(line)
        return message


@asynccontextmanager
async def app_server(
    command: Sequence[str], *, environment: dict[str, str] | None, thread: Message
) -> AsyncIterator[AppServer]:
    """Start `command`, which speaks JSON lines, initialize, and start a thread with the given parameters."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=_LONGEST_LINE,
    )
    try:
        client = AppServer(process)
        information = {"name": "tests", "title": "tests", "version": "1"}
        capabilities = {"experimentalApi": True}
        await client.request("initialize", {"clientInfo": information, "capabilities": capabilities})
        client.notify("initialized")
        client.thread = (await client.request("thread/start", thread))["thread"]
        yield client
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
