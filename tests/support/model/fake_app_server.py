"""An app server made of scripts, for what the real one cannot be made to do.

It is built on the websockets library's own server, so both ends of a connection have different authors.
``python -m tests.support.model.fake_app_server SOCKET`` serves echoes in a process of its own.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.support.codex.local_app_server import LocalServer
from tests.support.network.streams import CuttableStream, PipeStream
from websockets.asyncio.server import Server, ServerConnection, unix_serve
from websockets.exceptions import ConnectionClosed

from remora.adapters.machine.system_clock import SystemClock
from remora.core.server.launch_plan import BytePath, LaunchMode
from remora.core.server.probes import FolderFacts, FolderState
from remora.core.settings import DEFAULT_LIMITS, Limits
from remora.flows.server.launch import Ahead, nothing_ahead
from remora.flows.server.rpc import Asked, RpcClient, open_rpc
from remora.wire.appserver.jsonrpc import Framing

INITIALIZED = {"userAgent": "remora/9.9.9 (fake)", "codexHome": "/h", "platformFamily": "unix", "platformOs": "linux"}
Answer = Callable[["Peer", dict[str, Any]], Awaitable[None]]


@dataclass
class Peer:
    """One connected client, seen from the server."""

    socket: ServerConnection
    answers: dict[Any, Any] = field(default_factory=dict)
    """What the client answered to our requests, by id: the whole message."""
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, message: Any) -> None:
        await self.socket.send(message if isinstance(message, str) else json.dumps(message))

    async def notify(self, method: str, **params: Any) -> None:
        await self.send({"method": method, "params": params})

    async def ask(self, request_id: Any, method: str, **params: Any) -> None:
        await self.send({"id": request_id, "method": method, "params": params})

    async def result(self, request: dict[str, Any], result: Any) -> None:
        await self.send({"id": request["id"], "result": result})

    async def refuse(self, request: dict[str, Any], code: int, message: str) -> None:
        await self.send({"id": request["id"], "error": {"code": code, "message": message}})

    async def answer_to(self, request_id: Any) -> Any:
        while request_id not in self.answers:
            self.answered.clear()
            await self.answered.wait()
        return self.answers[request_id]


@dataclass
class FakeAppServer:
    """Answers each method with its script; what has none is echoed."""

    scripts: dict[str, Answer] = field(default_factory=dict)
    limits: Limits = DEFAULT_LIMITS
    requests: list[dict[str, Any]] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)
    links: list[CuttableStream] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        self._stack = AsyncExitStack()
        self._folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="fake-"))
        self._server: Server = await self._stack.enter_async_context(
            unix_serve(self._serve, self.socket, max_size=None, compression=None, ping_interval=None, close_timeout=1)
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    @property
    def socket(self) -> str:
        return str(Path(self._folder) / "s.sock")

    def cut(self) -> None:
        """Break the newest link."""
        self.links[-1].cut()

    @asynccontextmanager
    async def rpc(self, ahead: Sequence[Asked] = ()) -> AsyncIterator[RpcClient]:
        """A client of ours on a new link."""
        reader, writer = await asyncio.open_unix_connection(self.socket, limit=2**20)
        link = CuttableStream(PipeStream(reader, writer))
        self.links.append(link)
        async with open_rpc(link, Framing.WEBSOCKET, clock=SystemClock(), limits=self.limits, ahead=ahead) as client:
            yield client

    @asynccontextmanager
    async def connect(self, ahead: Ahead = nothing_ahead) -> AsyncIterator[LocalServer]:
        """A link as the launch flow would give it."""
        async with self.rpc(ahead(FolderFacts(path="/srv", state=FolderState.OK))) as client:
            yield LocalServer(client, LaunchMode.ADOPTED, BytePath.UNIX_SOCKET, "9.9.9", "/srv")

    async def _serve(self, socket: ServerConnection) -> None:
        peer = Peer(socket)
        self.peers.append(peer)
        try:
            async for text in socket:
                await self._take(peer, json.loads(text))
        except ConnectionClosed:
            pass

    async def _take(self, peer: Peer, message: dict[str, Any]) -> None:
        method = message.get("method")
        if method is None:
            peer.answers[message["id"]] = message
            peer.answered.set()
        elif "id" in message:
            self.requests.append(message)
            script = self.scripts.get(method)
            if script is not None:
                await script(peer, message)
            elif method == "initialize":
                await peer.result(message, INITIALIZED)
            else:
                await peer.result(message, message.get("params"))


async def _serve_forever(path: str) -> None:
    async def echo(socket: ServerConnection) -> None:
        async for text in socket:
            message = json.loads(text)
            if message.get("method") == "initialize":
                await socket.send(json.dumps({"id": message["id"], "result": INITIALIZED}))
            elif "id" in message:
                params = message["params"]
                result = "x" * params["make"] if "make" in params else len(params["text"])
                await socket.send(json.dumps({"id": message["id"], "result": result}))

    async with unix_serve(echo, path, max_size=None, compression=None, ping_interval=None):
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve_forever(sys.argv[1]))
