"""A host for a link, a folder for its door, and what goes through it."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random
from tempfile import mkdtemp

import pytest
from tests.support.codex.fake_codex import install
from tests.support.sshd.account_sshd import AccountSshd

from remora.core.settings import Limits
from remora.ports import ByteStream

LIMITS = Limits(shell_silence=8.0, probe=8.0, launch=8.0, handshake=6.0, stop=2.0)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose name is short enough for sockets."""
    path = Path(mkdtemp(prefix="l"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def sshd() -> Iterator[AccountSshd]:
    """An account with a fake codex."""
    with AccountSshd("/bin/bash") as server:
        install(server.home / ".local/bin/codex")
        yield server


async def echo_exactly(stream: ByteStream, enough: asyncio.Event, *, least: int = 100_000) -> int:
    """Send random bytes until it is `enough`, and read exactly those back, whatever happens; gives how many."""
    sent, due = Random(5), Random(5)  # noqa: S311 - bytes to recognise
    piece, count = 10_000, 0

    async def send() -> None:
        nonlocal count
        while count < least or not enough.is_set():
            await stream.write(sent.randbytes(piece))
            count += piece
        await stream.write_eof()

    sending = asyncio.ensure_future(send())
    got, seen = bytearray(), 0
    while data := await stream.read():
        got += data
        while len(got) >= piece:
            assert bytes(got[:piece]) == due.randbytes(piece), f"other bytes came back after {seen}"
            del got[:piece]
            seen += piece
    await sending
    assert (seen, bytes(got)) == (count, b"")
    return count


def set_already() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event
