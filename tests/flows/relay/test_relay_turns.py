"""A host that floods its relay's connection: whatever it sends, everybody else has a turn of the loop in between."""

import asyncio
from collections.abc import Iterator

import pytest
from tests.support.base.loop import run
from tests.support.link.relay_line import Line, Near, laptop, welcome

from remora.core.errors import Code
from remora.core.settings import DEFAULT_LIMITS
from remora.wire.relay import relay_frames as frames

FLOOD = 60_000
PIECE = 1_000
AT_MOST = 1_000
"""Frames of one host in one turn of the loop."""


def pings(count: int) -> Iterator[bytes]:
    for start in range(0, count, PIECE):
        yield b"".join(frames.encode(frames.PING, b"%d" % number) for number in range(start, start + PIECE))


def one_byte_frames(count: int) -> Iterator[bytes]:
    for start in range(0, count, PIECE):
        numbers = range(start, start + PIECE)
        yield b"".join(frames.encode(frames.DATA, b"%d" % (n % 10), stream=1, number=n + 1) for n in numbers)


@pytest.mark.parametrize("listened", [True, False], ids=["as-it-comes", "read"])
def test_the_streams_of_another_host_go_on_while_one_floods(listened: bool) -> None:
    async def go() -> None:
        good, bad = laptop(), laptop()
        fine, flooded = Line(), Line()
        fine.answer(welcome())
        flooded.answer(welcome())
        async with good.attach(fine), bad.attach(flooded):
            stream, near = good.open("server"), Near()
            bad.carry("port:5173", near, served=lambda: None, left=lambda: None)
            bad.flush()
            await asyncio.sleep(0)
            came = 0

            async def talk() -> None:
                nonlocal came
                while True:
                    fine.answer(frames.encode(frames.DATA, b"x", stream=1, number=came + 1))
                    came += len(await stream.read())
                    await asyncio.sleep(0)

            talking = asyncio.create_task(talk())
            pieces = list(one_byte_frames(FLOOD))
            for piece in pieces if listened else [b"".join(pieces)]:
                flooded.answer(piece)
            assert len(near.given) <= AT_MOST, "a whole flood was taken in the moment it came"
            while len(near.given) < FLOOD:
                seen = len(near.given)
                await asyncio.sleep(0)
                assert len(near.given) - seen <= AT_MOST
            talking.cancel()
            assert came >= FLOOD // AT_MOST
            assert near.given == b"0123456789" * (FLOOD // 10), "not every byte in its order"

    run(go())


async def test_what_came_with_the_welcome_is_taken_in_turns_and_in_order() -> None:
    session, line, near = laptop(), Line(), Near()
    session.carry("port:5173", near, served=lambda: None, left=lambda: None)
    line.answer(welcome() + b"".join(one_byte_frames(FLOOD)))
    async with session.attach(line):
        while len(near.given) < FLOOD:
            seen = len(near.given)
            await asyncio.sleep(0)
            assert len(near.given) - seen <= AT_MOST
        line.answer(frames.encode(frames.DATA, b"last", stream=1, number=FLOOD + 1))
        assert near.given.endswith(b"89last")


async def test_the_questions_of_a_moment_are_answered_in_one_piece() -> None:
    session, line = laptop(), Line()
    line.answer(welcome())
    async with session.attach(line):
        await asyncio.sleep(0)
        line.take()
        before = line.at_once
        line.answer(b"".join(frames.encode(frames.PING, b"%d" % number) for number in range(20)))
        assert line.at_once == before + 1
        answers = frames.FrameReader().feed(line.take())
        assert [(frame.kind, frame.payload) for frame in answers] == [(frames.PONG, b"%d" % n) for n in range(20)]


async def test_a_flood_that_breaks_the_rules_in_its_middle_ends_that_connection_alone() -> None:
    session, line = laptop(), Line()
    line.answer(welcome())
    async with session.attach(line) as attachment:
        await asyncio.sleep(0)
        for piece in pings(FLOOD):
            line.answer(piece)
        line.answer(b"no frame at all, and long enough for one")
        lost = await attachment.wait_lost()
        assert lost.code is Code.RELAY_FAILED
        assert len(line.written) < DEFAULT_LIMITS.relay_memory
