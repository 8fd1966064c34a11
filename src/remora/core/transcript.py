"""What was shown of which item, so that a reconnect neither loses nor repeats anything.

A stream shows an item piece by piece; history shows it whole. Between a lost connection and the next one
pieces are missing, and nobody says how many: an item that was open then is held back until it is known
whole, and only the remainder is shown. Texts are remembered as a length and a digest, so that memory does
not grow with what was shown.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class _Item:
    kind: str
    announced: bool = False
    held: bool = False
    finished: bool = False
    length: int = 0
    digest: Any = field(default_factory=lambda: hashlib.blake2b(digest_size=16))

    def add(self, piece: str) -> None:
        self.length += len(piece)
        self.digest.update(piece.encode("utf-8", "surrogatepass"))

    def begins(self, whole: str) -> bool:
        """Whether what was shown is the beginning of `whole`."""
        if self.length > len(whole):
            return False
        shown = hashlib.blake2b(whole[: self.length].encode("utf-8", "surrogatepass"), digest_size=16)
        return bool(shown.digest() == self.digest.digest())


@dataclass(frozen=True, slots=True)
class Ending:
    """What to show when an item is known whole.

    `first` says that the item's start was not shown. `remainder` is the part of the
    text not yet shown; `faithful` is false when the pieces shown before are not the beginning of the whole.
    """

    first: bool
    remainder: str
    faithful: bool


class Transcript:
    """The items of one turn. Keys are item ids of the live stream."""

    def __init__(self) -> None:
        self._items: dict[str, _Item] = {}
        self._gap = False
        self._before_cut: list[str] = []
        self._matched: dict[str, int] = {}

    def cut(self) -> None:
        """The connection broke: whatever is open may miss pieces from now on."""
        self._gap = True
        self._before_cut = list(self._items)
        self._matched = {}
        for item in self._items.values():
            item.held = item.held or not item.finished

    def start(self, key: str, kind: str) -> bool:
        """An item starts in the stream. True when that is news."""
        if key in self._items:
            return False
        self._items[key] = _Item(kind, announced=True)
        return True

    def piece(self, key: str, kind: str, text: str) -> str:
        """A piece of an item arrives; gives what to show of it now, which may be nothing."""
        item = self._items.get(key)
        if item is None:
            item = self._items[key] = _Item(kind, held=self._gap)
        if item.held or item.finished:
            return ""
        item.add(text)
        return text

    def finish(self, key: str, kind: str, whole: str) -> Ending | None:
        """The item is known whole. `None` when that was shown before."""
        item = self._items.get(key)
        if item is None:
            item = self._items[key] = _Item(kind)
        if item.finished:
            return None
        faithful = item.begins(whole)
        remainder = whole[item.length :] if faithful else ""
        item.add(remainder)
        first = not item.announced
        item.finished = item.announced = True
        item.held = False
        return Ending(first, remainder, faithful)

    def key_in_stream(self, key: str, kind: str, whole: str) -> str:
        """The stream's id of an item that stands in history under `key`.

        Older servers renumber items in their history. Ask in the order of the history, once for each item
        after every :meth:`cut`; items of one kind then match in order, each to text that it continues.
        """
        if key in self._items:
            if key in self._before_cut:
                self._matched[kind] = self._before_cut.index(key) + 1
            return key
        for position in range(self._matched.get(kind, 0), len(self._before_cut)):
            name = self._before_cut[position]
            item = self._items[name]
            if item.kind != kind:
                continue
            if item.begins(whole) and (not item.finished or item.length == len(whole)):
                self._matched[kind] = position + 1
                return name
        return key
