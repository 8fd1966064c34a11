"""Streams that outlive whoever holds the connection: a session inside a session, with a real relay."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.base.until import until
from tests.support.codex.launch_words import nonce
from tests.support.link.relay_process import RelayBench, echo, relay_bench
from tests.support.network.counted_stream import exchange

from remora.adapters.machine.system_clock import SystemClock
from remora.core.errors import Code, LaunchProblem, RemoraError
from remora.core.link.faults import link_missing
from remora.core.settings import DEFAULT_LIMITS
from remora.flows.link.lasting_streams import LastingStreams, while_kept
from remora.flows.relay.relay import RelaySession
from remora.ports import ByteStream


class Holders:
    """Hubs, one after the other: each has a session of its own with the relay."""

    def __init__(self, bench: RelayBench) -> None:
        self._bench = bench
        self._session: RelaySession | None = None
        self._holding: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self.reached = 0
        self.refusal: RemoraError | None = None

    @property
    def streams(self) -> int:
        """How many streams the one of now carries."""
        return 0 if self._session is None else self._session.streams

    async def begin(self) -> None:
        """A new one, connected."""
        self._session = self._bench.session()
        self._holding = asyncio.ensure_future(self._hold(self._session))
        await self._ready.wait()

    async def kill(self) -> None:
        """It is there no more, and had no time to say so to the host."""
        session, holding = self._session, self._holding
        assert session is not None
        assert holding is not None
        self._session = None
        self._ready.clear()
        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)
        await session.leave()

    async def reach(self) -> ByteStream:
        """A way to the relay, as a link's side door is one."""
        if self.refusal is not None:
            raise self.refusal
        while not self._ready.is_set() or self._session is None:  # it may be killed before we run again
            await self._ready.wait()
        self.reached += 1
        return self._session.open("relay")

    async def was_reached(self, times: int) -> None:
        """Wait until so many ways were given."""
        await until(lambda: self.reached >= times, what="a new way")

    async def _hold(self, session: RelaySession) -> None:
        async with self._bench.attached(session) as attachment:
            self._ready.set()
            await attachment.wait_lost()


@asynccontextmanager
async def held(folder: Path) -> AsyncIterator[tuple[Holders, LastingStreams]]:
    async with relay_bench(folder, echo) as bench:
        holders = Holders(bench)
        await holders.begin()
        streams = LastingStreams(
            holders.reach, clock=SystemClock(), limits=DEFAULT_LIMITS, nonce=nonce, chance=lambda: 0.0
        )
        yield holders, streams
        await holders.kill()


def test_killing_the_holder_again_and_again_costs_no_byte(tmp_path: Path) -> None:
    async def go() -> None:
        async with held(tmp_path) as (holders, streams):

            async def work() -> None:
                stream = await streams.open_server()
                moving = asyncio.ensure_future(exchange(stream, salt=1, total=20_000_000))
                for number in range(1, 6):
                    await holders.was_reached(number)
                    assert number > 1 or not moving.done()
                    await holders.kill()
                    await holders.begin()
                await moving
                await stream.close()

            await while_kept(streams, work())

    run(go(), limit=60)


async def test_when_it_is_left_nothing_stays_on_the_host(tmp_path: Path) -> None:
    async with held(tmp_path) as (holders, streams):

        async def work() -> None:
            stream = await streams.open_server()
            await stream.write(b"here")
            assert await stream.read() == b"here"
            assert holders.streams == 1

        await while_kept(streams, work())
        await until(lambda: not holders.streams, what="no stream")


async def test_a_way_that_cannot_be_had_any_more_ends_the_work_and_says_why(tmp_path: Path) -> None:
    async with held(tmp_path) as (holders, streams):

        async def work() -> None:
            stream = await streams.open_server()
            await stream.write(b"here")
            assert await stream.read() == b"here"
            holders.refusal = link_missing("devbox", "was dropped")
            await holders.kill()
            await holders.begin()
            await stream.read()

        with pytest.raises(LaunchProblem) as caught:
            await while_kept(streams, work())
        assert caught.value.code is Code.LINK_MISSING
