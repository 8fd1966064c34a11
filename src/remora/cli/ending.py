"""What makes a command end before its work is done: Ctrl-C, a signal, the time limit."""

import asyncio
import errno
import os
import signal
import termios
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from remora.core.errors import Code, Interrupted, RemoraError

T = TypeVar("T")
Listener = Callable[[RemoraError | None], bool]

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Helpers(ThreadPoolExecutor):
    """Threads for what blocks. When the work is over nobody wants what one of them may still wait for.

    A name lookup or a dead network drive can hold a thread for minutes; see :func:`remora.cli.main.main`.
    """

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, RUF100 - as inherited
        """Let go of the threads without waiting for them."""
        super().shutdown(wait=False, cancel_futures=True)


class Ending:
    """Hears every wish that a command ends, and passes it on. For one piece of work.

    The work is cancelled and awaited, so that whatever it holds is let go of, unless it listens itself.
    """

    def __init__(self) -> None:
        self._work: asyncio.Task[Any] | None = None
        self._listener: Listener | None = None
        self._reason: RemoraError | None = None

    def listen(self, listener: Listener | None) -> None:
        """Tell `listener` of each wish from now on; `None` lets the work be cancelled again.

        It is called in the running loop, with the reason, or with `None` when a person pressed Ctrl-C and may
        press it again. When it gives false the work is cancelled after all.
        """
        self._listener = listener

    async def keep(self, work: Coroutine[Any, Any, T], *, seconds: float | None, late: Callable[[], RemoraError]) -> T:
        """Run `work` to its end, for `seconds` at most.

        Raises why it was cancelled, when it was: what `late` gives, or :class:`Interrupted`. Signals that this
        process was started to ignore (``nohup``, ``&`` in a script) stay ignored. Use it in the main thread.
        """
        loop = asyncio.get_running_loop()
        loop.set_default_executor(_Helpers(thread_name_prefix="remora"))
        self._work = task = loop.create_task(work)
        alarm = None if seconds is None else loop.call_later(seconds, self._time_up, late)
        try:
            with self._signals_heard(loop):
                await asyncio.wait({task})
        finally:
            if alarm is not None:
                alarm.cancel()
        if self._reason is not None and (task.cancelled() or task.exception() is not None):
            raise self._reason
        return task.result()

    @contextmanager
    def _signals_heard(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        heard = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        for number in heard:
            loop.add_signal_handler(number, self._signalled, number)
        try:
            yield
        finally:
            for number in heard:
                loop.remove_signal_handler(number)

    def _signalled(self, number: signal.Signals) -> None:
        if number is signal.SIGINT:
            self._wish(None, _interrupted("Interrupted."))
            return
        if number is signal.SIGHUP:
            _let_go_of_lost_terminal()
        reason = _interrupted(f"Ended by {number.name}.")
        self._wish(reason, reason)

    def _time_up(self, late: Callable[[], RemoraError]) -> None:
        reason = late()
        self._wish(reason, reason)

    def _wish(self, told: RemoraError | None, reason: RemoraError) -> None:
        if self._listener is not None and self._listener(told):
            return
        self._reason = self._reason or reason
        if self._work is not None:
            self._work.cancel()


def _interrupted(message: str) -> Interrupted:
    return Interrupted(Code.INTERRUPTED, message, next_step="Run the command again.")


def _let_go_of_lost_terminal() -> None:
    """Let what is still written to a terminal that was closed go nowhere: each write would fail."""
    nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        for descriptor in (0, 1, 2):
            try:
                termios.tcgetattr(descriptor)
            except termios.error as error:
                if error.args[0] == errno.EIO:
                    os.dup2(nowhere, descriptor)
    finally:
        os.close(nowhere)
