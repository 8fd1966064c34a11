"""Sessions of the relay: frames lost, doubled, disordered; each byte comes once and in order, or not at all."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from remora.wire.relay import relay_frames as frames
from remora.wire.relay.frame_session import FrameSession, Stream
from remora.wire.relay.relay_frames import ByteQueue, Frame, FrameReader, ProtocolBreak

WINDOW = 64


class Side:
    """A session with everything that a driver keeps: what was written, what came, who has ended."""

    def __init__(self, session: FrameSession) -> None:
        self.session = session
        self.streams: dict[int, Stream] = {}
        self.written: dict[int, bytearray] = {}
        self.came: dict[int, bytearray] = {}
        self.unread: dict[int, int] = {}
        self.ended: set[int] = set()
        self.end_came: set[int] = set()

    def add(self, stream: Stream) -> None:
        self.streams[stream.number] = stream
        self.written[stream.number] = bytearray()
        self.came[stream.number] = bytearray()
        self.unread[stream.number] = 0

    def write(self, number: int, data: bytes) -> None:
        source = self.streams[number].source
        assert isinstance(source, ByteQueue)
        source.put(data)
        self.written[number] += data
        self.session.touch(self.streams[number])

    def take(self, frame: Frame) -> None:
        event = self.session.receive(frame)
        if event is None:
            return
        kind, stream, payload = event
        if kind == frames.OPEN:
            self.add(stream)
        elif kind == frames.DATA:
            assert stream.number not in self.end_came
            self.came[stream.number] += payload
            self.unread[stream.number] += len(payload)
        elif kind == frames.EOF:
            self.end_came.add(stream.number)


class Way:
    """One direction of one connection."""

    def __init__(self) -> None:
        self.bytes = bytearray()
        self.reader = FrameReader()


class Relaying(RuleBasedStateMachine):
    """A laptop and a host, and connections between them that break at any byte."""

    @initialize()
    def begin(self) -> None:
        self.laptop = Side(FrameSession(WINDOW))
        self.host = Side(FrameSession(WINDOW, ByteQueue))
        self.ways: dict[bool, Way] | None = None
        self.open()
        self.connect()

    def side(self, at_host: bool) -> Side:
        return self.host if at_host else self.laptop

    @precondition(lambda self: len(self.laptop.streams) < 4)
    @rule()
    def open(self) -> None:
        self.laptop.add(self.laptop.session.open("server", ByteQueue()))

    @rule(at_host=st.booleans(), pick=st.integers(0), data=st.binary(min_size=1, max_size=150))
    def write(self, at_host: bool, pick: int, data: bytes) -> None:
        side = self.side(at_host)
        open_ones = [number for number in side.streams if number not in side.ended]
        if open_ones:
            side.write(open_ones[pick % len(open_ones)], data)

    @rule(at_host=st.booleans(), pick=st.integers(0))
    def end(self, at_host: bool, pick: int) -> None:
        side = self.side(at_host)
        open_ones = [number for number in side.streams if number not in side.ended]
        if open_ones:
            number = open_ones[pick % len(open_ones)]
            side.ended.add(number)
            side.session.end(side.streams[number])

    @rule(at_host=st.booleans(), pick=st.integers(0), count=st.integers(1, 200))
    def read(self, at_host: bool, pick: int, count: int) -> None:
        side = self.side(at_host)
        waiting = [number for number, size in side.unread.items() if size]
        if waiting:
            number = waiting[pick % len(waiting)]
            count = min(count, side.unread[number])
            side.unread[number] -= count
            side.session.consume(side.streams[number], count)

    @rule()
    def connect(self) -> None:
        """A new connection; whatever was on the old one is lost."""
        received = {True: self.host.session.received, False: self.laptop.session.received}
        self.laptop.session.attach(received[True])
        self.host.session.attach(received[False])
        self.ways = {True: Way(), False: Way()}

    @precondition(lambda self: self.ways is not None)
    @rule(chance=st.integers(0, 9))
    def lose(self, chance: int) -> None:
        if not chance:
            self.ways = None

    @precondition(lambda self: self.ways is not None)
    @rule(at_host=st.booleans(), limit=st.integers(1, 400), count=st.integers(1, 300))
    def pass_on(self, at_host: bool, limit: int, count: int) -> None:
        """Some of what waits leaves; of what is on its way some arrives, cut anywhere."""
        self.send(at_host, limit)
        self.arrive(at_host, count)

    @precondition(lambda self: self.ways is not None)
    @rule(at_host=st.booleans())
    def pass_all_on(self, at_host: bool) -> None:
        self.send(at_host, 10**9)
        self.arrive(at_host, 10**9)

    @precondition(lambda self: self.ways is not None)
    @rule(at_host=st.booleans())
    def double(self, at_host: bool) -> None:
        """Everything that is unacknowledged comes twice on one connection."""
        assert self.ways is not None
        self.send(at_host, 10**9)
        kept = b"".join(header + payload for _, header, payload in self.side(at_host).session._kept)
        self.ways[at_host].bytes += kept
        self.arrive(at_host, 10**9)

    def send(self, at_host: bool, limit: int) -> None:
        assert self.ways is not None
        self.ways[at_host].bytes += b"".join(self.side(at_host).session.take_output(limit))

    def arrive(self, at_host: bool, count: int) -> None:
        assert self.ways is not None
        way = self.ways[at_host]
        data = bytes(way.bytes[:count])
        del way.bytes[:count]
        for frame in way.reader.feed(data):
            self.side(not at_host).take(frame)

    @rule(at_host=st.booleans())
    def acknowledge(self, at_host: bool) -> None:
        self.side(at_host).session.acknowledge()

    @invariant()
    def nothing_wrong_arrives(self) -> None:
        for here, there in ((self.laptop, self.host), (self.host, self.laptop)):
            for number, came in here.came.items():
                assert there.written.get(number, b"").startswith(came)
                assert here.unread[number] <= WINDOW
            for number in here.end_came:
                assert number in there.ended
                assert here.came[number] == there.written[number]

    def teardown(self) -> None:
        if not hasattr(self, "laptop"):
            return
        self.connect()
        for _ in range(200):
            for at_host in (False, True):
                self.acknowledge(at_host)
                self.send(at_host, 10**9)
                self.arrive(at_host, 10**9)
                for number in self.side(at_host).streams:
                    self.read(at_host, number, 10**9)
        for here, there in ((self.laptop, self.host), (self.host, self.laptop)):
            assert there.came == here.written
            assert there.end_came == here.ended
            assert not here.session._kept
            over = here.ended & here.end_came
            assert set(here.session.streams) == set(here.streams) - over


TestRelaying = Relaying.TestCase
TestRelaying.settings = settings(max_examples=200, stateful_step_count=60)


def _sent(count: int) -> list[Frame]:
    session = FrameSession(4096)
    source = ByteQueue()
    stream = session.open("server", source)
    reader = FrameReader()
    sent: list[Frame] = []
    for index in range(count):
        source.put(b"%03d" % index)
        session.touch(stream)
        sent += reader.feed(b"".join(session.take_output(10**6)))
    return sent


@given(order=st.permutations(range(8)), lost=st.sets(st.integers(0, 7)))
def test_frames_in_another_order_or_with_a_gap_are_a_break_and_no_wrong_bytes(order: list[int], lost: set[int]) -> None:
    sent = _sent(7)
    side = Side(FrameSession(4096, ByteQueue))
    kept = [index for index in order if index not in lost]
    broke = False
    try:
        for index in kept:
            side.take(sent[index])
    except ProtocolBreak:
        broke = True
    came = side.came.get(1, b"")
    assert b"".join(b"%03d" % index for index in range(7)).startswith(came)
    assert broke == any(number not in kept[:at] for at, index in enumerate(kept) for number in range(index))


def test_more_bytes_than_allowed_are_a_break() -> None:
    host = FrameSession(8, ByteQueue)
    host.receive(Frame(frames.OPEN, 1, 1, b'{"target": "server"}'))
    host.receive(Frame(frames.DATA, 1, 2, b"12345678"))
    with pytest.raises(ProtocolBreak):
        host.receive(Frame(frames.DATA, 1, 3, b"9"))


def test_acknowledging_what_was_never_sent_is_a_break() -> None:
    with pytest.raises(ProtocolBreak):
        FrameSession(8).receive(Frame(frames.ACK, 0, 1, b""))
    with pytest.raises(ProtocolBreak):
        FrameSession(8).attach(1)


def test_tiny_pieces_that_nobody_acknowledges_fill_no_memory() -> None:
    session = FrameSession(1024 * 1024)
    source = ByteQueue()
    stream = session.open("server", source)
    for _ in range(20_000):
        source.put(b"x")
        session.touch(stream)
        session.take_output(10**6)
    assert len(session._kept) < 5000
    assert source.size > 15_000


def test_a_credit_that_the_end_overtakes_ends_nothing_else() -> None:
    """All was read, so a credit is owed; then the other side ends: nobody here has said that we end, too."""
    session = FrameSession(64)
    stream = session.open("server", ByteQueue())
    session.take_output(10**6)
    session.receive(Frame(frames.DATA, stream.number, 1, bytes(16)))
    session.consume(stream, 16)
    session.receive(Frame(frames.EOF, stream.number, 2, b""))
    assert session.take_output(10**6) == []
    assert not stream.over


def test_more_credit_than_was_agreed_on_is_a_break() -> None:
    session = FrameSession(1024)
    session.open("server", ByteQueue())
    session.take_output(10**6)
    with pytest.raises(ProtocolBreak, match="a credit exceeds"):
        session.receive(Frame(frames.CREDIT, 1, 1, (2**64 - 1).to_bytes(8, "big")))


def test_large_pieces_that_nobody_acknowledges_fill_no_memory() -> None:
    window = 1024 * 1024
    session = FrameSession(window)
    source = ByteQueue()
    stream = session.open("server", source)
    session.take_output(10**6)
    left = 0
    for number in range(1, 201):  # a host that takes everything and acknowledges nothing
        source.put(bytes(window))
        session.touch(stream)
        before = source.size
        session.take_output(2 * window)
        left += before - source.size
        if source.size:
            break
        session.receive(Frame(frames.CREDIT, stream.number, number, window.to_bytes(8, "big")))
    assert source.size
    assert left <= 65 * window


def test_a_lost_session_breaks_what_had_begun_and_keeps_what_had_not() -> None:
    session = FrameSession(1024)
    begun = session.open("server", ByteQueue())
    session.take_output(10**6)
    waiting = ByteQueue()
    fresh = session.open("server", waiting)
    waiting.put(b"first words")
    session.touch(fresh)

    assert session.restart() == [begun]
    assert begun.over

    host = Side(FrameSession(1024, ByteQueue))
    for frame in FrameReader().feed(b"".join(session.take_output(10**6))):
        host.take(frame)
    assert host.came == {fresh.number: b"first words"}


def test_a_stream_closed_before_anything_left_leaves_no_trace() -> None:
    session = FrameSession(1024)
    session.close(session.open("server", ByteQueue()))
    assert session.take_output(10**6) == []
    assert session.streams == {}


def test_an_idle_session_has_nothing_to_say() -> None:
    laptop, host = FrameSession(1024), FrameSession(1024, ByteQueue)
    laptop.open("server", ByteQueue())
    for frame in FrameReader().feed(b"".join(laptop.take_output(10**6))):
        host.receive(frame)
    assert not host.has_output
    host.acknowledge()
    for frame in FrameReader().feed(b"".join(host.take_output(10**6))):
        laptop.receive(frame)
    for session in (laptop, host):
        session.acknowledge()
        assert not session.has_output
        assert not session.owes_ack
        assert not session.awaits_ack
