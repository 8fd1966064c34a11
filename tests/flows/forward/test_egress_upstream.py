"""F35: what clients on the host get where this machine itself has only a proxy."""

import asyncio

import pytest
from tests.support.base.loop import run
from tests.support.network.egress_scene import LIMITS, echo, never, scene

from remora.core.link.upstream import read_upstream
from remora.testing.memory_onward import Place
from remora.testing.memory_streams import MemoryStream


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


async def test_f35_a_proxy_that_accepts_and_stalls_is_given_up_soon_and_named() -> None:
    upstream = read_upstream("http://proxy.corp:3128", None)
    async with scene(places={CORPORATE: never}, upstream=upstream) as here:
        asking = asyncio.ensure_future(here.ask("CONNECT api.example.com:443 HTTP/1.1"))
        await here.clock.advance(LIMITS.egress_connect)
        said = await asking
        assert said.startswith(b"HTTP/1.1 504 ")
        assert b"through the proxy proxy.corp:3128 within 15 seconds" in said


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", b"rejected the password"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", b"answered with status 403"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"did not answer like a proxy"),
        (b"x" * 70_000, b"did not answer like a proxy"),
    ],
)
async def test_f35_a_proxy_that_wants_a_password_or_says_no_is_told_to_the_client(answer: bytes, words: bytes) -> None:
    upstream = read_upstream("http://proxy.corp:3128", None)
    async with scene(places={CORPORATE: proxy(answer, [])}, upstream=upstream) as here:
        said = await here.ask("CONNECT api.example.com:443 HTTP/1.1")
        assert said.startswith(b"HTTP/1.1 502 ")
        assert words in said
