"""What a hostile agent says on a terminal: bounded memory, and no line that takes the screen for long."""

import io
import time
import tracemalloc
from collections.abc import Iterator

import pytest

from remora.cli.draw.page import Page
from remora.cli.thread.run_view import MarkdownAnswer, RunView
from remora.wire.appserver.items import Narrator
from remora.wire.reports.run import Message, RunEvent, TextDelta

KEPT = 8 * 2**20
"""Bytes that a view may hold, whatever was said."""


class Terminal(io.StringIO):
    """A terminal that keeps nothing."""

    written = 0

    def write(self, text: str, /) -> int:
        self.written += len(text)
        return len(text)

    def isatty(self) -> bool:
        return True


def view() -> tuple[RunView, Terminal]:
    terminal = Terminal()
    page = Page(terminal, {"TERM": "xterm-256color", "LANG": "C.UTF-8"}, width=80)
    return RunView(page, MarkdownAnswer(page)), terminal


def pieces(text: str) -> Iterator[RunEvent]:
    """`text` without end, as a server says it and the narrator tells it."""
    narrator = Narrator("t")
    narrator.turn_id = "u"
    while True:
        yield from narrator.notification(
            "item/agentMessage/delta", {"threadId": "t", "turnId": "u", "itemId": "a", "delta": text}
        )


@pytest.mark.parametrize(
    "text", ["x" * 5_000, "word ", "x" * 1_000_000, "```\n" + "x" * 5_000, "- item " + "x" * 5_000, "\x1b[0m" * 1000]
)
def test_a_message_that_does_not_end_is_shown_as_it_comes_and_not_kept(text: str) -> None:
    shown, terminal = view()
    said = 0
    tracemalloc.start()
    try:
        for number, event in enumerate(pieces(text)):
            shown.show(event)
            assert isinstance(event, TextDelta)
            said += len(event.text)
            if number % 100 == 0:
                shown.redraw()
            if said > 300_000 or number > 1_000:
                break
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    shown.settle()
    assert terminal.written >= said // 2  # the rest is still under way
    assert kept < KEPT
    assert peak < 3 * KEPT


@pytest.mark.parametrize("hard", ["[", "*a ", "`a", "[a](", "|a|b|\n|-|-|\n", "> ", "a_b ", "<a "])
def test_no_block_takes_the_screen_for_long(hard: str) -> None:
    shown, _ = view()
    began = time.thread_time()
    text = hard * (60_000 // len(hard))
    for start in range(0, len(text), 64 * 1024):
        shown.show(TextDelta(item_id="a", text=text[start : start + 64 * 1024]))
        shown.redraw()
    shown.show(Message(item_id="a", text=text))
    assert time.thread_time() - began < 20


def test_a_large_piece_is_told_in_several() -> None:
    events = []
    for event in pieces("x" * 1_000_000):
        events.append(event)
        if len(events) == 16:
            break
    assert sum(len(event.text) for event in events if isinstance(event, TextDelta)) == 1_000_000
