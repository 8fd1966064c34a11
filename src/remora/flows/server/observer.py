"""What goes on at an app server, seen by a client that only listens: it opens no thread and reads no history."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from remora.core.errors import RemoraError
from remora.flows.server.rpc import RpcClient
from remora.wire.appserver import calls, jsonrpc
from remora.wire.appserver.calls import mapping, sequence, text
from remora.wire.reports.links import ActiveThread

_LISTED: Final = 50
_ASKED: Final = 20
"""Threads that run and are in no listing (kept out of history), asked for one by one."""
_MOST_THREADS: Final = 1000
_MOST_NAMES: Final = 5000
_LONGEST_WORD: Final = 200
"""A server that tells more, or of longer names and ids, is not believed: all this travels with every status."""
_WAITS: Final = frozenset({"waitingOnApproval", "waitingOnUserInput"})


class Board:
    """Which threads work or wait. An :class:`~remora.ports.EventSpool` for one connection after the other."""

    def __init__(self, changed: Callable[[], object]) -> None:
        self._changed = changed
        self._active: dict[str, ActiveThread] = {}
        self._names: dict[str, str] = {}
        self._told: set[str] | None = None
        """What was told while :meth:`look` asks."""

    @property
    def active(self) -> list[ActiveThread]:
        """Threads with a turn that runs, as far as known."""
        return list(self._active.values())

    @property
    def waiting(self) -> int:
        """How many of them wait for an answer."""
        return sum(thread.waits_for_approval for thread in self._active.values())

    def clear(self) -> None:
        """The server that was watched is gone, and its turns with it."""
        self._active.clear()
        self._changed()

    async def look(self, rpc: RpcClient) -> None:
        """Read the state of now; what `rpc` tells meanwhile is newer and wins. No thread is loaded by it."""
        self._told = told = set[str]()
        try:
            rows = await self._ask(rpc)
        finally:
            self._told = None
        before, self._active = self._active, {name: self._active[name] for name in told & self._active.keys()}
        for thread_id, row in rows.items():
            self._name(thread_id, row)
            if thread_id not in told:
                self._note(thread_id, mapping(row.get("status")))
        if before != self._active:
            self._changed()

    async def _ask(self, rpc: RpcClient) -> dict[str, Mapping[str, Any]]:
        """The rows of the newest threads, and of those that run and are not listed."""
        listed = mapping(await rpc.request("thread/list", calls.threads_list(limit=_LISTED)))
        rows = {text(mapping(row).get("id")) or "": mapping(row) for row in sequence(listed.get("data"))[:_LISTED]}
        with suppress(RemoraError):  # the oldest servers do not tell what is loaded
            loaded = mapping(await rpc.request("thread/loaded/list", {}))
            unlisted = [name for name in sequence(loaded.get("data")) if isinstance(name, str) and name not in rows]
            for thread_id in unlisted[:_ASKED]:
                with suppress(RemoraError):
                    answer = await rpc.request("thread/read", {"threadId": thread_id, "includeTurns": False})
                    rows[thread_id] = mapping(mapping(answer).get("thread"))
        return rows

    def put(self, record: bytes) -> None:
        """Take one notification; the server's requests are for others."""
        message = jsonrpc.decode(record)
        if not isinstance(message, jsonrpc.Notification):
            return
        params = mapping(jsonrpc.decode_value(message.params))
        thread = mapping(params.get("thread"))
        thread_id = text(params.get("threadId")) or text(thread.get("id"))
        if thread_id is None or len(thread_id) > _LONGEST_WORD:
            return
        match message.method:
            case "thread/started":
                self._name(thread_id, thread)
                self._tell(thread_id, mapping(thread.get("status")))
            case "thread/status/changed":
                self._tell(thread_id, mapping(params.get("status")))
            case "thread/closed":
                self._tell(thread_id, {})
            case "thread/name/updated":
                self._name(thread_id, {"name": params.get("threadName")})
                if thread_id in self._active:
                    self._active[thread_id].name = self._names.get(thread_id)
                    self._changed()

    async def get(self) -> bytes | None:
        """Nothing is kept."""
        return None

    def finish(self) -> None:
        """The connection ended; the next one goes on where it stopped."""

    def close(self) -> None:
        """Nothing is held."""

    def _tell(self, thread_id: str, status: Mapping[str, Any]) -> None:
        if self._told is not None:
            self._told.add(thread_id)
        before = self._active.get(thread_id)
        self._note(thread_id, status)
        if self._active.get(thread_id) != before:
            self._changed()

    def _note(self, thread_id: str, status: Mapping[str, Any]) -> None:
        if status.get("type") != "active":
            self._active.pop(thread_id, None)
            return
        if len(thread_id) > _LONGEST_WORD or (len(self._active) >= _MOST_THREADS and thread_id not in self._active):
            return
        waits = not _WAITS.isdisjoint(flag for flag in sequence(status.get("activeFlags")) if isinstance(flag, str))
        self._active[thread_id] = ActiveThread(
            thread_id=thread_id, waits_for_approval=waits, name=self._names.get(thread_id)
        )

    def _name(self, thread_id: str, row: Mapping[str, Any]) -> None:
        self._names.pop(thread_id, None)
        name = text(row.get("name"))
        if name and len(thread_id) <= _LONGEST_WORD:
            self._names[thread_id] = name if len(name) <= _LONGEST_WORD else f"{name[: _LONGEST_WORD - 1]}…"
            if len(self._names) > _MOST_NAMES:
                del self._names[next(iter(self._names))]
