"""Frames of the relay, and the queue that they are cut from: read however they are cut, refused when they are none."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remora.wire.relay import relay_frames as frames
from remora.wire.relay.frame_session import FrameSession
from remora.wire.relay.relay_frames import ByteQueue, FrameReader, ProtocolBreak


@given(data=st.binary(max_size=400))
def test_garbage_is_a_break_or_waits_for_more(data: bytes) -> None:
    reader, session = FrameReader(), FrameSession(4096, ByteQueue)
    try:
        for frame in reader.feed(data):
            session.receive(frame)
    except ProtocolBreak:
        pass


@given(cuts=st.lists(st.integers(0, 2000)), sizes=st.lists(st.integers(0, 300), max_size=8))
def test_frames_are_read_however_they_are_cut(cuts: list[int], sizes: list[int]) -> None:
    sent = [frames.encode(frames.DATA, bytes(size), stream=1, number=index) for index, size in enumerate(sizes)]
    whole = b"".join(sent)
    reader = FrameReader()
    points = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    came = [frame for start, stop in pairwise(points) for frame in reader.feed(whole[start:stop])]
    assert [(frame.number, len(frame.payload)) for frame in came] == list(enumerate(sizes))


@given(pieces=st.lists(st.integers(1, 200_000), max_size=12), limit=st.integers(1000, 300_000))
def test_a_queue_gives_what_was_put_whatever_the_sizes(pieces: list[int], limit: int) -> None:
    queue, whole = ByteQueue(), b""
    for index, size in enumerate(pieces):
        data = bytes([index]) * size
        queue.put(data)
        whole += data
    assert queue.size == len(whole)
    taken = b""
    while data := queue.take(limit):
        assert len(data) <= limit
        taken += data
    assert taken == whole
    assert queue.size == 0


def test_a_frame_that_claims_to_be_huge_is_refused_before_it_comes() -> None:
    header = frames.HEADER.pack(frames.DATA, 1, 1, frames.LARGEST_DATA + 1)
    with pytest.raises(ProtocolBreak):
        FrameReader().feed(header)
