"""Nothing lost, nothing shown twice, wherever the link is cut (F81)."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from remora.core.thread.transcript import Transcript


class Server:
    """Produces messages; what is sent while nobody listens is lost, what is done stays in history."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str]] = []
        self.open: tuple[str, str] | None = None
        self.made = 0


class Client:
    """Shows what the transcript says."""

    def __init__(self) -> None:
        self.transcript = Transcript()
        self.shown: dict[str, str] = {}
        self.whole: dict[str, str] = {}

    def piece(self, key: str, text: str) -> None:
        self.shown[key] = self.shown.get(key, "") + self.transcript.piece(key, "message", text)

    def finish(self, key: str, text: str) -> None:
        ending = self.transcript.finish(key, "message", text)
        if ending is None:
            return
        assert key not in self.whole, "an item is finished once"
        assert ending.faithful
        self.shown[key] = self.shown.get(key, "") + ending.remainder
        self.whole[key] = text


class Reconnecting(RuleBasedStateMachine):
    """A stream that breaks at random points; histories with stable and with new item ids."""

    def __init__(self) -> None:
        super().__init__()
        self.server = Server()
        self.client = Client()
        self.linked = True
        self.stable = True

    @rule(stable=st.booleans())
    @precondition(lambda self: self.server.made == 0)
    def choose(self, stable: bool) -> None:
        self.stable = stable

    @rule()
    @precondition(lambda self: self.server.open is None)
    def begin(self) -> None:
        self.server.made += 1
        self.server.open = (f"item{self.server.made}", "")
        if self.linked:
            self.client.transcript.start(self.server.open[0], "message")

    @rule(text=st.text("ab", min_size=1, max_size=3))
    @precondition(lambda self: self.server.open is not None)
    def write(self, text: str) -> None:
        assert self.server.open is not None
        key, before = self.server.open
        self.server.open = (key, before + text)
        if self.linked:
            self.client.piece(key, text)

    @rule()
    @precondition(lambda self: self.server.open is not None)
    def complete(self) -> None:
        assert self.server.open is not None
        key, text = self.server.open
        self.server.open = None
        self.server.done.append((key, text))
        if self.linked:
            self.client.finish(key, text)

    @rule()
    @precondition(lambda self: self.linked)
    def cut(self) -> None:
        self.linked = False

    @rule()
    @precondition(lambda self: not self.linked)
    def reconnect(self) -> None:
        self.linked = True
        self.client.transcript.cut()
        for position, (key, text) in enumerate(self.server.done):
            name = key
            if not self.stable:
                name = self.client.transcript.key_in_stream(f"history{position}", "message", text)
            self.client.finish(name, text)

    @invariant()
    def shown_is_a_beginning_of_the_truth(self) -> None:
        for key, text in self.client.whole.items():
            assert self.client.shown[key] == text
        if self.linked:
            assert list(self.client.whole.values()) == [text for _, text in self.server.done]
        if self.server.open is not None:
            key, text = self.server.open
            assert text.startswith(self.client.shown.get(key, ""))


TestReconnecting = Reconnecting.TestCase
TestReconnecting.settings = settings(max_examples=150, stateful_step_count=40)


@given(text=st.text(), cut=st.integers(0, 50))
def test_the_remainder_is_what_was_not_shown(text: str, cut: int) -> None:
    transcript = Transcript()
    transcript.start("a", "message")
    shown = transcript.piece("a", "message", text[:cut])
    transcript.cut()
    assert transcript.piece("a", "message", "what comes at an unknown place") == ""
    ending = transcript.finish("a", "message", text)
    assert ending is not None
    assert shown + ending.remainder == text
    assert transcript.finish("a", "message", text) is None


def test_a_beginning_that_was_not_streamed_is_told_apart_from_what_follows() -> None:
    transcript = Transcript()
    transcript.start("a", "command")
    transcript.piece("a", "command", "line\n")
    transcript.piece("a", "command", "second ")
    ending = transcript.finish("a", "command", "line of the beginning\nline\nsecond and last\n")
    assert ending is not None
    assert (ending.missed, ending.remainder) == ("line of the beginning\n", "and last\n")
    assert ending.faithful


def test_pieces_that_do_not_stand_in_the_whole_are_not_continued() -> None:
    transcript = Transcript()
    transcript.start("a", "command")
    transcript.piece("a", "command", "something else")
    ending = transcript.finish("a", "command", "first line\nsecond line")
    assert ending is not None
    assert (ending.faithful, ending.missed, ending.remainder) == (False, "", "")


def test_pieces_after_a_break_are_missed_until_their_item_is_whole() -> None:
    transcript = Transcript()
    transcript.start("a", "command")
    transcript.piece("a", "command", "one\n")
    transcript.cut()
    assert not transcript.lacks_pieces()
    assert transcript.piece("a", "command", "three\n") == ""
    assert transcript.lacks_pieces()
    assert transcript.finish("a", "command", "one\ntwo\nthree\n") is not None
    assert not transcript.lacks_pieces()


def test_memory_does_not_grow_with_what_was_shown() -> None:
    transcript = Transcript()
    transcript.start("a", "message")
    for _ in range(100):
        transcript.piece("a", "message", "x" * 1000)
    assert sum(len(repr(getattr(transcript, name))) for name in vars(transcript)) < 2_000
