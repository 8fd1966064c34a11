"""What was shown of which item, so that a reconnect neither loses nor repeats anything.

A stream shows an item piece by piece; history shows it whole. Between a lost connection and the next one
pieces are missing, and nobody says how many: an item that was open then is held back until it is known
whole, and only the remainder is shown. Texts are remembered as a length and a digest, so that memory does
not grow with what was shown.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any, Final

from remora.core.server.request_faults import too_much

_BEGINNING: Final = 256
"""Characters of an item's first pieces that are remembered, to find them in the whole."""
_MOST_ITEMS: Final = 100_000
"""Items of one turn."""
_PLACES: Final = 16
"""How many places in the whole are tried."""


@dataclass(slots=True)
class ShownText:
    """A text that came in pieces, remembered as its length and a digest."""

    length: int = 0
    beginning: str = ""
    digest: Any = field(default_factory=lambda: hashlib.blake2b(digest_size=16))

    def add(self, piece: str) -> None:
        """The next piece."""
        self.length += len(piece)
        self.beginning += piece[: _BEGINNING - len(self.beginning)]
        self.digest.update(piece.encode("utf-8", "surrogatepass"))

    def begins(self, whole: str) -> bool:
        """Whether what was shown is the beginning of `whole`."""
        return self._stands_at(whole, 0)

    def place_in(self, whole: str) -> int | None:
        """Where in `whole` the text that was shown stands; `None` when it does not."""
        place = whole.find(self.beginning)
        for _ in range(_PLACES):
            if place < 0 or self._stands_at(whole, place):
                break
            place = whole.find(self.beginning, place + 1)
        return place if place >= 0 and self._stands_at(whole, place) else None

    def _stands_at(self, whole: str, place: int) -> bool:
        text = whole[place : place + self.length]
        if len(text) < self.length:
            return False
        shown = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16)
        return bool(shown.digest() == self.digest.digest())


@dataclass(slots=True)
class _Item(ShownText):
    kind: str = ""
    announced: bool = False
    held: bool = False
    withheld: bool = False
    finished: bool = False


@dataclass(frozen=True, slots=True)
class Ending:
    """What to show when an item is known whole.

    `first` says that the item's start was not shown. `remainder` is the text behind what was shown, `missed`
    the text before it: some servers do not stream the first output of a command. `faithful` is false when the
    pieces shown do not stand in the whole at all.
    """

    first: bool
    missed: str
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

    def knows(self, key: str) -> bool:
        """Whether anything of this item was seen."""
        return key in self._items

    def start(self, key: str, kind: str) -> bool:
        """An item starts in the stream. True when that is news."""
        if key in self._items:
            return False
        self._add(key, _Item(kind=kind, announced=True))
        return True

    def piece(self, key: str, kind: str, text: str) -> str:
        """A piece of an item arrives; gives what to show of it now, which may be nothing."""
        item = self._items.get(key)
        if item is None:
            item = self._add(key, _Item(kind=kind, held=self._gap))
        if item.held or item.finished:
            item.withheld = item.withheld or bool(text)
            return ""
        item.add(text)
        return text

    def lacks_pieces(self) -> bool:
        """Whether pieces were held back of an item whose whole has not been seen."""
        return any(item.withheld and not item.finished for item in self._items.values())

    def finish(self, key: str, kind: str, whole: str) -> Ending | None:
        """The item is known whole. `None` when that was shown before."""
        item = self._items.get(key)
        if item is None:
            item = self._add(key, _Item(kind=kind))
        if item.finished:
            return None
        place = item.place_in(whole)
        missed, remainder = ("", "") if place is None else (whole[:place], whole[place + item.length :])
        item.add(remainder)
        first = not item.announced
        item.finished = item.announced = True
        item.held = False
        return Ending(first, missed, remainder, faithful=place is not None)

    def _add(self, key: str, item: _Item) -> _Item:
        if len(self._items) >= _MOST_ITEMS:
            raise too_much("items in one turn", _MOST_ITEMS)
        self._items[key] = item
        return item

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
