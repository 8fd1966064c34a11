"""What makes a command end before its work is done: Ctrl-C, a signal, the time limit, a reader that has gone."""

import asyncio
import errno
import select
import signal
import termios
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from remora.cli.process.signals import SIGNALS
from remora.cli.process.streams import lead_nowhere
from remora.core.errors import Code, Interrupted, RemoraError

T = TypeVar("T")
Listener = Callable[[RemoraError | None], bool]


class _Helpers(ThreadPoolExecutor):
    """Threads for what blocks. When the work is over nobody wants what one of them may still wait for.

    A name lookup or a dead network drive can hold a thread for minutes; see :func:`remora.cli.main.main`.
    """

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, RUF100 - as inherited
        """Let go of the threads without waiting for them."""
        super().shutdown(wait=False, cancel_futures=True)


class EarlyEnd:
    """Hears every wish that a command ends, and passes it on. For one piece of work.

    The work is cancelled and awaited, so that whatever it holds is let go of, unless it listens itself.
    """

    def __init__(self) -> None:
        self._work: asyncio.Task[Any] | None = None
        self._listener: Listener | None = None
        self._reason: RemoraError | None = None
        self._lost: OSError | None = None
        self._told: set[int] = set()

    def listen(self, listener: Listener | None) -> None:
        """Tell `listener` of each wish from now on; `None` lets the work be cancelled again.

        It is called in the running loop, with the reason, or with `None` when a person pressed Ctrl-C and may
        press it again. When it gives false the work is cancelled after all.
        """
        self._listener = listener

    def watch_readers(self) -> None:
        """From now on the end of whoever reads the output is such a wish, too, also while nothing is written."""
        loop = asyncio.get_running_loop()
        SIGNALS.watch_output(partial(loop.call_soon_threadsafe, self.lose, BrokenPipeError()))

    def lose(self, error: OSError) -> None:
        """What this program writes goes nowhere any more: whoever listens ends the work; then `error` is raised."""
        if self._lost is not None:
            return
        self._lost = error
        for descriptor in (1, 2) if isinstance(error, BrokenPipeError) else (1,):
            if descriptor == 1 or _is_broken(descriptor):
                lead_nowhere(descriptor)
        reason = _interrupted("The program that reads the output has ended.")
        self._wish(reason, reason)

    async def keep(self, work: Coroutine[Any, Any, T], *, seconds: float | None, late: Callable[[], RemoraError]) -> T:
        """Run `work` to its end, for `seconds` at most.

        Raises why it was cancelled, when it was: what `late` gives, or :class:`Interrupted`. Signals that this
        process was started to ignore (``nohup``, ``&`` in a script) stay ignored. Use it in the main thread.
        """
        loop = asyncio.get_running_loop()
        loop.set_default_executor(_Helpers(thread_name_prefix="remora"))
        self._work = task = loop.create_task(work)
        alarm = None if seconds is None else loop.call_later(seconds, self.time_up, late)
        try:
            with SIGNALS.routed(lambda number: loop.call_soon_threadsafe(self._signalled, number)):
                SIGNALS.limit = None if seconds is None else time.monotonic() + seconds
                await asyncio.wait({task})
        finally:
            SIGNALS.watch_output(None)
            if alarm is not None:
                alarm.cancel()
            if not task.done():
                task.cancel()
        if self._lost is not None:
            await asyncio.wait({task})
            raise self._lost
        if self._reason is not None and (task.cancelled() or task.exception() is not None):
            raise self._reason
        return task.result()

    def _signalled(self, number: int) -> None:
        if number == signal.SIGINT:
            self._wish(None, _interrupted("Interrupted."))
            return
        if number in self._told:  # a shell and the kernel both tell of a closed terminal: nobody insists by that
            return
        self._told.add(number)
        if number == signal.SIGHUP:
            _let_go_of_lost_terminal()
        reason = _interrupted(f"Ended by {signal.Signals(number).name}.")
        self._wish(reason, reason)

    def time_up(self, late: Callable[[], RemoraError]) -> None:
        """The time limit has passed; `late` gives the reason."""
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
    for descriptor in (0, 1, 2):
        try:
            termios.tcgetattr(descriptor)
        except termios.error as error:
            if error.args[0] == errno.EIO:
                lead_nowhere(descriptor)


def _is_broken(descriptor: int) -> bool:
    """Whether nobody reads from this pipe."""
    poll = select.poll()
    poll.register(descriptor, 0)
    return bool(poll.poll(0))
