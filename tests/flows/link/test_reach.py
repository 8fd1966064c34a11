"""What a host may answer to a question over a live link."""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, cast

import pytest

from remora.core.errors import Code, RemoraError
from remora.core.server.markers import Readiness
from remora.flows.kit.timeout import dismiss
from remora.flows.link.reach import RelayWay
from remora.ports import ByteStream
from remora.testing.memory_streams import memory_stream_pair

if TYPE_CHECKING:
    from remora.flows.relay.relay import RelaySession


class OneStream:
    """A relay that opens this stream."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream

    def open(self, target: str, *, transient: bool = False) -> ByteStream:
        return self._stream


@pytest.mark.parametrize(
    "piece",
    [b" " * 65536, b"[" * 65536, b'{"path": "' + b"x" * 65536],
    ids=["blanks", "brackets", "a long name"],
)
async def test_an_answer_without_end_is_given_up(piece: bytes) -> None:
    near, far = memory_stream_pair()

    async def talk() -> None:
        with suppress(RemoraError):
            while True:
                await far.write(piece)

    talking = asyncio.ensure_future(talk())
    with pytest.raises(RemoraError) as caught:
        await RelayWay(cast("RelaySession", OneStream(near)), lambda: "ab").find_folder("~")
    await dismiss(talking)
    assert caught.value.code is Code.RELAY_FAILED


@pytest.mark.parametrize("answer", [b"", b"[" * 100_000, b'{"path": "\\ud800", "state": "ok"}', b'{"path": "\xff'])
async def test_nonsense_is_an_error_and_no_crash(answer: bytes) -> None:
    near, far = memory_stream_pair()
    await far.write(answer)
    await far.write_eof()
    with pytest.raises(RemoraError) as caught:
        await RelayWay(cast("RelaySession", OneStream(near)), lambda: "ab").find_folder("~")
    assert caught.value.code is Code.RELAY_FAILED


@pytest.mark.parametrize(
    ("answer", "readiness"),
    [(b"", None), (b"\n<cd>end=marker\n", None), (b"noise\n<ab>end=marker\n", Readiness.NEVER)],
    ids=["nothing", "another's", "no marker"],
)
async def test_a_marker_counts_only_with_its_end(answer: bytes, readiness: Readiness | None) -> None:
    near, far = memory_stream_pair()
    await far.write(answer)
    await far.write_eof()
    asking = RelayWay(cast("RelaySession", OneStream(near)), lambda: "ab").read_marker("/state")
    if readiness is None:
        with pytest.raises(RemoraError) as caught:
            await asking
        assert caught.value.code is Code.RELAY_FAILED
    else:
        assert (await asking).readiness is readiness
