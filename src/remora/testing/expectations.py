"""What contracts expect of streams, said once for all of them."""

import asyncio
import random
from collections.abc import Awaitable
from typing import Final

from remora.core.errors import Code, RemoraError
from remora.ports import ByteStream

SOON: Final = 20.0
"""Seconds after which a contract takes it that nothing will come."""


async def expect_echo(stream: ByteStream, data: bytes) -> None:
    """All of `data` comes back, and then the end. Closes the stream."""

    async def send() -> None:
        await stream.write(data)
        await stream.write_eof()

    async with asyncio.TaskGroup() as group:
        group.create_task(send())
        answer = group.create_task(read_all(stream))
    assert answer.result() == data
    await stream.close()


async def read_all(stream: ByteStream) -> bytes:
    """What comes until the end."""
    pieces = []
    while piece := await asyncio.wait_for(stream.read(), SOON):
        pieces.append(piece)
    return b"".join(pieces)


async def expect(code: Code, work: Awaitable[object], *, what: str = "") -> RemoraError:
    """`work` fails with `code`; the failure."""
    failure: RemoraError | None = None
    try:
        await asyncio.wait_for(work, SOON)
    except RemoraError as error:
        failure = error
    assert failure is not None, f"{what}: no failure instead of {code}"
    assert failure.code is code, f"{what}: {failure.code} instead of {code}"
    return failure


def noise(size: int, *, seed: int = 0) -> bytes:
    """Bytes without a pattern, the same ones for the same seed."""
    return random.Random(seed).randbytes(size)  # noqa: S311 - reproducible test data
