"""One connection of the laptop's side of the relay, in memory: what it waits for, and what it tells."""

import asyncio
from dataclasses import replace

import pytest
from tests.support.link.relay_laptop import FarSide, Laptop, lost

from remora.core.errors import Code, RemoraError
from remora.core.settings import DEFAULT_LIMITS
from remora.flows.relay.relay import RelaySession
from remora.testing.manual_clock import ManualClock
from remora.wire.relay import relay_frames as frames
from remora.wire.relay.frame_session import ACK_DELAY


async def test_the_token_is_not_the_name_and_no_secret_is_shown() -> None:
    laptop = Laptop()
    async with laptop.attached() as attachment:
        table = frames.read_table(laptop.far.heard[0])
        assert table["token"] not in {table["session"], ""}
        assert table["token"] not in repr(vars(laptop.session)) + repr(attachment)


async def test_a_relay_that_does_not_answer_is_given_up_in_time() -> None:
    laptop = Laptop()

    async def attach() -> None:
        async with laptop.session.attach(laptop.far.connection()):
            pass

    attaching = asyncio.ensure_future(attach())
    await laptop.clock.advance(DEFAULT_LIMITS.handshake + 0.1)
    with pytest.raises(RemoraError, match="did not answer") as failed:
        await attaching
    assert failed.value.code is Code.TIME_LIMIT


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        (b"Segmentation fault\n" * 3, "is not the relay"),
        (frames.encode(frames.REFUSED, b"protocol 7"), "refused this session"),
        (frames.encode(frames.PONG), "an invalid answer"),
        (frames.encode_table(frames.WELCOME, {"resumed": True}), "an invalid answer"),
        (
            frames.encode_table(frames.WELCOME, {"resumed": True, "incarnation": "a", "received": 9}),
            "an invalid answer",
        ),
        (
            frames.encode_table(frames.WELCOME, {"resumed": True, "incarnation": "a", "received": 0}),
            "an invalid answer",
        ),
        (b"", "closed the connection"),
    ],
)
async def test_a_strange_answer_is_an_error_with_what_was_said(said: bytes, seen: str) -> None:
    laptop = Laptop()
    connection = laptop.far.connection()
    if said:
        await laptop.far.say(said)
    else:
        await laptop.far.stream.write_eof()
    with pytest.raises(RemoraError, match=seen) as failed:
        async with laptop.session.attach(connection):
            pass
    assert failed.value.code is Code.RELAY_FAILED
    async with laptop.attached() as attachment:
        assert attachment is not None


async def test_what_is_owed_is_known_since_when_and_an_idle_line_owes_nothing() -> None:
    laptop = Laptop()
    async with laptop.attached() as attachment:
        seen: list[float | None] = []
        await laptop.clock.advance(100)
        seen.append(attachment.quiet_since)
        stream = laptop.session.open("server")
        await stream.write(b"question")
        await laptop.clock.settle()
        seen.append(attachment.quiet_since)
        await laptop.far.listen()
        await laptop.clock.advance(5)
        seen.append(attachment.quiet_since)
        laptop.far.session.acknowledge()
        await laptop.far.flush()
        await laptop.clock.settle()
        assert [*seen, attachment.quiet_since] == [None, 100, 100, None]
        await laptop.clock.advance(1000)
        assert laptop.far.stream._incoming._data == b""


async def test_an_answer_is_acknowledged_a_moment_later_once() -> None:
    laptop = Laptop()
    async with laptop.attached():
        stream = laptop.session.open("server")
        await laptop.clock.settle()
        await laptop.far.listen()
        for _ in range(3):
            await laptop.far.send(laptop.far.opened[0], b"word")
        await laptop.clock.settle()
        assert [await stream.read(4) for _ in range(3)] == [b"word"] * 3
        await laptop.clock.advance(ACK_DELAY)
        assert [frame.kind for frame in await laptop.far.listen()] == [frames.ACK]
        assert not laptop.far.session.awaits_ack


async def test_ping_is_true_for_an_answer_and_false_after_the_limit_and_at_a_break() -> None:
    laptop = Laptop()
    async with laptop.attached() as attachment:
        asking = asyncio.ensure_future(attachment.ping(5))
        await laptop.clock.settle()
        [ping] = await laptop.far.listen()
        await laptop.far.say(frames.encode(frames.PONG, ping.payload))
        assert await asking
        seen = [attachment.quiet_since]
        asking = asyncio.ensure_future(attachment.ping(5))
        await laptop.clock.advance(5)
        assert not await asking
        assert [*seen, attachment.quiet_since] == [None, 0]
        asking = asyncio.ensure_future(attachment.ping(5))
        await laptop.clock.settle()
        laptop.far.stream.fail(lost())
        assert not await asking
        assert (await attachment.wait_lost()).code is Code.CONNECTION_LOST


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (frames.encode(frames.LEAVING), Code.HOST_LEFT),
        (frames.encode(frames.BYE, b"taken over"), Code.RELAY_FAILED),
        (b"\xff" * 100, Code.RELAY_FAILED),
        (frames.encode(frames.DATA, b"x", stream=1, number=7), Code.RELAY_FAILED),
        (frames.encode(frames.HELLO), Code.RELAY_FAILED),
    ],
)
async def test_why_it_ended_is_told(frame: bytes, code: Code) -> None:
    laptop = Laptop()
    async with laptop.attached() as attachment:
        await laptop.far.say(frame)
        assert (await attachment.wait_lost()).code is code


async def test_a_host_that_asks_and_never_listens_fills_no_memory() -> None:
    laptop = Laptop()
    async with laptop.attached() as attachment:
        for _ in range(400):
            await laptop.far.say(frames.encode(frames.PING, b"x" * 60_000))
        laptop.session.open("server")
        came: list[frames.Frame] = []
        while not any(frame.kind == frames.OPEN for frame in came):
            came += await laptop.far.listen()
        answers = sum(frame.kind == frames.PONG for frame in came)
        assert 0 < answers < 200
        assert not attachment.lost


async def test_limits_travel_with_the_hello() -> None:
    far = FarSide()
    limits = replace(DEFAULT_LIMITS, relay_disk=7, lease=8.0)
    session = RelaySession(clock=ManualClock(), limits=limits, nonce=lambda: "ab" * 16)
    connection = far.connection()
    answering = asyncio.ensure_future(far.welcome())
    async with session.attach(connection):
        await answering
    table = frames.read_table(far.heard[0])
    assert (table["disk"], table["lease"], table["protocol"]) == (7, 8.0, frames.PROTOCOL)
