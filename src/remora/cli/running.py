"""How a command runs its work under ``--timeout``."""

import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from remora.cli.options import Options
from remora.core.errors import Code, TimeLimit

_T = TypeVar("_T")


def run_async(work: Coroutine[Any, Any, _T], options: Options) -> _T:
    """Run `work` to its end in a loop of its own.

    At the time limit, and at the first Ctrl-C, the work is cancelled and awaited, so that whatever it
    holds is let go of. Raises :class:`TimeLimit` or :class:`KeyboardInterrupt`.
    """
    import asyncio

    async def limited() -> _T:
        limit = asyncio.timeout(options.timeout)
        try:
            async with limit:
                return await work
        except TimeoutError:
            if limit.expired():
                raise _too_late(options) from None
            raise

    return asyncio.run(limited())


@contextmanager
def limit_blocking(options: Options) -> Iterator[None]:
    """Keep ``--timeout`` around work that needs no loop, such as reading files of a stuck network drive.

    Raises :class:`TimeLimit` in the middle of the work.
    """
    if options.timeout is None:
        yield
        return

    def strike(number: int, frame: object) -> None:
        raise _too_late(options)

    before = signal.signal(signal.SIGALRM, strike)
    signal.setitimer(signal.ITIMER_REAL, options.timeout)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _too_late(options: Options) -> TimeLimit:
    return TimeLimit(
        Code.TIME_LIMIT,
        f"The command did not end within {options.timeout:g} seconds.",
        next_step="Give it more time with --timeout, or look where it waits with -v.",
    )
