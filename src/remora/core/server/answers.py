"""Answers of our scripts: fenced by a random marker, in any amount of noise."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from remora.core.text import decode

_ESCAPES: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))")
_NUMBER: Final = re.compile(r"[0-9]{1,18}")
_ANSWER_LIMIT: Final = 1024 * 1024
_TOTAL_LIMIT: Final = 8 * 1024 * 1024
_FIRST_NOISE: Final = 2048
"""Bytes: what a program says first, before it complains about each line of ours, says best what it is."""
_DROPPED: Final = b"\n[...]\n"
_PAIR_SIZE: Final = 256
"""What keeping one answer costs beyond its bytes."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What one script answered, in order; a key may come more than once."""

    pairs: tuple[tuple[str, str], ...]

    def one(self, key: str) -> str | None:
        """The last value of `key`."""
        return next((value for name, value in reversed(self.pairs) if name == key), None)

    def number(self, key: str) -> int | None:
        """The last value of `key`, if it is a whole number that a machine could mean; hosts may say anything."""
        return whole_number(self.one(key) or "")

    def all(self, key: str) -> tuple[str, ...]:
        """Every value of `key`."""
        return tuple(value for name, value in self.pairs if name == key)

    def under(self, prefix: str) -> "Answers":
        """Those whose key begins with `prefix` and a dot, without both."""
        start = f"{prefix}."
        return Answers(tuple((name.removeprefix(start), value) for name, value in self.pairs if name.startswith(start)))

    def with_pair(self, key: str, value: str) -> "Answers":
        """These and one more."""
        return Answers((*self.pairs, (key, value)))


class AnswerReader:
    """Takes output as it comes; keeps answers, and of the rest `noise_limit` bytes: the first and the newest.

    An answer is ``<nonce>key=value`` or ``<nonce>key~hex`` on a line of its own. After the answer ``end``
    nothing more is read: what follows stays in :attr:`rest`, for whoever gets the stream next.
    """

    def __init__(self, nonce: str, *, noise_limit: int) -> None:
        self._prefix = f"\n<{nonce}>".encode()
        self._noise_first = min(_FIRST_NOISE, noise_limit // 4)
        self._noise_last = max(noise_limit - self._noise_first - len(_DROPPED), 0)
        self._buffer = b""
        self._pairs: list[tuple[str, str]] = []
        self._room = _TOTAL_LIMIT
        self._noise = b""
        self._noise_before = b""
        self._noise_dropped = False
        self._listen: Callable[[bytes], None] | None = None
        self.ended: str | None = None
        """Which script said that it is done."""

    @property
    def answers(self) -> Answers:
        """All answers since the last :meth:`begin`."""
        return Answers(tuple(self._pairs))

    @property
    def noise(self) -> bytes:
        """What was no answer. Where some was dropped in the middle, a line of dots stands for it."""
        noise = self._noise + (b"" if self.ended else self._buffer)
        return self._noise_before + (_DROPPED if self._noise_dropped else b"") + noise

    def begin(self, listen: Callable[[bytes], None] | None = None) -> None:
        """Get ready for the next script; `listen` hears what is no answer.

        A newline that may begin an answer is held back; an empty piece says that the line has ended all the same.
        """
        self._listen = listen
        self.ended = None
        self._pairs = []
        self._room = _TOTAL_LIMIT

    def rest(self) -> bytes:
        """Give up what came after the end, and forget it here."""
        rest, self._buffer = self._buffer, b""
        return rest

    def feed(self, data: bytes) -> None:
        """Take the next piece of output."""
        self._buffer += data
        while self.ended is None:
            start = self._buffer.find(self._prefix)
            if start < 0:
                plain = len(self._buffer) - self._beginning()
                self.add_noise(self._buffer[:plain])
                self._buffer = self._buffer[plain:]
                if plain and self._buffer and self._listen is not None:
                    self._listen(b"")
                return
            self.add_noise(self._buffer[:start])
            end = self._buffer.find(b"\n", start + len(self._prefix))
            if end < 0:
                self._buffer = self._buffer[start : start + _ANSWER_LIMIT]
                return
            self._take(self._buffer[start + len(self._prefix) : end])
            self._buffer = self._buffer[end + 1 :]

    def add_noise(self, data: bytes) -> None:
        """Keep what came by another way, such as standard error."""
        if data and self._listen is not None:
            self._listen(data)
        room = self._noise_first - len(self._noise_before)
        self._noise_before += data[:room]
        noise = self._noise + data[room:]
        surplus = max(len(noise) - self._noise_last, 0)
        self._noise = noise[surplus:]
        self._noise_dropped = self._noise_dropped or surplus > 0

    def _beginning(self) -> int:
        """How many bytes at the end of the buffer may be the beginning of an answer."""
        longest = min(len(self._prefix) - 1, len(self._buffer))
        return next((size for size in range(longest, 0, -1) if self._buffer.endswith(self._prefix[:size])), 0)

    def _take(self, line: bytes) -> None:
        match = re.match(rb"([a-z0-9.-]+)([=~])(.*)", line.rstrip(b"\r"), re.DOTALL)
        if match is None:
            return
        key, kind, raw = match[1].decode(), match[2], match[3]
        if kind == b"~":
            try:
                raw = bytes.fromhex(raw.decode("ascii", "replace"))
            except ValueError:
                return
        if key == "end":
            self.ended = decode(raw)
        self._room -= len(raw) + _PAIR_SIZE
        if self._room >= 0 or key == "end":  # a host that answers without end fills no memory
            self._pairs.append((key, decode(raw)))


def read_answers(output: bytes, nonce: str) -> Answers:
    """The answers in the complete output of a script."""
    reader = AnswerReader(nonce, noise_limit=0)
    reader.feed(output)
    return reader.answers


def whole_number(text: str) -> int | None:
    """The number that `text` is in decimal digits; `None` for anything else, and for one beyond 64 bits."""
    return int(text) if _NUMBER.fullmatch(text) else None


def without_escapes(text: str) -> str:
    """Remote text without its terminal colours, for people to read."""
    return _ESCAPES.sub("", text)
