"""How a command runs its work under ``--timeout``."""

import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from remora.cli.frame.options import Options
from remora.cli.process.signals import SIGNALS
from remora.core.errors import Code, TimeLimit

if TYPE_CHECKING:
    from remora.cli.process.early_end import EarlyEnd

_T = TypeVar("_T")


def run_async(work: Coroutine[Any, Any, _T], options: Options, ending: "EarlyEnd | None" = None) -> _T:
    """Run `work` to its end in a loop of its own; work that wants to hear why it has to end brings its `ending`.

    At the time limit, at Ctrl-C, and when this process is told to end, other work is cancelled and awaited.
    Raises :class:`TimeLimit` or :class:`~remora.core.errors.Interrupted` then.
    """
    import asyncio

    from remora.cli.process.early_end import EarlyEnd

    late = partial(_too_late, options)
    return asyncio.run((ending or EarlyEnd()).keep(work, seconds=options.seconds_left, late=late))


@contextmanager
def limit_blocking(options: Options) -> Iterator[None]:
    """Keep ``--timeout`` around work that needs no loop, such as reading files of a stuck network drive.

    Raises :class:`TimeLimit` in the middle of the work.
    """
    SIGNALS.check()
    seconds = options.seconds_left
    if seconds is None:
        yield
        return

    def strike(number: int, frame: object) -> None:
        raise _too_late(options)

    before = signal.signal(signal.SIGALRM, strike)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _too_late(options: Options) -> TimeLimit:
    return TimeLimit(
        Code.TIME_LIMIT,
        f"The command did not end within {options.timeout:g} seconds.",
        next_step="Raise --timeout, or find the slow stage with: remora check ALIAS",
    )
