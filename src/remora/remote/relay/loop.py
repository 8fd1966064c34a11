"""Waiting for descriptors and times, and nothing else: without work the relay uses no processor time.

Runs on the host: Python 3.8, standard library only.
"""

from __future__ import annotations

import os
import selectors
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Hashable
    from typing import Protocol

    class Party(Protocol):
        """Whoever is called back. What fails in a call ends the one that was called and no other."""

        def abort(self) -> None: ...


class Loop:
    """Calls back when a descriptor is ready and when a time has come."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self._selector = selectors.DefaultSelector()
        self._watched: dict[int, tuple[int, Callable[[int], None]]] = {}
        self._timers: dict[Hashable, tuple[float, Party, Callable[[], None]]] = {}
        self._later: dict[Callable[[], None], Party] = {}
        self._children: list[int] = []

    def close(self) -> None:
        """Nothing is called any more."""
        self._selector.close()

    def watch(self, thing: socket.socket | int, events: int, party: Party, call: Callable[[int], None]) -> None:
        """Call `call` whenever one of `events` holds of `thing`; 0 ends that."""
        descriptor = thing if isinstance(thing, int) else thing.fileno()
        before = self._watched.get(descriptor)
        if before == (events, call):
            return
        if not events:
            if before is not None:
                del self._watched[descriptor]
                self._selector.unregister(descriptor)
        elif before is None:
            self._selector.register(descriptor, events, (party, call))
            self._watched[descriptor] = (events, call)
        else:
            self._selector.modify(descriptor, events, (party, call))
            self._watched[descriptor] = (events, call)

    def call_at(self, key: Hashable, when: float, party: Party, call: Callable[[], None]) -> None:
        """Call `call` once at `when`, instead of what was to be called for `key`."""
        self._timers[key] = (when, party, call)

    def call_later(self, party: Party, call: Callable[[], None]) -> None:
        """Call `call` once, when all that is ready now has been dealt with."""
        self._later[call] = party

    def is_due(self, key: Hashable) -> bool:
        """Whether something is to be called for `key`."""
        return key in self._timers

    def cancel(self, key: Hashable) -> None:
        """Call nothing for `key`."""
        self._timers.pop(key, None)

    def reap(self, child: int = 0) -> None:
        """Take note of a child that was killed, and let go of those that have ended."""
        if child:
            self._children.append(child)
        self._children = [child for child in self._children if _runs(child)]

    def run_once(self) -> None:
        """Wait for whatever comes first, and call."""
        for key, events in self._selector.select(self._patience()):
            party, call = key.data
            try:
                call(events)
            except Exception as error:  # noqa: BLE001 - one session's trouble is not that of the others
                _abort(party, error)
        self._call_later()
        if self._timers:
            self._call_expired()
            self._call_later()

    def _call_later(self) -> None:
        while self._later:
            later, self._later = self._later, {}
            for call, party in later.items():
                try:
                    call()
                except Exception as error:  # noqa: BLE001
                    _abort(party, error)

    def _call_expired(self) -> None:
        now = self.now()
        for name, (when, party, expired) in list(self._timers.items()):
            if when <= now and self._timers.get(name, (0, None, None))[2] is expired:
                del self._timers[name]
                try:
                    expired()
                except Exception as error:  # noqa: BLE001
                    _abort(party, error)

    def _patience(self) -> float | None:
        if not self._timers:
            return None
        return max(min(when for when, _, _ in self._timers.values()) - self.now(), 0)


def _abort(party: Party, error: Exception) -> None:
    sys.excepthook(type(error), error, error.__traceback__)
    try:
        party.abort()
    except Exception as another:  # noqa: BLE001
        sys.excepthook(type(another), another, another.__traceback__)


def _runs(child: int) -> bool:
    try:
        return os.waitpid(child, os.WNOHANG)[0] == 0
    except ChildProcessError:
        return False
