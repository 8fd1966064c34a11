"""Messages that nobody asked for, until somebody reads them."""

from collections import deque
from typing import Final

from remora.ports import EventSpool

_OVERHEAD: Final = 64
"""Bytes of memory that a message costs beyond its own."""


class Unasked:
    """Where unasked messages wait until somebody brings a spool: at most `limit` bytes, the newest are kept."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._early: deque[bytes] = deque()
        self._size = 0
        self._spool: EventSpool | None = None
        self._finished = False

    def put(self, record: bytes) -> None:
        """Add one message."""
        if self._spool is not None:
            self._spool.put(record)
            return
        self._early.append(record)
        self._size += len(record) + _OVERHEAD
        while self._size > self._limit and len(self._early) > 1:
            self._size -= len(self._early.popleft()) + _OVERHEAD

    def attach(self, spool: EventSpool) -> None:
        """Hand everything, and what comes later, to `spool`."""
        self._spool = spool
        for record in self._early:
            spool.put(record)
        self._early.clear()
        if self._finished:
            spool.finish()

    def finish(self) -> None:
        """Nothing more will come."""
        self._finished = True
        if self._spool is not None:
            self._spool.finish()
