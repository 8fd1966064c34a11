"""Following a run from its first event to its report."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing, closing
from typing import Any, Final, Protocol

from rich.text import Text

from remora.cli.draw.page import remote
from remora.cli.frame.audience import drawing
from remora.cli.frame.floor import Floor
from remora.cli.process.early_end import EarlyEnd
from remora.core.errors import Code, ExitCode, ProtocolProblem, RemoraError
from remora.core.server.launch_plan import LaunchMode
from remora.wire.reports.run import ApprovalRequested, Connected, Reconnected, RunEvent, RunReport, ThreadReady

_STAGES: Final = 2
_HELD: Final = 20_000
"""Events that are taken while a question is on the screen."""


class View(Protocol):
    """What shows the events."""

    def show(self, event: RunEvent) -> None: ...
    def redraw(self) -> None: ...
    def settle(self) -> None: ...
    def say(self, text: Text) -> None: ...


class Interruptible(Protocol):
    """What is told to end: the first time to stop the turn, the second time to leave."""

    def interrupt(self, reason: RemoraError | None = None) -> None: ...


async def follow(
    events: AsyncGenerator[RunEvent, None],
    view: View,
    floor: Floor,
    interrupts: Interruptible,
    ending: EarlyEnd,
    *,
    alias: str,
    patience: float,
    options_again: str | None = "",
) -> int:
    """Show `events` as they come and return the exit code of the report.

    Until the thread is open, any wish to end ends the command at once; afterwards it stops the turn on the host
    first, and leaves it after `patience` seconds, or when a person presses Ctrl-C again. `options_again` is what
    the command line that continues the thread has to repeat, `None` when nothing can continue it.
    """
    report: RunReport | None = None
    stopping = _Stopping(view, floor, interrupts, ending, alias=alias, patience=patience)
    with drawing(view, floor), closing(stopping):
        async with aclosing(events), aclosing(_when_free(events, floor)) as shown:
            async for event in shown:
                if isinstance(event, RunReport):
                    report = event
                    report.continue_with = _continue_with(report, options_again)
                try:
                    view.show(event)
                except OSError as error:  # nobody reads, or there is no room
                    ending.lose(error)
                if isinstance(event, Connected | Reconnected):
                    stopping.lasting = event.launch_mode != LaunchMode.ATTACHED
                elif isinstance(event, ThreadReady):
                    stopping.begin(event.thread_id)
                elif isinstance(event, ApprovalRequested):
                    floor.announce((event.id, event.digest))
    if report is None:
        raise ProtocolProblem(Code.INTERNAL, "The run ended without a report.", next_step="Report this.", host=alias)
    return int(ExitCode(report.exit_code))


async def _when_free(events: AsyncGenerator[RunEvent, None], floor: Floor) -> AsyncGenerator[RunEvent, None]:
    """Events in their order, none while a question is on the screen.

    They are taken from the run even then, and held: a run that nobody reads would neither withdraw the question
    nor hear of Ctrl-C. A server that talks on and on below a question has to wait for its answer all the same.
    """
    held: deque[RunEvent] = deque()
    coming: asyncio.Task[RunEvent | None] | None = None
    try:
        while True:
            if held and not floor.taken:
                yield held.popleft()
                continue
            if len(held) >= _HELD:
                await floor.free()
                continue
            coming = coming or asyncio.ensure_future(_next(events))
            await _first(coming, floor)
            if not coming.done():
                continue
            event, coming = coming.result(), None
            if event is None:
                break
            held.append(event)
        while held:
            await floor.free()
            yield held.popleft()
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)


async def _next(events: AsyncGenerator[RunEvent, None]) -> RunEvent | None:
    return await anext(events, None)


async def _first(coming: "asyncio.Task[RunEvent | None]", floor: Floor) -> None:
    """Wait for the next event, or until a question has left the screen."""
    waits: set[asyncio.Future[Any]] = {coming}
    if floor.taken:
        waits.add(asyncio.ensure_future(floor.free()))
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits - {coming}:
            wait.cancel()


def _continue_with(report: RunReport, options_again: str | None) -> str | None:
    if report.continue_with is None or options_again is None:
        return None
    return report.continue_with + options_again


class _Stopping:
    """Ends a run in stages: stop the turn, leave it running there, drop everything.

    A person makes each stage come with another Ctrl-C. A wish with a reason is nobody's to repeat: the second
    stage then comes by itself when the first one has brought no end for a while.
    """

    def __init__(
        self, view: View, floor: Floor, interrupts: Interruptible, ending: EarlyEnd, *, alias: str, patience: float
    ) -> None:
        self._view = view
        self._floor = floor
        self._interrupts = interrupts
        self._ending = ending
        self._alias = alias
        self._patience = patience
        self._thread_id = ""
        self._times = 0
        self._next: asyncio.TimerHandle | None = None
        self.lasting = True
        """Whether the server, and with it the turn, goes on without our connection."""

    def begin(self, thread_id: str) -> None:
        """From now on something is at stake: hear every wish to end."""
        self._thread_id = thread_id
        self._ending.listen(self._wished)
        self._ending.watch_readers()

    def close(self) -> None:
        """No further stage comes."""
        self._ending.listen(None)
        self._cancel_next()

    def _wished(self, reason: RemoraError | None) -> bool:
        """One stage further; false when there is none left."""
        self._cancel_next()
        self._times += 1
        if self._times > _STAGES:
            return False
        self._interrupts.interrupt(reason)
        if self._times == 1:
            self._say_stopping(reason)
            if reason is not None:
                self._next = asyncio.get_running_loop().call_later(2 * self._patience, self._wished, reason)
        elif self.lasting:
            self._say(f"leaving; the turn continues on {self._alias}, in thread {self._thread_id}")
        else:
            self._say(f"leaving; the app server on {self._alias} ends with this connection, and the turn with it")
        return True

    def _cancel_next(self) -> None:
        if self._next is not None:
            self._next.cancel()

    def _say_stopping(self, reason: RemoraError | None) -> None:
        if reason is not None:
            self._say(f"{reason.message} Stopping the turn on {self._alias} …")
        else:
            again = "leaves it running there" if self.lasting else "leaves, which ends it too"
            self._say(f"stopping the turn on {self._alias} … Ctrl-C again {again}")

    def _say(self, text: str) -> None:
        if not self._floor.taken:
            self._view.settle()
        self._view.say(remote(text, "bold yellow"))
