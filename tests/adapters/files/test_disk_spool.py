"""Unread events: in order, in bounded memory, and nothing left on disk."""

import asyncio
import os
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from tests.support.base.loop import run

from remora.adapters.files.disk_spool import DiskSpool


def files() -> set[Path]:
    return set(Path(tempfile.gettempdir()).iterdir())


@given(st.lists(st.one_of(st.binary(max_size=60), st.none()), max_size=60), st.integers(0, 100))
def test_records_come_back_in_order_whatever_the_memory(steps: list[bytes | None], memory: int) -> None:
    """`None` stands for reading one."""

    async def go() -> None:
        spool = DiskSpool(memory=memory, disk=2**30)
        expected: list[bytes] = []
        for step in steps:
            if step is not None:
                spool.put(step)
                expected.append(step)
            elif expected:
                assert await spool.get() == expected.pop(0)
        spool.finish()
        assert [await spool.get() for _ in expected] == expected
        assert await spool.get() is None
        spool.close()

    run(go())


async def test_the_file_has_no_name_and_gives_its_space_back() -> None:
    before = files()
    spool = DiskSpool(memory=100, disk=2**30)
    for number in range(1000):
        spool.put(b"%d" % number * 50)
    assert files() == before
    assert spool._file is not None
    assert os.fstat(spool._file).st_size > 10_000
    assert os.fstat(spool._file).st_mode & 0o777 == 0o600
    for number in range(1000):
        assert await spool.get() == b"%d" % number * 50
    assert os.fstat(spool._file).st_size == 0
    spool.close()
    spool.close()


async def test_a_waiting_reader_gets_what_is_put_later_and_learns_of_the_end() -> None:
    spool = DiskSpool(memory=100, disk=2**30)
    reading = asyncio.create_task(spool.get())
    await asyncio.sleep(0)
    spool.put(b"news")
    assert await reading == b"news"
    reading = asyncio.create_task(spool.get())
    await asyncio.sleep(0)
    spool.finish()
    assert await reading is None
    spool.close()


async def test_after_closing_nothing_is_kept() -> None:
    spool = DiskSpool(memory=1, disk=2**30)
    spool.put(b"one")
    spool.put(b"two")
    spool.close()
    spool.put(b"three")
    assert await spool.get() is None
