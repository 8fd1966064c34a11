"""What clients on the host get: an HTTP proxy for named destinations, or one of them, and nothing else."""

import asyncio
import base64
from dataclasses import replace

import pytest
from tests.support.base.loop import run
from tests.support.network.egress_scene import API, LIMITS, echo, never, scene

from remora.testing.expectations import noise, read_all
from remora.testing.memory_streams import MemoryStream


async def test_a_tunnel_carries_everything_both_ways_and_ends_half_by_half() -> None:
    async def answer_at_the_end(stream: MemoryStream) -> None:
        size = len(await read_all(stream))
        await stream.write(f"{size} bytes".encode())
        await stream.write_eof()

    async with scene(places={API: answer_at_the_end}) as here:
        client = await here.tunnel()
        assert here.egress.clients == 1
        await client.write(noise(3_000_000))
        await client.write_eof()
        assert await read_all(client) == b"3000000 bytes"
    assert here.egress.clients == 0


async def test_what_a_client_says_before_it_is_let_through_is_not_lost() -> None:
    async with scene() as here:
        said = await here.ask("CONNECT api.example.com:443 HTTP/1.1", more=b"\x16\x03\x01early")
        assert said == b"HTTP/1.1 200 Connection established\r\n\r\n\x16\x03\x01early"


async def test_a_destination_that_does_not_read_holds_its_client_up() -> None:
    async with scene(places={API: never}) as here:
        client = await here.tunnel()
        writing = asyncio.ensure_future(client.write(bytes(8 * 1024 * 1024)))
        await here.clock.settle()
        assert not writing.done()
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)


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
async def test_what_was_not_named_is_refused_in_one_line_and_never_looked_up(head: str) -> None:
    async with scene() as here:
        said = await here.ask(head)
        assert said.startswith(b"HTTP/1.1 403 Forbidden\r\n")
        assert said.endswith(b" is not a destination of this egress; allowed: api.example.com:443\n")
        assert here.onward.asked == []
        assert here.egress.refused == 1


async def test_a_named_name_that_means_this_machine_is_refused() -> None:
    for address in ("127.0.0.1", "169.254.169.254", "168.63.129.16"):
        async with scene(addresses={"api.example.com": address}) as here:
            said = await here.ask("CONNECT api.example.com:443 HTTP/1.1")
            assert said.startswith(b"HTTP/1.1 403 ")
            assert address.encode() in said


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


def request(*headers: str, method: str = "POST") -> str:
    return "\r\n".join((f"{method} http://model.example:8080/v1 HTTP/1.1", "Host: model.example:8080", *headers))


NEXT = b"GET http://model.example:8080/secret HTTP/1.1\r\nProxy-Authorization: Basic cmVtb3JhOnA=\r\n\r\n"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([], b""),
        (["Content-Length: 0"], b""),
        (["Content-Length: 4"], b"body"),
        (["Transfer-Encoding: chunked"], b"0\r\n\r\n"),
        (["Transfer-Encoding: chunked"], b"4;x=y\r\nbody\r\n1\r\n!\r\n0\r\nTrailer: a\r\n\r\n"),
        (["transfer-encoding: Chunked"], b"A\r\n0123456789\r\n000\r\n\r\n"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("piece", [1, 7, 100_000])
def test_a9_a_server_hears_one_request_and_nothing_of_the_next(headers: list[str], body: bytes, piece: int) -> None:
    seen = b""

    async def server(stream: MemoryStream) -> None:
        nonlocal seen
        seen = await read_all(stream)
        await stream.write_eof()

    async def go() -> None:
        async with scene("model.example:8080", places={("model.example", 8080): server}) as here:
            client = here.enter()
            sent = request(*headers).encode() + b"\r\n\r\n" + body + NEXT
            for start in range(0, len(sent), piece):
                await client.write(sent[start : start + piece])
            await client.write_eof()
            await read_all(client)

    run(go())
    head, _, rest = seen.partition(b"\r\n\r\n")
    assert (head.startswith(b"POST /v1 HTTP/1.1\r\n"), rest) == (True, body)


@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Length: 4", "Transfer-Encoding: chunked"],
        ["Content-Length: 4", "Content-Length: 5"],
        ["Content-Length: 4", "content-length: 4"],
        *(["Content-Length: " + value] for value in ("-1", "+4", "4,4", "0x4", "4 4", "\xb2", "1" * 40)),
        *(["Transfer-Encoding: " + value] for value in ("gzip, chunked", "identity", "chunked, chunked", "xchunked")),
        ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
        ["Content-Length: 4", "Connection: close, Content-Length"],
        ["Transfer-Encoding: chunked", "Connection: transfer-encoding"],
    ],
    ids=repr,
)
async def test_a9_a_request_whose_end_is_unclear_goes_nowhere(headers: list[str]) -> None:
    async with scene("model.example:8080", places={("model.example", 8080): echo}) as here:
        client = here.enter()
        await client.write(request(*headers).encode("latin-1") + b"\r\n\r\nbody")
        assert (await client.read()).startswith(b"HTTP/1.1 400 ")
        assert here.onward.asked == []


@pytest.mark.parametrize(
    "body", [b"x\r\n", b"4\nbody", b"-4\r\nbody", b"\r\n", b"4 4\r\nbody", b"1" * 20 + b"\r\n", b"4" + b";" * 5000]
)
def test_a9_chunks_that_are_none_end_the_connection_without_reaching_the_server(body: bytes) -> None:
    seen = b""

    async def server(stream: MemoryStream) -> None:
        nonlocal seen
        seen = await read_all(stream)

    async def go() -> None:
        async with scene("model.example:8080", places={("model.example", 8080): server}) as here:
            client = here.enter()
            await client.write(request("Transfer-Encoding: chunked").encode() + b"\r\n\r\n" + body)
            assert await read_all(client) == b""

    run(go())
    assert seen.partition(b"\r\n\r\n")[2] == b""


def login(password: str, user: str = "remora") -> str:
    return "Proxy-Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    "header",
    [
        *("X: y", login("wrong"), login("right", user="other"), login("right").replace("Basic", "Bearer"), login("")),
        *(f"{login('right')}\r\n{login('right')}", "Proxy-Authorization: Basic \xff"),
    ],
)
async def test_f88_nobody_uses_the_proxy_without_its_password(header: str) -> None:
    async with scene(password="right") as here:
        said = await here.ask(f"CONNECT api.example.com:443 HTTP/1.1\r\n{header}")
        assert said.startswith(b"HTTP/1.1 407 Proxy Authentication Required\r\n")
        assert b"right" not in said
        assert here.onward.asked == []
        await here.tunnel(f"CONNECT api.example.com:443 HTTP/1.1\r\n{login('right')}")


async def test_a_client_that_says_nothing_or_too_much_is_sent_away() -> None:
    async with scene() as here:
        silent = here.enter()
        await here.clock.advance(LIMITS.handshake)
        assert (await silent.read()).startswith(b"HTTP/1.1 408 ")
        endless = here.enter()
        writing = asyncio.ensure_future(endless.write(b"CONNECT a:1 HTTP/1.1\r\n" + b"x" * 90_000))
        assert (await endless.read()).startswith(b"HTTP/1.1 431 ")
        await writing


async def test_more_clients_than_allowed_are_turned_away_and_the_others_stay() -> None:
    async with scene(limits=replace(LIMITS, egress_clients=2)) as here:
        first, _ = await here.tunnel(), await here.tunnel()
        assert (await here.ask("CONNECT api.example.com:443 HTTP/1.1")).startswith(b"HTTP/1.1 503 ")
        await first.write(b"still")
        assert await first.read() == b"still"


async def test_a_destination_that_is_down_is_said_to_be() -> None:
    async with scene(places={}) as here:
        said = await here.ask("CONNECT api.example.com:443 HTTP/1.1")
        assert said.startswith(b"HTTP/1.1 502 ")
        assert here.egress.trouble is not None
        assert here.egress.trouble in said.decode()


async def test_a_direct_way_carries_any_bytes_to_its_one_destination() -> None:
    async with scene(
        "127.0.0.1:8080", places={("127.0.0.1", 8080): echo}, direct=True, addresses={"127.0.0.1": "127.0.0.1"}
    ) as here:
        client = here.enter()
        data = noise(100_000)
        await client.write(data)
        await client.write_eof()
        assert await read_all(client) == data


async def test_a_direct_way_to_nobody_ends_and_says_why() -> None:
    async with scene("model.example:8080", places={}, direct=True) as here:
        assert await read_all(here.enter()) == b""
        assert here.egress.refused == 1
