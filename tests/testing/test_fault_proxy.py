"""The tools that prove the links: each fault does what its name says, and no wrong byte goes unseen."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest
from tests.support.base.until import until
from tests.support.network.counted_stream import CountedBytes, CountedCheck, WrongByte, exchange
from tests.support.network.echo_socket import echo_port
from tests.support.network.fault_proxy import FaultProxy
from tests.support.network.faults import (
    AddressChange,
    BlackholeThenHeal,
    CutInMidFrame,
    CutNow,
    Delay,
    Fault,
    HalfOpen,
    OneByteAtATime,
    RefuseFor,
    ResetInHandshake,
    random_fault,
)
from tests.support.network.streams import PipeStream

from remora.core.errors import RemoraError


@asynccontextmanager
async def proxied_echo() -> AsyncIterator[FaultProxy]:
    async with echo_port() as port:
        with FaultProxy(port) as proxy:
            yield proxy


@asynccontextmanager
async def through(proxy: FaultProxy) -> AsyncIterator[PipeStream]:
    stream = PipeStream(*await asyncio.open_connection("127.0.0.1", proxy.port))
    try:
        yield stream
    finally:
        await stream.close()


async def said_back(stream: PipeStream, text: bytes) -> bytes:
    await stream.write(text)
    return await stream.read()


async def test_bytes_pass_both_ways_and_both_ends_are_told() -> None:
    async with proxied_echo() as proxy, through(proxy) as stream:
        await exchange(stream, salt=1, total=3_000_000)
        assert proxy.carried == 6_000_000


@pytest.mark.parametrize("fault", [CutNow(), RefuseFor(60), ResetInHandshake()], ids=lambda fault: type(fault).__name__)
async def test_what_cuts_resets_every_connection(fault: Fault) -> None:
    async with proxied_echo() as proxy, through(proxy) as one, through(proxy) as other:
        for stream in (one, other):
            assert await said_back(stream, b"there?") == b"there?"
        proxy.strike(fault)
        for stream in (one, other):
            with pytest.raises(RemoraError):
                await stream.read()


async def test_a_cut_in_mid_frame_lets_half_of_a_block_arrive() -> None:
    async with proxied_echo() as proxy, through(proxy) as stream:
        assert await said_back(stream, b"there?") == b"there?"
        proxy.strike(CutInMidFrame())
        await stream.write(b"12345678")
        with pytest.raises(RemoraError):
            await stream.read()
        assert proxy.carried == 12


async def test_a_fault_strikes_after_so_many_bytes() -> None:
    async with proxied_echo() as proxy, through(proxy) as stream:
        proxy.strike(CutNow(), after=100)
        with pytest.raises(RemoraError):
            await exchange(stream, salt=2, total=10_000, largest=20)
        assert proxy.carried >= 100
        assert not proxy.waits


async def test_half_open_is_silence_and_new_connections_are_well() -> None:
    async with proxied_echo() as proxy, through(proxy) as old:
        assert await said_back(old, b"there?") == b"there?"
        proxy.strike(HalfOpen())
        waiting = asyncio.ensure_future(said_back(old, b"still?"))
        async with through(proxy) as new:
            await exchange(new, salt=3, total=100_000)
        assert not waiting.done()
        proxy.heal()
        with pytest.raises(RemoraError):
            await waiting


async def test_a_blackhole_heals_and_nothing_is_lost() -> None:
    async with proxied_echo() as proxy, through(proxy) as stream:
        proxy.strike(BlackholeThenHeal(3600))
        waiting = asyncio.ensure_future(exchange(stream, salt=4, total=100_000))
        async with through(proxy) as new:
            hearing = asyncio.ensure_future(said_back(new, b"me too"))
            await until(lambda: proxy.open_connections == 2)
            assert not waiting.done()
            proxy.heal()
            assert await hearing == b"me too"
        await waiting


async def test_a_blackhole_heals_by_itself() -> None:
    async with proxied_echo() as proxy, through(proxy) as stream:
        proxy.strike(BlackholeThenHeal(0.05))
        await exchange(stream, salt=5, total=1000)


async def test_one_byte_at_a_time_changes_no_byte() -> None:
    async with proxied_echo() as proxy, through(proxy) as stream:
        proxy.strike(OneByteAtATime(2000))
        await exchange(stream, salt=6, total=5000)


async def test_a_refusal_is_a_refusal_and_ends() -> None:
    async with proxied_echo() as proxy:
        port = proxy.port
        proxy.strike(RefuseFor(3600))
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        proxy.heal()
        assert proxy.port == port
        async with through(proxy) as stream:
            await exchange(stream, salt=7, total=1000)


async def test_a_reset_in_the_handshake_strikes_as_often_as_asked() -> None:
    async with proxied_echo() as proxy:
        proxy.strike(ResetInHandshake(times=2, after=50))
        for _ in range(2):
            async with through(proxy) as stream:
                with pytest.raises(RemoraError):
                    await exchange(stream, salt=8, total=1000, largest=40)
        async with through(proxy) as stream:
            await exchange(stream, salt=8, total=1000)


async def test_after_an_address_change_the_old_address_is_dead() -> None:
    async with proxied_echo() as proxy, through(proxy) as old:
        before = proxy.port
        assert await said_back(old, b"there?") == b"there?"
        proxy.strike(AddressChange())
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", before)
        async with through(proxy) as stream:
            await exchange(stream, salt=9, total=1000)
        waiting = asyncio.ensure_future(old.read())
        await asyncio.sleep(0)
        assert not waiting.done()
        proxy.heal()
        with pytest.raises(RemoraError):
            await waiting


async def test_a_delay_is_one_and_a_half_round_trips_for_the_first_answer_and_one_for_the_next() -> None:
    loop = asyncio.get_running_loop()
    async with proxied_echo() as proxy:
        proxy.strike(Delay(0.05))
        began = loop.time()
        async with through(proxy) as stream:
            assert await said_back(stream, b"first") == b"first"
            assert loop.time() - began >= 0.1
            began = loop.time()
            assert await said_back(stream, b"second") == b"second"
            assert loop.time() - began >= 0.05


def test_random_faults_are_the_same_for_the_same_seed_and_of_every_kind() -> None:
    one, two = Random(5), Random(5)  # noqa: S311 - reproducible faults
    faults = [random_fault(one) for _ in range(200)]
    assert faults == [random_fault(two) for _ in range(200)]
    assert len({type(fault) for fault in faults}) == 8


@pytest.mark.parametrize(
    ("spoil", "story"),
    [
        (lambda data: data[:1000] + data[1003:], "3 bytes are missing"),
        (lambda data: data[:1000] + data[992:], "8 bytes came again"),
        (lambda data: data[:1000] + data[2000:3000] + data[1000:2000], "1000 bytes are missing"),
        (lambda data: data[:1000] + CountedBytes(2).take(500), "no place of this stream"),
        (lambda data: data[:1001] + b"\xff" + data[1002:], "byte 1001 is wrong"),
    ],
)
def test_a_wrong_byte_is_found_with_its_place(spoil: object, story: str) -> None:
    assert callable(spoil)
    check = CountedCheck(salt=1)
    with pytest.raises(WrongByte, match=story):
        check.see(spoil(CountedBytes(1).take(4000)))


def test_a_stream_that_ends_early_is_found() -> None:
    check = CountedCheck(salt=1)
    check.see(CountedBytes(1).take(10))
    with pytest.raises(WrongByte, match="10 of 11"):
        check.end(11)
