"""One thread on the fake app server: enough state that a client can lose it and find it again."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.support.model.fake_app_server import FakeAppServer, Peer

THREAD, TURN = "01a1fb4f-b259-7882-bdc0-254f2ef00d93", "turn-1"


@dataclass
class FakeThread:
    """Attach to a server with :meth:`serve`; `play` runs when the prompt is taken, and again at every resume."""

    play: Callable[["FakeThread", Peer], Awaitable[None]]
    replay: Callable[["FakeThread", Peer], Awaitable[None]] | None = None
    items: list[dict[str, Any]] = field(default_factory=list)
    status: str = "inProgress"
    active: bool = True
    waiting: bool = False
    busy_before: bool = False

    def serve(self, **faults: Any) -> FakeAppServer:
        scripts = {
            "thread/start": self._start,
            "thread/resume": self._resume,
            "turn/start": self._turn_start,
            "turn/interrupt": self._interrupt,
            "turn/steer": self._steer,
            "thread/turns/list": self._turns,
            "thread/items/list": self._items,
        }
        return FakeAppServer({**scripts, **faults})

    async def tell(self, peer: Peer, method: str, **params: Any) -> None:
        """A notification about our turn."""
        await peer.notify(method, threadId=THREAD, turnId=TURN, **params)

    async def say(self, peer: Peer, item_id: str, text: str) -> None:
        """A whole message, kept in history."""
        await self.tell(peer, "item/started", item={"type": "agentMessage", "id": item_id, "text": ""})
        await self.tell(peer, "item/agentMessage/delta", itemId=item_id, delta=text)
        await self.complete(peer, {"type": "agentMessage", "id": item_id, "text": text})

    async def complete(self, peer: Peer, item: dict[str, Any]) -> None:
        """An item is done, and kept in history."""
        self.items.append(item)
        await self.tell(peer, "item/completed", item=item)

    async def end(self, peer: Peer, status: str = "completed") -> None:
        """The turn ends."""
        self.status, self.active = status, False
        turn: dict[str, Any] = {"id": TURN, "items": [], "status": status, "error": None}
        await peer.notify("turn/completed", threadId=THREAD, turn=turn)

    async def ask(self, peer: Peer, request_id: Any, method: str, **params: Any) -> Any:
        """A request about our turn, and the client's whole answer to it."""
        await peer.ask(request_id, method, threadId=THREAD, turnId=TURN, **params)

    def _opened(self, *, active: bool) -> dict[str, Any]:
        flags = ["waitingOnApproval"] if self.waiting else []
        status = {"type": "active", "activeFlags": flags} if active else {"type": "idle"}
        return {
            "thread": {"id": THREAD, "status": status, "historyMode": "paginated", "turns": [], "new": {"x": 1}},
            "cwd": "/srv",
            "model": "m",
            "approvalPolicy": {"granular": {}},
            "sandbox": {"type": "readOnly"},
        }

    async def _start(self, peer: Peer, request: dict[str, Any]) -> None:
        await peer.result(request, self._opened(active=False))

    async def _resume(self, peer: Peer, request: dict[str, Any]) -> None:
        await peer.result(request, self._opened(active=self.busy_before or (self.active and len(peer_turns(self)) > 0)))
        if self.replay is not None:
            await self.replay(self, peer)

    async def _turn_start(self, peer: Peer, request: dict[str, Any]) -> None:
        message = {"type": "userMessage", "id": "user-1", "clientId": request["params"]["clientUserMessageId"]}
        self.items.append({**message, "content": request["params"]["input"]})
        await peer.result(request, {"turn": {"id": TURN, "items": [], "status": "inProgress"}})
        await self.play(self, peer)

    async def _interrupt(self, peer: Peer, request: dict[str, Any]) -> None:
        await peer.result(request, {})
        await self.end(peer, "interrupted")

    async def _steer(self, peer: Peer, request: dict[str, Any]) -> None:
        await peer.result(request, {"turnId": TURN})

    async def _turns(self, peer: Peer, request: dict[str, Any]) -> None:
        await peer.result(request, {"data": peer_turns(self), "nextCursor": None})

    async def _items(self, peer: Peer, request: dict[str, Any]) -> None:
        start = int(request["params"].get("cursor") or 0)
        page = [{"turnId": TURN, "item": item} for item in self.items[start : start + 2]]
        more = str(start + 2) if start + 2 < len(self.items) else None
        await peer.result(request, {"data": page, "nextCursor": more})


async def say_and_end(thread: FakeThread, peer: Peer) -> None:
    """A turn with one message."""
    await thread.say(peer, "a", "hello")
    await thread.end(peer)


def peer_turns(thread: FakeThread) -> list[dict[str, Any]]:
    """The turns as history has them."""
    if not thread.items:
        return []
    return [{"id": TURN, "items": thread.items, "status": thread.status, "error": None}]
