"""What every implementation of a seam must do, as functions that any test runner can call.

Each function takes a :class:`HostUnderTest`, uses only the ports, and fails with an AssertionError. The host must have
a POSIX ``sh``, ``cat``, ``head``, ``sleep`` and ``printf``, or programs that behave like the commands below.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from remora.core.errors import Code, RemoraError, ShellProblem, Unreachable
from remora.ports import ByteStream, ExitStatus, RemoteHost
from remora.testing.expectations import SOON, expect, expect_echo, noise, read_all

ECHO: Final = ("cat",)
READ_THEN_ANSWER: Final = ("sh", "-c", "cat > /dev/null; echo done")
EXIT_SEVEN: Final = ("sh", "-c", "exit 7")
DIE_BY_SIGNAL: Final = ("sh", "-c", "kill -TERM $$")
BOTH_OUTPUTS: Final = ("sh", "-c", "echo out; echo err >&2")
NEVER_READ: Final = ("sleep", "600")
FLOOD_SIZE: Final = 32 * 1024 * 1024
FLOOD: Final = ("head", "-c", str(FLOOD_SIZE), "/dev/zero")
PRINT_WORDS: Final = ("/usr/bin/printf", "[%s]")
HARD_WORDS: Final = (
    "two words",
    "it's",
    '"$HOME" `id` $(id)',
    "!history !!",
    "back\\slash \\\\ \\'",
    "line\nbreak\r\ttab",
    "é 漢 🦀",
    "",
    "~",
    "*",
    "-n",
    "a;b|c&d<e>f(g){h}[i]#j^k%l=m",
)

_MEBIBYTE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class HostUnderTest:
    """How a contract reaches an implementation.

    `connect` makes a fresh connection, `lose` breaks it from outside while it is in use. `echo_socket` is a unix socket
    on the host that sends back what it gets and ends when its client ends; `None` declares that this kind of host has
    no unix socket channels, and then opening one must be refused.
    """

    connect: Callable[[], AbstractAsyncContextManager[RemoteHost]]
    lose: Callable[[RemoteHost], Awaitable[None]]
    echo_socket: str | None
    quiet_socket: str = "/nonexistent/remora.sock"
    """A path where nothing listens."""
    echo_port: int | None = None
    """Like `echo_socket`, on the host's loopback; where there is one, the host also listens for us."""
    quiet_port: int = 9
    """A port where nothing listens."""
    say_goodbye: Callable[[RemoteHost], Awaitable[None]] | None = None
    """Makes the host end the connection in the protocol's words; `None` where this kind of host never does."""


Contract: TypeAlias = Callable[[HostUnderTest], Awaitable[None]]


async def bytes_pass_unchanged(under_test: HostUnderTest) -> None:
    """Every byte value, and 1 MiB of noise, come back as they were sent."""
    async with under_test.connect() as host:
        await expect_echo(await host.start(ECHO), bytes(range(256)))
        await expect_echo(await host.start(ECHO), noise(_MEBIBYTE))


async def half_close_leaves_the_answer(under_test: HostUnderTest) -> None:
    """After our end of the stream the other side's answer still arrives; ending twice is harmless."""
    async with under_test.connect() as host:
        process = await host.start(READ_THEN_ANSWER)
        await process.write(b"question")
        await process.write_eof()
        await process.write_eof()
        assert await read_all(process) == b"done\n"
        assert await process.read() == b""
        assert await process.wait() == ExitStatus(status=0)


async def reading_takes_no_more_than_asked(under_test: HostUnderTest) -> None:
    """A read gives at most the limit and loses nothing."""
    async with under_test.connect() as host:
        process = await host.start(ECHO)
        await process.write(b"0123456789")
        await process.write_eof()
        pieces = []
        while piece := await process.read(3):
            pieces.append(piece)
        assert b"".join(pieces) == b"0123456789"
        assert max(map(len, pieces)) <= 3


async def exit_status_and_signal_arrive(under_test: HostUnderTest) -> None:
    """The end of a process is told exactly."""
    async with under_test.connect() as host:
        assert await (await host.start(EXIT_SEVEN)).wait() == ExitStatus(status=7)
        assert await (await host.start(DIE_BY_SIGNAL)).wait() == ExitStatus(signal="TERM")


async def output_stays_readable_after_the_end(under_test: HostUnderTest) -> None:
    """Waiting for the process first does not lose its output."""
    async with under_test.connect() as host:
        process = await host.start(BOTH_OUTPUTS)
        assert await process.wait() == ExitStatus(status=0)
        assert await read_all(process) == b"out\n"


async def standard_error_is_separate(under_test: HostUnderTest) -> None:
    """Nothing of standard error is in the output, and the reverse."""
    async with under_test.connect() as host:
        process = await host.start(BOTH_OUTPUTS)
        assert await read_all(process) == b"out\n"
        errors = b""
        while piece := await process.read_error():
            errors += piece
        assert errors == b"err\n"


async def words_arrive_intact(under_test: HostUnderTest) -> None:
    """No shell on the way takes a word apart or reads anything into it."""
    async with under_test.connect() as host:
        process = await host.start((*PRINT_WORDS, *HARD_WORDS))
        assert await read_all(process) == "".join(f"[{word}]" for word in HARD_WORDS).encode()


async def several_channels_do_not_mix(under_test: HostUnderTest) -> None:
    """Five processes at once, each with bytes of its own."""
    async with under_test.connect() as host, asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(expect_echo(await host.start(ECHO), noise(200_000, seed=number)))


async def slow_reader_loses_nothing(under_test: HostUnderTest) -> None:
    """What the host sends waits for its reader, and does not hold up another channel."""
    async with under_test.connect() as host:
        process = await host.start(FLOOD)
        await expect_echo(await host.start(ECHO), noise(_MEBIBYTE))
        digest, size = hashlib.sha256(), 0
        while piece := await process.read():
            digest.update(piece)
            size += len(piece)
        assert size == FLOOD_SIZE
        assert digest.digest() == hashlib.sha256(bytes(FLOOD_SIZE)).digest()


async def writer_waits_for_a_host_that_does_not_read(under_test: HostUnderTest) -> None:
    """Writing stops while nobody takes the bytes, and closing lets the writer go."""
    async with under_test.connect() as host:
        process = await host.start(NEVER_READ)
        writing = asyncio.ensure_future(_ended(process.write(bytes(4 * FLOOD_SIZE))))
        await expect_echo(await host.start(ECHO), noise(_MEBIBYTE))
        assert not writing.done(), repr(writing.result())
        await process.kill()
        await asyncio.wait_for(writing, SOON)


async def close_is_idempotent_and_ends_readers(under_test: HostUnderTest) -> None:
    """A pending read ends when the stream is closed; closing again does nothing."""
    async with under_test.connect() as host:
        process = await host.start(ECHO)
        reading = asyncio.ensure_future(process.read())
        await asyncio.sleep(0)
        await process.close()
        await process.close()
        assert await asyncio.wait_for(reading, SOON) == b""
        assert await process.read() == b""


async def unix_socket_carries_bytes(under_test: HostUnderTest) -> None:
    """A socket on the host is a stream like any other."""
    async with under_test.connect() as host:
        if under_test.echo_socket is None:
            await expect(Code.CHANNEL_REFUSED, host.open_unix_socket(under_test.quiet_socket))
            return
        await expect_echo(await host.open_unix_socket(under_test.echo_socket), noise(_MEBIBYTE))


async def missing_unix_socket_is_refused(under_test: HostUnderTest) -> None:
    """Where nothing listens, the channel is refused, and the connection stays good."""
    async with under_test.connect() as host:
        error = await expect(Code.CHANNEL_REFUSED, host.open_unix_socket(under_test.quiet_socket))
        assert isinstance(error, ShellProblem)
        await expect_echo(await host.start(ECHO), b"still here")


async def port_carries_bytes(under_test: HostUnderTest) -> None:
    """A TCP port of the host's loopback is a stream like any other."""
    async with under_test.connect() as host:
        if under_test.echo_port is None:
            await expect(Code.CHANNEL_REFUSED, host.open_port(under_test.quiet_port))
            return
        await expect_echo(await host.open_port(under_test.echo_port), noise(_MEBIBYTE))


async def missing_port_is_refused(under_test: HostUnderTest) -> None:
    """Where nothing listens, the channel is refused, and the connection stays good."""
    async with under_test.connect() as host:
        error = await expect(Code.CHANNEL_REFUSED, host.open_port(under_test.quiet_port))
        assert isinstance(error, ShellProblem)
        await expect_echo(await host.start(ECHO), b"still here")


async def served_port_carries_bytes(under_test: HostUnderTest) -> None:
    """Who connects to a port of the host is a visit here, both ways at once, and gone with the listener."""

    async def echo(client: ByteStream) -> None:
        while data := await client.read():
            await client.write(data)
        await client.write_eof()

    async with under_test.connect() as host:
        if under_test.echo_port is None:
            await expect(Code.CHANNEL_REFUSED, _entered(host.serve_port(0, echo)))
            return
        async with host.serve_port(0, echo) as port:
            await expect_echo(await host.open_port(port), noise(_MEBIBYTE))
            async with asyncio.TaskGroup() as group:
                for number in range(5):
                    group.create_task(expect_echo(await host.open_port(port), noise(200_000, seed=number)))
            await expect(Code.CHANNEL_REFUSED, _entered(host.serve_port(port, echo)))
            held = await host.open_port(port)
            await held.write(b"held")
            assert await held.read() == b"held"
        assert await asyncio.wait_for(held.read(), SOON) == b""
        await expect(Code.CHANNEL_REFUSED, host.open_port(port))
        async with host.serve_port(port, echo) as again:
            assert again == port
            await expect_echo(await host.open_port(port), b"again")


async def goodbye_is_told_from_a_break(under_test: HostUnderTest) -> None:
    """A host that ends the connection with a goodbye is one that left: dialling it again may be unwelcome."""
    if under_test.say_goodbye is None:
        return
    async with under_test.connect() as host:
        process = await host.start(ECHO)
        await process.write(b"so that it stands")
        await process.read()
        lost = asyncio.ensure_future(host.wait_lost())
        await asyncio.sleep(0)
        await under_test.say_goodbye(host)
        assert (await asyncio.wait_for(lost, SOON)).code is Code.HOST_LEFT
        await expect(Code.HOST_LEFT, host.start(ECHO), what="start")


async def lost_connection_wakes_everybody(under_test: HostUnderTest) -> None:
    """Every wait on a broken connection raises the classified error; none hangs."""
    async with under_test.connect() as host:
        process, deaf = await host.start(ECHO), await host.start(NEVER_READ)
        waits: dict[str, asyncio.Future[Any]] = {
            "read": asyncio.ensure_future(process.read()),
            "read_error": asyncio.ensure_future(process.read_error()),
            "wait": asyncio.ensure_future(process.wait()),
            "write": asyncio.ensure_future(deaf.write(bytes(4 * FLOOD_SIZE))),
        }
        if under_test.echo_socket is not None:
            stream = await host.open_unix_socket(under_test.echo_socket)
            waits["socket"] = asyncio.ensure_future(stream.read())
        lost = asyncio.ensure_future(host.wait_lost())
        await expect_echo(await host.start(ECHO), b"so that all of them wait")
        await under_test.lose(host)
        assert (await asyncio.wait_for(lost, SOON)).code is Code.CONNECTION_LOST
        for name, wait in waits.items():
            error = await expect(Code.CONNECTION_LOST, wait, what=name)
            assert isinstance(error, Unreachable), name
        await expect(Code.CONNECTION_LOST, host.start(ECHO), what="start")


async def leaving_ends_what_still_runs(under_test: HostUnderTest) -> None:
    """On leaving, streams are gone and nobody waits for ever."""
    async with under_test.connect() as host:
        process = await host.start(ECHO)
        reading = asyncio.ensure_future(process.read())
        waiting = asyncio.ensure_future(_ended(process.wait()))
        await asyncio.sleep(0)
    assert await asyncio.wait_for(reading, SOON) == b""
    await asyncio.wait_for(waiting, SOON)


REMOTE_HOST_CONTRACT: Final[tuple[Contract, ...]] = (
    bytes_pass_unchanged,
    half_close_leaves_the_answer,
    reading_takes_no_more_than_asked,
    exit_status_and_signal_arrive,
    output_stays_readable_after_the_end,
    standard_error_is_separate,
    words_arrive_intact,
    several_channels_do_not_mix,
    slow_reader_loses_nothing,
    writer_waits_for_a_host_that_does_not_read,
    close_is_idempotent_and_ends_readers,
    unix_socket_carries_bytes,
    missing_unix_socket_is_refused,
    port_carries_bytes,
    missing_port_is_refused,
    served_port_carries_bytes,
    goodbye_is_told_from_a_break,
    lost_connection_wakes_everybody,
    leaving_ends_what_still_runs,
)


async def _entered(entered: AbstractAsyncContextManager[object]) -> None:
    async with entered:
        pass


async def _ended(work: Awaitable[object]) -> RemoraError | None:
    try:
        await work
    except RemoraError as error:
        return error
    return None
