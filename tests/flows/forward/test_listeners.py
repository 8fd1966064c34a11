"""Who is shown in may be sent away at any moment; no connection to the server is left behind."""

import asyncio

import pytest
from tests.support.base.loop import run

from remora.flows.forward.listeners import show_in
from remora.ports import ByteStream
from remora.testing.memory_streams import memory_stream_pair


@pytest.mark.parametrize("passes", range(8))
def test_a_server_that_is_there_when_its_client_is_sent_away_is_let_go(passes: int) -> None:
    async def work() -> None:
        ready = asyncio.Event()
        (client, _), (server, beyond) = memory_stream_pair(), memory_stream_pair()
        is_given = False

        async def open_server() -> ByteStream:
            nonlocal is_given
            await ready.wait()
            is_given = True
            return server

        visit = asyncio.ensure_future(show_in(client, open_server))
        await _settled(8)
        ready.set()
        await _settled(passes)
        visit.cancel()
        await asyncio.gather(visit, return_exceptions=True)
        if is_given:
            assert await asyncio.wait_for(beyond.read(), 10) == b""

    run(work())


async def _settled(passes: int) -> None:
    for _ in range(passes):
        await asyncio.sleep(0)
