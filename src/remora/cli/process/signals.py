"""Signals of the whole process, heard from its first moment to its last.

One thread hears them, whatever the main thread does: it may be blocked in a system call or in a library. The first
Ctrl-C interrupts the work in order. A second one ends the process within a second, in any state.
"""

import _thread
import os
import select
import signal
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

ENDS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that ask a command to end."""
_GRACE: Final = 1.0
"""Seconds that work gets to end by itself after the second Ctrl-C."""
_EXIT_CODE: Final = 130
_WAKE: Final = 0
_STOP: Final = 255
"""Bytes in our pipe that are not numbers of signals."""
_IMPORTS: Final = "<frozen importlib"

Route = Callable[[int], object]


class Signals:
    """Hears signals for this process. There is one, :data:`SIGNALS`; its methods belong to the main thread."""

    def __init__(self) -> None:
        self._write = -1
        self._forceful = False
        self._interruptible = False
        self._early = False
        self._route: Route | None = None
        self._unread: Callable[[], object] | None = None
        self._lent = False
        self._interrupts = 0
        self._deadline: float | None = None
        self._before_end: list[Callable[[], None]] = []
        self._asked = False
        self.limit: float | None = None
        """When the time limit of the command is reached, on the monotonic clock."""

    def hear(self, early: Sequence[int] = ()) -> None:
        """Begin, for the rest of the process: a second Ctrl-C ends it at once. `early` are signals that came before."""
        self._begin()
        self._forceful = True
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, self._struck)
        self._early = bool(early)
        self._interrupts = len(early)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Work that a first Ctrl-C ends with :class:`KeyboardInterrupt`, as long as no loop hears it."""
        self._interruptible = True
        try:
            self.check()
            yield
        finally:
            self._interruptible = False

    def check(self) -> None:
        """Raise :class:`KeyboardInterrupt` for a Ctrl-C that came when nothing could be interrupted."""
        if self._early:
            self._early = False
            raise KeyboardInterrupt

    @contextmanager
    def routed(self, route: Route) -> Iterator[None]:
        """`route` hears each signal, in the thread that hears them. What the process ignores stays ignored."""
        mine = self._write < 0
        if mine:
            self._begin()
        heard = [number for number in ENDS if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._struck) for number in heard}
        self._route = route
        try:
            self.check()
            yield
        finally:
            self._route = self.limit = None
            for number, handler in before.items():
                signal.signal(number, handler)
            if mine:
                self._end()

    @property
    def must_end(self) -> bool:
        """Whether a signal has asked this command to end, or its time is up."""
        return self._asked or (self.limit is not None and time.monotonic() >= self.limit)

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Ctrl-C means another program, which has the terminal."""
        self._lent = True
        try:
            yield
        finally:
            self._lent = False

    def watch_output(self, unread: Callable[[], object] | None) -> None:
        """Call `unread`, in the thread that hears signals, when nobody reads what this program writes any more."""
        self._unread = unread
        if self._write >= 0:
            self._wake(_WAKE)

    @contextmanager
    def before_end(self, restore: Callable[[], None]) -> Iterator[None]:
        """Inside, an end at once does `restore` first; it must not block."""
        self._before_end.append(restore)
        try:
            yield
        finally:
            self._before_end.remove(restore)

    # -- in the main thread

    def _begin(self) -> None:
        read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        _thread.start_new_thread(self._hear, (read,))

    def _end(self) -> None:
        signal.set_wakeup_fd(-1)
        write, self._write = self._write, -1
        os.write(write, bytes([_STOP]))
        os.close(write)

    def _struck(self, number: int, frame: FrameType | None) -> None:
        if self._route is not None or number != signal.SIGINT:
            return
        if self._interruptible and not _in_import(frame):
            raise KeyboardInterrupt
        self._early = True

    def _wake(self, byte: int) -> None:
        with suppress(BlockingIOError):
            os.write(self._write, bytes([byte]))

    # -- in the thread

    def _hear(self, read: int) -> None:
        poll = select.poll()
        poll.register(read, select.POLLIN)
        watched: tuple[int, ...] = ()
        try:
            while True:
                wanted = _readers() if self._unread is not None else ()
                for descriptor in {*watched, *wanted}:
                    with suppress(KeyError):
                        poll.unregister(descriptor)
                for descriptor in wanted:
                    poll.register(descriptor, 0)
                watched = wanted
                gone = [descriptor for descriptor, _ in poll.poll(self._patience()) if descriptor != read]
                if gone:
                    self._tell_unread()
                if not self._take(read):
                    return
        finally:
            os.close(read)

    def _take(self, read: int) -> bool:
        ready, _, _ = select.select([read], [], [], 0)
        data = os.read(read, 64) if ready else b""
        for byte in data:
            if byte == _STOP:
                return False
            if byte != _WAKE:
                self._came(byte)
        if self._deadline is not None and time.monotonic() >= self._deadline:
            self._end_now()
        return True

    def _patience(self) -> float | None:
        return None if self._deadline is None else max(self._deadline - time.monotonic(), 0) * 1000

    def _came(self, number: int) -> None:
        if self._lent:
            return
        if number == signal.SIGINT:
            self._interrupts += 1
            if self._forceful and self._interrupts > 1:
                if self._deadline is not None or self._route is None:
                    self._end_now()
                self._deadline = time.monotonic() + _GRACE
        route = self._route
        if number in ENDS:
            self._asked = self._asked or route is not None
        if route is not None:
            with suppress(RuntimeError):  # the loop has just closed
                route(number)

    def _tell_unread(self) -> None:
        unread, self._unread = self._unread, None
        if unread is not None:
            with suppress(RuntimeError):
                unread()

    def _end_now(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
        for restore in reversed(self._before_end):
            with suppress(Exception):
                restore()
        os._exit(_EXIT_CODE)


SIGNALS: Final = Signals()


def _readers() -> tuple[int, ...]:
    """The outputs whose reader is watched: standard output; standard error where that leads nowhere."""
    descriptor = 2 if leads_nowhere(1) else 1
    return (descriptor,) if is_stream(descriptor) and not os.isatty(descriptor) else ()


def is_stream(descriptor: int) -> bool:
    """Whether a reader is at the other end, who may stop reading or go away: a pipe, a socket or a terminal."""
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor)


def leads_nowhere(descriptor: int) -> bool:
    try:
        there, nowhere = os.fstat(descriptor), os.stat(os.devnull)  # noqa: PTH116 - this module loads little
    except OSError:
        return True
    return stat.S_ISCHR(there.st_mode) and there.st_rdev == nowhere.st_rdev


def _in_import(frame: FrameType | None) -> bool:
    """Whether a module is being loaded: an exception there can be lost in a callback, with a traceback."""
    while frame is not None:
        if frame.f_code.co_filename.startswith(_IMPORTS):
            return True
        frame = frame.f_back
    return False
