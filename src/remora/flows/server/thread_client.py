"""Driving threads of one app server."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from remora.core.thread.threads import ThreadName, choose_thread, is_whole_id
from remora.flows.server.rpc import Asked, RpcClient
from remora.wire.appserver import calls, turn_stop
from remora.wire.appserver.calls import ThreadSettings, ThreadState, UnknownMethod
from remora.wire.appserver.turns import TurnState, read_turn

_TURNS_PER_PAGE: Final = 10
_ITEMS_PER_PAGE: Final = 50
_PAGES: Final = 10_000
_THREADS_PER_PAGE: Final = 100
_THREAD_PAGES: Final = 100
_AS_IT_IS: Final = ThreadSettings()


def start_request(settings: ThreadSettings) -> Asked:
    """What begins a thread."""
    return "thread/start", calls.thread_start(settings)


def resume_request(thread_id: str, settings: ThreadSettings = _AS_IT_IS, *, exclude_turns: bool = True) -> Asked:
    """What opens a thread again."""
    return "thread/resume", calls.thread_resume(thread_id, settings, exclude_turns=exclude_turns)


class ThreadClient:
    """What can be done with threads over one connection; errors as in :meth:`RpcClient.request`."""

    def __init__(self, rpc: RpcClient) -> None:
        self._rpc = rpc

    async def resume(
        self, thread_id: str, settings: ThreadSettings = _AS_IT_IS, *, exclude_turns: bool = True
    ) -> ThreadState:
        """Open a thread again and subscribe to it; pending approvals are then sent again by the server."""
        asked = resume_request(thread_id, settings, exclude_turns=exclude_turns)
        return calls.read_thread(await self._rpc.request(*asked))

    async def find(self, words: str) -> str:
        """The id of the thread that `words` mean: an id, the beginning of one, or a name.

        Raises ``thread-missing`` when none or several fit; a complete id is not looked up.
        """
        if is_whole_id(words):
            return words
        threads: list[ThreadName] = []
        cursor: Any = None
        for _ in range(_THREAD_PAGES):
            params = calls.threads_list(limit=_THREADS_PER_PAGE, cursor=cursor)
            page = calls.mapping(await self._rpc.request("thread/list", params))
            threads += map(calls.read_thread_name, map(calls.mapping, calls.sequence(page.get("data"))))
            cursor = page.get("nextCursor")
            if not cursor:
                break
        return choose_thread(words, threads)

    async def folder(self, thread_id: str) -> str:
        """Where a thread works, without loading it."""
        answer = calls.mapping(await self._rpc.request("thread/read", {"threadId": thread_id}))
        return calls.text(calls.mapping(answer.get("thread")).get("cwd")) or "/"

    async def start_turn(
        self,
        thread_id: str,
        inputs: Sequence[Mapping[str, Any]],
        *,
        message_id: str,
        safety: Mapping[str, Any],
        effort: str | None = None,
    ) -> TurnState:
        """Send a prompt, and what the agent may do. On a thread that works already, servers add it to that turn."""
        params = calls.turn_start(thread_id, inputs, message_id=message_id, safety=safety, effort=effort)
        return read_turn(calls.mapping(calls.mapping(await self._rpc.request("turn/start", params)).get("turn")))

    async def interrupt(self, thread_id: str, turn_id: str) -> None:
        """Ask the server to stop a turn; it ends with ``turn/completed``."""
        await self._rpc.request("turn/interrupt", calls.turn_interrupt(thread_id, turn_id))

    async def steer(self, thread_id: str, turn_id: str, sentence: str) -> None:
        """Say something to a turn that runs."""
        await self._rpc.request("turn/steer", calls.turn_steer(thread_id, turn_id, sentence))

    async def latest_turns(self, thread: ThreadState, *, items: bool) -> list[TurnState]:
        """The newest turns, newest first: from `thread` itself where the server sent all of them."""
        if thread.turns:
            return [read_turn(turn) for turn in reversed(thread.turns)]
        params = calls.turns_list(thread.thread_id, limit=_TURNS_PER_PAGE, items=items)
        try:
            page = calls.mapping(await self._rpc.request("thread/turns/list", params))
        except UnknownMethod:
            return []
        return [read_turn(calls.mapping(turn)) for turn in calls.sequence(page.get("data"))]

    async def read(self, thread_id: str) -> ThreadState:
        """How a thread is, without loading it or hearing of it from then on."""
        return calls.read_thread(await self._rpc.request("thread/read", turn_stop.of_thread(thread_id)))

    async def items(self, thread_id: str, turn_id: str | None = None) -> list[Mapping[str, Any]]:
        """All items of a turn, or of all turns, oldest first, read in pages."""
        found: list[Mapping[str, Any]] = []
        cursor: Any = None
        for _ in range(_PAGES):
            params = calls.items_list(thread_id, turn_id, limit=_ITEMS_PER_PAGE, cursor=cursor)
            page = calls.mapping(await self._rpc.request("thread/items/list", params))
            entries = map(calls.mapping, calls.sequence(page.get("data")))
            found += [calls.mapping(entry.get("item")) for entry in entries]
            cursor = page.get("nextCursor")
            if not cursor:
                break
        return found
