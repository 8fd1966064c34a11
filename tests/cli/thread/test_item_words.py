"""Items without a view of their own, in words."""

import pytest

from remora.cli.thread.item_words import item_words
from remora.wire.reports.run import OtherItem


@pytest.mark.parametrize(
    ("kind", "status", "summary", "shown"),
    [
        (
            "collabAgentToolCall",
            "in-progress",
            "spawnAgent Do it, too.",
            "sub-agents: spawn agent Do it, too. (begins)",
        ),
        ("collabAgentToolCall", "completed", "wait", "sub-agents: wait (completed)"),
        ("mcpToolCall", "failed", "files listAll", "MCP tool: files listAll (failed)"),
        ("webSearch", "completed", "python add", "web search: python add (completed)"),
        ("enteredReviewMode", "completed", "", "entered review mode (completed)"),
    ],
)
def test_no_name_of_the_servers_own_is_on_the_screen(kind: str, status: str, summary: str, shown: str) -> None:
    assert item_words(OtherItem(item_id="i", item_type=kind, status=status, summary=summary)) == shown
