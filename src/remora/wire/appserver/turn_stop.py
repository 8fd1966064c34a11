"""What is asked of an app server when a turn is to end with all that it started."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from remora.wire.appserver.calls import mapping, number, sequence, text

_OUTPUT_LIMIT: Final = 1_000_000
_ACTIVE: Final = "active"


@dataclass(frozen=True, slots=True)
class BackgroundTerminal:
    """A command that outlived its turn: the item that started it, and the server's handle of it."""

    item_id: str
    process_id: str


@dataclass(frozen=True, slots=True)
class LoadedThread:
    """A thread that the server has in memory. `parent` is the thread whose agent began it."""

    thread_id: str
    parent: str | None
    active: bool


def of_thread(thread_id: str) -> dict[str, Any]:
    """Parameters of the methods that only name a thread: ``thread/read``, ``thread/goal/get``, the terminals'."""
    return {"threadId": thread_id}


def pause_goal(thread_id: str) -> dict[str, Any]:
    """Parameters of ``thread/goal/set`` for a goal that is not to start another turn."""
    return {"threadId": thread_id, "status": "paused"}


def terminate(thread_id: str, terminal: BackgroundTerminal) -> dict[str, Any]:
    """Parameters of ``thread/backgroundTerminals/terminate``."""
    return {"threadId": thread_id, "processId": terminal.process_id}


def execute(words: Sequence[str], *, seconds: float) -> dict[str, Any]:
    """Parameters of ``command/exec`` for a look at the machine: outside of the sandbox, which hides its processes."""
    return {
        "command": list(words),
        "cwd": "/",
        "sandboxPolicy": {"type": "dangerFullAccess"},
        "timeoutMs": round(seconds * 1000),
        "outputBytesCap": _OUTPUT_LIMIT,
    }


def read_executed(answer: Any) -> str:
    """What the command wrote; nothing when it failed."""
    body = mapping(answer)
    return (text(body.get("stdout")) or "") if number(body.get("exitCode")) == 0 else ""


def has_active_goal(answer: Any) -> bool:
    """Whether ``thread/goal/get`` tells of a goal that starts turns by itself."""
    return mapping(mapping(answer).get("goal")).get("status") == _ACTIVE


def read_terminals(answer: Any) -> list[BackgroundTerminal]:
    """The rows of ``thread/backgroundTerminals/list``."""
    rows = map(mapping, sequence(mapping(answer).get("data")))
    return [BackgroundTerminal(text(row.get("itemId")) or "", text(row.get("processId")) or "") for row in rows]


def read_loaded(answer: Any) -> list[str]:
    """The ids of ``thread/loaded/list``."""
    return [row for row in sequence(mapping(answer).get("data")) if isinstance(row, str)]


def read_loaded_thread(answer: Any) -> LoadedThread:
    """Read ``thread/read``. Servers before 0.163 tell the parent only with what began the thread."""
    thread = mapping(mapping(answer).get("thread"))
    spawned = mapping(mapping(_sub_agent(thread)).get("thread_spawn"))
    return LoadedThread(
        text(thread.get("id")) or "",
        text(thread.get("parentThreadId")) or text(spawned.get("parent_thread_id")),
        mapping(thread.get("status")).get("type") == _ACTIVE,
    )


def family(root: str, threads: Sequence[LoadedThread]) -> list[LoadedThread]:
    """The thread `root` and all that descend from it."""
    found = {root}
    while more := {thread.thread_id for thread in threads if thread.parent in found} - found:
        found |= more
    return [thread for thread in threads if thread.thread_id in found]


def _sub_agent(thread: Mapping[str, Any]) -> Any:
    return mapping(thread.get("source")).get("subAgent")
