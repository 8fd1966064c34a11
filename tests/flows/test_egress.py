"""What clients on the host get: an HTTP proxy for named destinations, or one of them, and nothing else."""

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from tests.support.loop import run

from remora.core.egress import read_destination
from remora.core.errors import Code, RemoraError
from remora.core.secrets import Secret
from remora.core.settings import Limits
from remora.core.upstream import Upstream, read_upstream
from remora.flows.egress import Egress
from remora.flows.host_ports import HostPorts
from remora.testing.expectations import noise, read_all
from remora.testing.manual_clock import ManualClock
from remora.testing.memory_host import MemoryHost
from remora.testing.memory_onward import MemoryOnward, Place
from remora.testing.memory_streams import MemoryStream, memory_stream_pair

API = ("api.example.com", 443)
LIMITS = Limits()


async def echo(stream: MemoryStream) -> None:
    while data := await stream.read():
        await stream.write(data)
    await stream.write_eof()


async def never(stream: MemoryStream) -> None:
    await asyncio.Event().wait()


class Scene:
    """One egress, and clients of it."""

    def __init__(self, egress: Egress, onward: MemoryOnward, clock: ManualClock) -> None:
        self.egress = egress
        self.onward = onward
        self.clock = clock
        self._visits: list[asyncio.Task[None]] = []

    def enter(self) -> MemoryStream:
        near, far = memory_stream_pair()
        self._visits.append(asyncio.create_task(self._visit(far)))
        return near

    async def ask(self, head: str, *, more: bytes = b"") -> bytes:
        """All that one client gets who says `head` and ends."""
        client = self.enter()
        await client.write(head.encode() + b"\r\n\r\n" + more)
        await client.write_eof()
        return await asyncio.wait_for(read_all(client), 10)

    async def tunnel(self, head: str = "CONNECT api.example.com:443 HTTP/1.1") -> MemoryStream:
        client = self.enter()
        await client.write(head.encode() + b"\r\n\r\n")
        assert await client.read() == b"HTTP/1.1 200 Connection established\r\n\r\n"
        return client

    async def close(self) -> None:
        for visit in self._visits:
            visit.cancel()
        await asyncio.gather(*self._visits, return_exceptions=True)
        await self.onward.close()

    async def _visit(self, stream: MemoryStream) -> None:
        try:
            await self.egress.visit(stream)
        except RemoraError:
            pass
        finally:
            await stream.close()


@asynccontextmanager
async def scene(
    *named: str,
    places: Mapping[tuple[str, int], Place] | None = None,
    addresses: Mapping[str, str] | None = None,
    direct: bool = False,
    password: str | None = None,
    upstream: Upstream | None = None,
    limits: Limits = LIMITS,
) -> AsyncIterator[Scene]:
    clock = ManualClock()
    onward = MemoryOnward({API: echo} if places is None else places, addresses=addresses)
    egress = Egress(
        [read_destination(text) for text in named or ("api.example.com",)],
        direct=direct,
        password=None if password is None else Secret(password),
        upstream=upstream,
        onward=onward,
        clock=clock,
        limits=limits,
    )
    made = Scene(egress, onward, clock)
    try:
        yield made
    finally:
        await made.close()


def test_a_tunnel_carries_everything_both_ways_and_ends_half_by_half() -> None:
    async def answer_at_the_end(stream: MemoryStream) -> None:
        size = len(await read_all(stream))
        await stream.write(f"{size} bytes".encode())
        await stream.write_eof()

    async def go() -> None:
        async with scene(places={API: answer_at_the_end}) as here:
            client = await here.tunnel()
            assert here.egress.clients == 1
            await client.write(noise(3_000_000))
            await client.write_eof()
            assert await read_all(client) == b"3000000 bytes"
        assert here.egress.clients == 0

    run(go())


def test_what_a_client_says_before_it_is_let_through_is_not_lost() -> None:
    async def go() -> None:
        async with scene() as here:
            said = await here.ask("CONNECT api.example.com:443 HTTP/1.1", more=b"\x16\x03\x01early")
            assert said == b"HTTP/1.1 200 Connection established\r\n\r\n\x16\x03\x01early"

    run(go())


def test_a_destination_that_does_not_read_holds_its_client_up() -> None:
    async def go() -> None:
        async with scene(places={API: never}) as here:
            client = await here.tunnel()
            writing = asyncio.ensure_future(client.write(bytes(8 * 1024 * 1024)))
            await here.clock.settle()
            assert not writing.done()
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    run(go())


@pytest.mark.parametrize(
    "head",
    [
        "CONNECT evil.example:443 HTTP/1.1",
        "CONNECT evil.example:443 HTTP/1.1\r\nHost: api.example.com:443",
        "CONNECT api.example.com:22 HTTP/1.1",
        "CONNECT 127.0.0.1:443 HTTP/1.1",
        "CONNECT [::1]:443 HTTP/1.1",
        "CONNECT api.example.com.evil.example:443 HTTP/1.1",
        "GET http://evil.example/ HTTP/1.1\r\nHost: api.example.com",
        "GET http://api.example.com/ HTTP/1.1",
        "POST http://169.254.169.254/latest HTTP/1.1\r\nContent-Length: 2",
    ],
)
def test_what_was_not_named_is_refused_in_one_line_and_never_looked_up(head: str) -> None:
    async def go() -> None:
        async with scene() as here:
            said = await here.ask(head)
            assert said.startswith(b"HTTP/1.1 403 Forbidden\r\n")
            assert said.endswith(b" was not named; this leads to api.example.com:443 only\n")
            assert here.onward.asked == []
            assert here.egress.refused == 1

    run(go())


def test_a_named_name_that_means_this_machine_is_refused() -> None:
    async def go() -> None:
        for address in ("127.0.0.1", "169.254.169.254"):
            async with scene(addresses={"api.example.com": address}) as here:
                said = await here.ask("CONNECT api.example.com:443 HTTP/1.1")
                assert said.startswith(b"HTTP/1.1 403 ")
                assert address.encode() in said

    run(go())


def test_a_plain_request_reaches_what_it_names_and_carries_no_password_there() -> None:
    seen = b""

    async def server(stream: MemoryStream) -> None:
        nonlocal seen
        while not seen.endswith(b"body"):
            seen += await stream.read()
        await stream.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await stream.write_eof()

    async def go() -> None:
        async with scene("model.example:8080", places={("model.example", 8080): server}, password="p") as here:
            head = f"POST http://model.example:8080/v1 HTTP/1.1\r\nHost: x\r\n{login('p')}\r\nContent-Length: 4"
            assert await here.ask(head, more=b"body") == b"HTTP/1.1 204 No Content\r\n\r\n"

    run(go())
    assert seen == (
        b"POST /v1 HTTP/1.1\r\nHost: model.example:8080\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody"
    )


def login(password: str, user: str = "remora") -> str:
    return "Proxy-Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    "header",
    [
        *("X: y", login("wrong"), login("right", user="other"), login("right").replace("Basic", "Bearer"), login("")),
        *(f"{login('right')}\r\n{login('right')}", "Proxy-Authorization: Basic \xff"),
    ],
)
def test_f88_nobody_uses_the_proxy_without_its_password(header: str) -> None:
    async def go() -> None:
        async with scene(password="right") as here:
            said = await here.ask(f"CONNECT api.example.com:443 HTTP/1.1\r\n{header}")
            assert said.startswith(b"HTTP/1.1 407 Proxy Authentication Required\r\n")
            assert b"right" not in said
            assert here.onward.asked == []
            await here.tunnel(f"CONNECT api.example.com:443 HTTP/1.1\r\n{login('right')}")

    run(go())


def test_a_client_that_says_nothing_or_too_much_is_sent_away() -> None:
    async def go() -> None:
        async with scene() as here:
            silent = here.enter()
            await here.clock.advance(LIMITS.handshake)
            assert (await silent.read()).startswith(b"HTTP/1.1 408 ")
            endless = here.enter()
            writing = asyncio.ensure_future(endless.write(b"CONNECT a:1 HTTP/1.1\r\n" + b"x" * 90_000))
            assert (await endless.read()).startswith(b"HTTP/1.1 431 ")
            await writing

    run(go())


def test_more_clients_than_allowed_are_turned_away_and_the_others_stay() -> None:
    async def go() -> None:
        async with scene(limits=replace(LIMITS, egress_clients=2)) as here:
            first, _ = await here.tunnel(), await here.tunnel()
            assert (await here.ask("CONNECT api.example.com:443 HTTP/1.1")).startswith(b"HTTP/1.1 503 ")
            await first.write(b"still")
            assert await first.read() == b"still"

    run(go())


def test_a_destination_that_is_down_is_said_to_be() -> None:
    async def go() -> None:
        async with scene(places={}) as here:
            said = await here.ask("CONNECT api.example.com:443 HTTP/1.1")
            assert said.startswith(b"HTTP/1.1 502 ")
            assert here.egress.trouble is not None
            assert here.egress.trouble in said.decode()

    run(go())


def test_a_direct_way_carries_any_bytes_to_its_one_destination() -> None:
    async def go() -> None:
        async with scene(
            "127.0.0.1:8080", places={("127.0.0.1", 8080): echo}, direct=True, addresses={"127.0.0.1": "127.0.0.1"}
        ) as here:
            client = here.enter()
            data = noise(100_000)
            await client.write(data)
            await client.write_eof()
            assert await read_all(client) == data

    run(go())


def test_a_direct_way_to_nobody_ends_and_says_why() -> None:
    async def go() -> None:
        async with scene("model.example:8080", places={}, direct=True) as here:
            assert await read_all(here.enter()) == b""
            assert here.egress.refused == 1

    run(go())


# -- F35: this machine itself has only a proxy


def proxy(answer: bytes, seen: list[bytes]) -> Place:
    async def serve(stream: MemoryStream) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += await stream.read()
        seen.append(head)
        await stream.write(answer)
        await echo(stream)

    return serve


CORPORATE = ("proxy.corp", 3128)


def test_f35_the_laptops_own_proxy_is_used_with_its_password_and_no_name_is_looked_up_here() -> None:
    seen: list[bytes] = []

    async def go() -> None:
        upstream = read_upstream("http://me:pw@proxy.corp:3128", "inside.example")
        places = {CORPORATE: proxy(b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\nhello", seen), ("inside.example", 443): echo}
        async with scene("api.example.com", "inside.example", places=places, upstream=upstream) as here:
            client = await here.tunnel()
            assert await client.read() == b"hello"
            await client.write(b"bytes")
            assert await client.read() == b"bytes"
            assert here.onward.asked == [CORPORATE]
            await here.tunnel("CONNECT inside.example:443 HTTP/1.1")
            assert here.onward.asked[-1] == ("inside.example", 443)

    run(go())
    assert seen == [
        (
            b"CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\n"
            b"Proxy-Authorization: Basic bWU6cHc=\r\n\r\n"
        )
    ]


def test_f35_a_proxy_that_accepts_and_stalls_is_given_up_soon_and_named() -> None:
    async def go() -> None:
        upstream = read_upstream("http://proxy.corp:3128", None)
        async with scene(places={CORPORATE: never}, upstream=upstream) as here:
            asking = asyncio.ensure_future(here.ask("CONNECT api.example.com:443 HTTP/1.1"))
            await here.clock.advance(LIMITS.egress_connect)
            said = await asking
            assert said.startswith(b"HTTP/1.1 504 ")
            assert b"through the proxy proxy.corp:3128 within 15 seconds" in said

    run(go())


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", b"wants a password"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", b"answered with status 403"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"did not answer as a proxy does"),
        (b"x" * 70_000, b"did not answer as a proxy does"),
    ],
)
def test_f35_a_proxy_that_wants_a_password_or_says_no_is_told_to_the_client(answer: bytes, words: bytes) -> None:
    async def go() -> None:
        upstream = read_upstream("http://proxy.corp:3128", None)
        async with scene(places={CORPORATE: proxy(answer, [])}, upstream=upstream) as here:
            said = await here.ask("CONNECT api.example.com:443 HTTP/1.1")
            assert said.startswith(b"HTTP/1.1 502 ")
            assert words in said

    run(go())


# -- the ports of the host, connection after connection


async def serve_nobody(stream: object) -> None:
    pass


def test_a_port_is_asked_for_again_until_the_connection_before_lets_go_of_it() -> None:
    async def go(other: Sequence[int]) -> tuple[int | None, int]:
        clock = ManualClock()
        ports = HostPorts("devbox", clock, LIMITS, lambda: None)
        first = MemoryHost(lambda words: None)
        async with ports.on(first):
            port = await ports.add(0, serve_nobody)
            number = port.port
            assert number == port.wanted
        assert port.port is None
        second = MemoryHost(lambda words: None, ports=dict.fromkeys([number, *other], echo))
        async with ports.on(second):
            await clock.advance(1)
            assert port.port is None
            if not other:
                second.stop_port(number)
            await clock.advance(LIMITS.egress_port + 5)
            return port.port, number

    now, before = run(go([]))
    assert now == before
    now, before = run(go([1]))
    assert now not in (None, before)


def test_a_host_that_forbids_listening_is_told_from_a_port_that_is_taken() -> None:
    async def go(host: MemoryHost) -> RemoraError:
        ports = HostPorts("devbox", ManualClock(), LIMITS, lambda: None)
        async with ports.on(host):
            with pytest.raises(RemoraError) as caught:
                await ports.add(8080, serve_nobody)
        assert not ports.wanted
        return caught.value

    forbidden = run(go(MemoryHost(lambda words: None, listens=False)))
    assert (forbidden.code, "AllowTcpForwarding" in forbidden.next_step) == (Code.EGRESS_REFUSED, True)
    taken = run(go(MemoryHost(lambda words: None, ports={8080: echo})))
    assert (taken.code, "8080" in taken.message) == (Code.EGRESS_REFUSED, True)


def test_without_a_connection_nothing_is_opened() -> None:
    async def go() -> None:
        ports = HostPorts("devbox", ManualClock(), LIMITS, lambda: None)
        with pytest.raises(RemoraError) as caught:
            await ports.add(0, serve_nobody)
        assert caught.value.code is Code.LINK_MISSING

    run(go())
