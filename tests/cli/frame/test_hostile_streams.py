"""What leaves us for a script, and what comes from one: no bytes that break either."""

import asyncio
import io
import json
import os
import sys
from collections.abc import AsyncGenerator

import pytest
from tests.support.base.program import remora
from tests.support.screen.run_events import HOSTILE, REPORT
from tests.support.screen.run_views import Recorder

from remora import api
from remora.cli.frame.floor import Floor
from remora.cli.frame.output import write_document
from remora.cli.frame.typed import read_prompt
from remora.cli.process.early_end import EarlyEnd
from remora.cli.thread.run_follow import follow
from remora.core.errors import UsageProblem
from remora.core.host.hosts import Address
from remora.wire.reports.run import Message, RunEvent, TextDelta


class Bytes(io.TextIOWrapper):
    """A standard stream over bytes in memory."""

    def __init__(self, content: bytes = b"") -> None:
        self.kept = io.BytesIO(content)
        super().__init__(self.kept, encoding="utf-8")


def test_a_json_line_moves_no_terminal_and_means_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    out = Bytes()
    monkeypatch.setattr(sys, "stdout", out)
    text = HOSTILE + "\u2066 \u2028 \ufeff naïve 日本語"
    write_document(Message(item_id="m", text=text))
    written = out.kept.getvalue().decode()
    assert json.loads(written)["text"] == text
    assert "naïve 日本語" in written
    assert not any(hidden in written for hidden in "\x1b\x07\x9b\u202e\u2066\u2028\ufeff")


def test_a_prompt_on_standard_input_need_not_be_utf8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Bytes(b"fix caf\xe9"))
    assert read_prompt("-", Address("box")) == "fix caf\\xe9"


@pytest.mark.parametrize("name", ["thread", "model", "effort"])
def test_a_name_that_is_no_utf8_is_a_usage_problem(name: str) -> None:
    with pytest.raises(UsageProblem, match=name):
        api.run_request("hi", **{name: "\udcff"})


def test_bytes_in_a_name_are_told_as_usage_by_the_program() -> None:
    ended = remora("run", "devbox", "hi", "--model", os.fsdecode(b"\xff"))
    assert ended.returncode == 2
    assert b"UTF-8" in ended.stderr


async def test_a_server_that_talks_on_below_a_question_fills_no_memory() -> None:
    told = 0

    async def talkative() -> AsyncGenerator[RunEvent, None]:
        nonlocal told
        for told in range(1, 100_001):  # noqa: B007 - counted for the test
            yield TextDelta(item_id="m", text="x")
        yield REPORT

    floor, view = Floor(), Recorder()
    floor.announce("asked")
    answered = asyncio.Event()

    async def question() -> None:
        async with floor.ask("asked"):
            await answered.wait()

    asking = asyncio.create_task(question())
    await asyncio.sleep(0)
    following = asyncio.create_task(follow(talkative(), view, floor, view, EarlyEnd(), alias="box", patience=60.0))
    before = -1
    while told > before:
        before = told
        for _ in range(1_000):
            await asyncio.sleep(0)
    assert 1_000 < told < 50_000
    answered.set()
    await asking
    assert await following == 0
    assert told == 100_000
