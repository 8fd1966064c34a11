"""Following a run from its first event to its report."""

import asyncio
import signal
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any, Protocol

from rich.text import Text

from remora.cli.audience import drawing
from remora.cli.floor import Floor
from remora.core.errors import Code, ExitCode, ProtocolProblem
from remora.wire.reports.run import ApprovalRequested, RunEvent, RunReport, ThreadReady


class View(Protocol):
    """What shows the events."""

    def show(self, event: RunEvent) -> None: ...
    def redraw(self) -> None: ...
    def settle(self) -> None: ...
    def say(self, text: Text) -> None: ...


class Interruptible(Protocol):
    """What Ctrl-C tells: the first time to stop the turn, the second time to leave."""

    def interrupt(self) -> None: ...


async def follow(
    events: AsyncGenerator[RunEvent, None],
    view: View,
    floor: Floor,
    interrupts: Interruptible,
    *,
    alias: str,
    options_again: str | None = "",
) -> int:
    """Show `events` as they come and return the exit code of the report.

    Until the thread is open, Ctrl-C ends the command at once; afterwards the first one stops the turn on the
    host and the second one leaves it running there. `options_again` is what the command line that continues the
    thread has to repeat, `None` when nothing can continue it.
    """
    report: RunReport | None = None
    thread_id = ""
    with drawing(view, floor), _signals() as listen:
        async with aclosing(events), aclosing(_when_free(events, floor)) as shown:
            async for event in shown:
                if isinstance(event, RunReport):
                    report = event
                    report.continue_with = _continue_with(report, options_again)
                view.show(event)
                if isinstance(event, ThreadReady):
                    thread_id = event.thread_id
                    listen(_CtrlC(view, floor, interrupts, alias, thread_id).pressed)
                elif isinstance(event, ApprovalRequested):
                    floor.announce(event.request_id)
    if report is None:
        raise ProtocolProblem(Code.INTERNAL, "The run ended without a report.", next_step="Report this.", host=alias)
    return int(ExitCode(report.exit_code))


async def _when_free(events: AsyncGenerator[RunEvent, None], floor: Floor) -> AsyncGenerator[RunEvent, None]:
    """Events in their order, none while a question is on the screen.

    They are taken from the run even then, and held: a run that nobody reads would neither withdraw the question
    nor hear of Ctrl-C.
    """
    held: deque[RunEvent] = deque()
    coming: asyncio.Task[RunEvent | None] | None = None
    try:
        while True:
            if held and not floor.taken:
                yield held.popleft()
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


class _CtrlC:
    def __init__(self, view: View, floor: Floor, interrupts: Interruptible, alias: str, thread_id: str) -> None:
        self._view = view
        self._floor = floor
        self._interrupts = interrupts
        self._alias = alias
        self._thread_id = thread_id
        self._times = 0
        self._task = asyncio.current_task()

    def pressed(self) -> None:
        """One more Ctrl-C."""
        self._times += 1
        if self._times == 1:
            self._say(f"stopping the turn on {self._alias} … Ctrl-C again leaves it running there")
        elif self._times == 2:
            self._say(f"leaving; what runs on {self._alias} goes on there, in thread {self._thread_id}")
        elif self._task is not None:
            self._task.cancel()
            return
        self._interrupts.interrupt()

    def _say(self, text: str) -> None:
        if not self._floor.taken:
            self._view.settle()
        self._view.say(Text(text, style="bold yellow"))


@contextmanager
def _signals() -> Iterator[Callable[[Callable[[], None]], None]]:
    """Give a function that lets Ctrl-C call something; until it is used, and after the end, Ctrl-C is as before."""
    before = signal.getsignal(signal.SIGINT)
    loop = asyncio.get_running_loop()
    listening = False

    def listen(pressed: Callable[[], None]) -> None:
        nonlocal listening
        listening = True
        loop.add_signal_handler(signal.SIGINT, pressed)

    try:
        yield listen
    finally:
        if listening:
            loop.remove_signal_handler(signal.SIGINT)
            signal.signal(signal.SIGINT, before)
