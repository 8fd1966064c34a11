"""What an item without a view of its own is called on the screen."""

import re
from typing import Final

from remora.wire.reports.run import OtherItem

_COLLABORATION: Final = "collabAgentToolCall"
_KINDS: Final = {_COLLABORATION: "sub-agents", "mcpToolCall": "MCP tool", "dynamicToolCall": "tool"}
_STATUSES: Final = {"in-progress": "begins"}
_WORD_BEGINS: Final = re.compile(r"(?<=[a-z])[A-Z]")


def item_words(event: OtherItem) -> str:
    """Kind, summary and status; the server's name of an unknown kind is split into words."""
    kind = _KINDS.get(event.item_type) or _apart(event.item_type)
    summary = event.summary
    if event.item_type == _COLLABORATION:  # its tool is one of the server's names, too
        tool, gap, prompt = summary.partition(" ")
        summary = f"{_apart(tool)}{gap}{prompt}"
    status = _STATUSES.get(event.status, event.status)
    return f"{kind}: {summary} ({status})" if summary else f"{kind} ({status})"


def _apart(name: str) -> str:
    return _WORD_BEGINS.sub(lambda letter: f" {letter[0].lower()}", name)
