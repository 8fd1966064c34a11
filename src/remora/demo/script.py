"""What the scripted model says: the steps of a script, and which of them a request asks for.

No I/O here. The place in the script is read from the conversation itself (each step leaves exactly one
thing in the history: an assistant message or a tool's output), so an endpoint that was restarted, or
asked again after a broken connection, goes on where it was.
"""

import asyncio
import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

_TOOL_OUTPUTS: Final = frozenset({"function_call_output", "custom_tool_call_output", "local_shell_call_output"})
_OVER: Final = "The script is over."
_STILL_RUNS: Final = re.compile(r"Process running with session ID (\d+)")
_QUESTION: Final = "question-"
"""What the call ids begin with that ask after a command; their answers are not steps of the script."""
_PATIENCE_MS: Final = 300_000
"""The longest time that the app server waits for a command when it is asked after it."""


class Gate:
    """A point at which the model holds its answer until a test or the demo lets it go on."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._opened = threading.Event()

    def open(self) -> None:
        """Let the answer go on, now and whenever the gate is reached again."""
        self._opened.set()

    async def reached(self, limit: float = 30.0) -> None:
        """Wait until the model stands at this gate. Raises :class:`TimeoutError` after `limit` seconds."""
        if not await asyncio.to_thread(self._reached.wait, limit):
            raise TimeoutError("the scripted model did not reach the gate")

    def hold(self, limit: float) -> None:
        """Stand here until opened, `limit` seconds at most; called by the endpoint's own thread."""
        self._reached.set()
        self._opened.wait(limit)


@dataclass(frozen=True, slots=True)
class Say:
    """A message of the model, streamed in pieces of `piece` characters.

    With `ends_turn` false the next step belongs to the same answer.
    """

    text: str
    ends_turn: bool = True
    piece: int = 24


@dataclass(frozen=True, slots=True)
class Chunks:
    """A message of `total_bytes` ASCII characters, streamed in pieces of `piece`."""

    total_bytes: int
    ends_turn: bool = True
    piece: int = 65536


@dataclass(frozen=True, slots=True)
class RunCommand:
    """A shell command. With `escalate` the app server has to ask for an approval first.

    The model waits `wait_ms` for its end, and goes on without it after that; with `to_the_end` it asks after
    the command until it has ended, as a real model does (servers wait 30 s at most when they start one).
    """

    command: str
    escalate: bool = False
    justification: str = ""
    wait_ms: int = 30_000
    to_the_end: bool = False


@dataclass(frozen=True, slots=True)
class Patch:
    """A change of files in the ``apply_patch`` language, from ``*** Begin Patch`` to ``*** End Patch``."""

    patch: str


@dataclass(frozen=True, slots=True)
class UpdatePlan:
    """The plan as (step, status) pairs; `status` is ``pending``, ``in_progress`` or ``completed``.

    Servers that offer no such tool get the plan as a message.
    """

    steps: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class CallTool:
    """A call of any function tool, whether the server offers it or not. Some tools are in a `namespace`."""

    name: str
    arguments: Mapping[str, Any]
    namespace: str | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Hold the answer here until `gate` is opened. What came before it in the same answer is sent."""

    gate: Gate


@dataclass(frozen=True, slots=True)
class Fail:
    """Answer a request with an HTTP error, once per conversation; the next request goes on after it.

    Put it where an answer begins: at the start, after a tool step, or after a message that ends the turn.
    """

    status: int = 500
    message: str = "scripted failure"


Step = Say | Chunks | RunCommand | Patch | UpdatePlan | CallTool | Wait | Fail
_Lasting = Say | Chunks | RunCommand | Patch | UpdatePlan | CallTool
Event = dict[str, Any]


def conversation_of(request: Mapping[str, Any]) -> str:
    """The thread a request belongs to."""
    return str(request.get("prompt_cache_key") or "one")


def position_of(request: Mapping[str, Any]) -> int:
    """How many steps of the script this conversation has behind it."""
    return sum(
        1
        for item in request.get("input", [])
        if _is_step_output(item) or (item.get("type") == "message" and item.get("role") == "assistant")
    )


def _is_step_output(item: Mapping[str, Any]) -> bool:
    return item.get("type") in _TOOL_OUTPUTS and not str(item.get("call_id")).startswith(_QUESTION)


@dataclass(slots=True)
class Script:
    """Steps in order, and the part of them that one request asks for."""

    steps: Sequence[Step]
    _failed: set[tuple[str, int]] = field(default_factory=set)

    def gates(self) -> Iterator[Gate]:
        """Every gate in the script."""
        return (step.gate for step in self.steps if isinstance(step, Wait))

    def failure(self, request: Mapping[str, Any]) -> Fail | None:
        """The failure that is due for this request; it is due only once."""
        for index in range(self._start(position_of(request)), len(self.steps)):
            step = self.steps[index]
            key = (conversation_of(request), index)
            if isinstance(step, Fail):
                if key not in self._failed:
                    self._failed.add(key)
                    return step
            elif not isinstance(step, Wait):
                return None
        return None

    def answer(self, request: Mapping[str, Any]) -> Iterator[Event | Gate]:
        """The server-sent events of one answer; a :class:`Gate` among them means: hold here."""
        position = position_of(request)
        answer_id = f"answer-{conversation_of(request)}-{len(request.get('input', []))}"
        yield {"type": "response.created", "response": {"id": answer_id}}
        written = 0
        session = self._session_awaited(request)
        if session is not None:
            arguments = {"session_id": session, "chars": "", "yield_time_ms": _PATIENCE_MS}
            yield from _item(_function_call("write_stdin", arguments, f"{_QUESTION}{answer_id}"))
        for step in self._due(request) if session is None else ():
            if isinstance(step, Wait):
                yield step.gate
                continue
            for event in _events(step, request, f"item-{conversation_of(request)}-{position}"):
                written += 1
                yield event
            position += 1
        yield {"type": "response.completed", "response": {"id": answer_id, "usage": _usage(request, written)}}

    def _session_awaited(self, request: Mapping[str, Any]) -> int | None:
        """The session of the command whose end the script waits for, if it still runs."""
        last: Mapping[str, Any] = next(iter(reversed(request.get("input", []))), {})
        behind = self.steps[: self._start(position_of(request))]
        command = next((step for step in reversed(behind) if not isinstance(step, Wait | Fail)), None)
        if last.get("type") not in _TOOL_OUTPUTS or not isinstance(command, RunCommand) or not command.to_the_end:
            return None
        found = _STILL_RUNS.search(json.dumps(last.get("output")))
        return int(found[1]) if found else None

    def _due(self, request: Mapping[str, Any]) -> Iterator[_Lasting | Wait]:
        lasting = False
        for step in self.steps[self._start(position_of(request)) :]:
            if isinstance(step, Fail):
                continue
            yield step
            lasting = lasting or not isinstance(step, Wait)
            if _ends_answer(step, request):
                return
        if not lasting:
            yield Say(_OVER)

    def _start(self, position: int) -> int:
        """The index of the first step after `position` lasting ones."""
        for index, step in enumerate(self.steps):
            if position == 0:
                return index
            if not isinstance(step, Wait | Fail):
                position -= 1
        return len(self.steps)


def _ends_answer(step: _Lasting | Wait, request: Mapping[str, Any]) -> bool:
    match step:
        case Say(ends_turn=ends) | Chunks(ends_turn=ends):
            return ends
        case UpdatePlan():
            return "update_plan" in _tools(request)
        case Wait():
            return False
        case _:
            return True


def _events(step: _Lasting, request: Mapping[str, Any], item_id: str) -> Iterator[Event]:
    match step:
        case Say(text=text, piece=piece):
            yield from _message(item_id, text, piece)
        case Chunks(total_bytes=total, piece=piece):
            yield from _message(item_id, "x" * total, piece)
        case RunCommand():
            yield from _item(_command(step, _tools(request), item_id))
        case Patch(patch=patch):
            yield from _item(_patch(patch, _tools(request), item_id))
        case CallTool(name=name, arguments=arguments, namespace=namespace):
            call = _function_call(name, arguments, item_id)
            yield from _item(call if namespace is None else {**call, "namespace": namespace})
        case UpdatePlan(steps=steps) if "update_plan" in _tools(request):
            plan = [{"step": text, "status": status} for text, status in steps]
            yield from _item(_function_call("update_plan", {"plan": plan}, item_id))
        case UpdatePlan(steps=steps):
            lines = [f"- [{'x' if status == 'completed' else ' '}] {text}" for text, status in steps]
            yield from _message(item_id, "\n".join(lines), piece=80)


def _message(item_id: str, text: str, piece: int) -> Iterator[Event]:
    item: Event = {"type": "message", "role": "assistant", "id": item_id, "content": []}
    yield {"type": "response.output_item.added", "output_index": 0, "item": item}
    for start in range(0, len(text), piece):
        yield {
            "type": "response.output_text.delta",
            "item_id": item_id,
            "output_index": 0,
            "content_index": 0,
            "delta": text[start : start + piece],
        }
    yield from _item({**item, "content": [{"type": "output_text", "text": text, "annotations": []}]})


def _item(item: Event) -> Iterator[Event]:
    yield {"type": "response.output_item.done", "output_index": 0, "item": item}


def _function_call(name: str, arguments: Mapping[str, Any], call_id: str) -> Event:
    return {
        "type": "function_call",
        "id": call_id,
        "call_id": call_id,
        "name": name,
        "arguments": json.dumps(arguments),
    }


def _tools(request: Mapping[str, Any]) -> dict[str, str]:
    """The kinds of the tools on offer, by name; which there are differs between server generations."""
    return {str(tool.get("name", tool.get("type"))): str(tool.get("type")) for tool in request.get("tools", [])}


def _command(step: RunCommand, tools: Mapping[str, str], call_id: str) -> Event:
    escalation: dict[str, Any] = {}
    if step.escalate:
        escalation = {"sandbox_permissions": "require_escalated", "justification": step.justification}
    if "exec_command" in tools:
        return _function_call(
            "exec_command", {"cmd": step.command, "yield_time_ms": step.wait_ms, **escalation}, call_id
        )
    if "shell_command" in tools:
        return _function_call("shell_command", {"command": step.command, **escalation}, call_id)
    words = ["/bin/sh", "-c", step.command]
    if "local_shell" in tools:
        action = {"type": "exec", "command": words}
        return {"type": "local_shell_call", "id": call_id, "call_id": call_id, "status": "completed", "action": action}
    return _function_call("shell", {"command": words, **escalation}, call_id)


def _patch(patch: str, tools: Mapping[str, str], call_id: str) -> Event:
    kind = tools.get("apply_patch")
    if kind == "custom":
        return {"type": "custom_tool_call", "id": call_id, "call_id": call_id, "name": "apply_patch", "input": patch}
    if kind == "function":
        return _function_call("apply_patch", {"input": patch}, call_id)
    command = RunCommand(f"apply_patch <<'END_OF_PATCH'\n{patch.strip()}\nEND_OF_PATCH\n")
    return _command(command, tools, call_id)


def _usage(request: Mapping[str, Any], written: int) -> Event:
    """Made-up but growing numbers, so that what shows token use has something to show."""
    read = 100 * len(request.get("input", []))
    return {
        "input_tokens": read,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": read + written,
    }
