"""Items that are under way, for requests that only name them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from remora.core.approval.request import ApprovalRequest, RequestKind, ToolCall
from remora.core.thread.changes import ChangedFile
from remora.wire.appserver.calls import mapping, text
from remora.wire.appserver.file_changes import read_changes, whole_diff

_Changes = tuple[ChangedFile, ...]


@dataclass(frozen=True, slots=True)
class _Call:
    server: str | None
    tool: str | None
    arguments: Any


class UnderWay:
    """File changes, tool calls and programs of one thread. An id that comes twice means what came last."""

    def __init__(self) -> None:
        self._changes: dict[str, _Changes] = {}
        self._calls: dict[str, _Call] = {}
        self._programs: dict[str, tuple[str | None, str]] = {}

    def began(self, key: str, kind: str, item: Mapping[str, Any]) -> None:
        """An item has started."""
        match kind:
            case "fileChange":
                self._changes[key] = read_changes(item)
            case "mcpToolCall":
                self._calls[key] = _Call(text(item.get("server")), text(item.get("tool")), item.get("arguments"))
            case "commandExecution":
                self._programs[key] = (text(item.get("processId")), text(item.get("command")) or "")

    def ended(self, key: str) -> None:
        """An item has ended."""
        self._changes.pop(key, None)
        self._calls.pop(key, None)
        self._programs.pop(key, None)

    def complete(self, request: ApprovalRequest) -> ApprovalRequest:
        """`request` with what the server told of it before, when its item started."""
        match request.kind:
            case RequestKind.FILE_CHANGE if not request.changes:
                changes = self._changes.get(request.item_id or "", ())
                return replace(request, changes=changes, diff=whole_diff(changes) if changes else None)
            case RequestKind.MCP_TOOL:
                return replace(request, tool=self._tool(request))
            case RequestKind.TERMINAL_INPUT if request.terminal_input:
                runs = self._program(request.terminal_input.terminal, request.item_id)
                return replace(request, terminal_input=replace(request.terminal_input, runs=runs))
        return request

    def _program(self, terminal: str, item_id: str | None) -> str | None:
        """What runs in a terminal. An item that waited for an approval has no process; the request names that item."""
        named = (command for process, command in self._programs.values() if process == terminal)
        process, command = self._programs.get(item_id or "", (None, None))
        return next(named, command if process is None else None)

    def _tool(self, request: ApprovalRequest) -> ToolCall | None:
        """Old servers name the tool in words only; its item says which it is, if no other could be meant."""
        tool = request.tool
        if tool is None:
            call = self._calls.get(request.item_id or "")
            return ToolCall(server=call.server, name=call.tool, arguments=call.arguments) if call else None
        if tool.name is not None:
            return tool
        calls = [
            call
            for call in self._calls.values()
            if call.server == tool.server and mapping(call.arguments) == mapping(tool.arguments)
        ]
        return replace(tool, name=calls[0].tool) if len(calls) == 1 else tool
