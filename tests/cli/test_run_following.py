"""Following a run: questions, withdrawals and Ctrl-C, with runs that are scripted event by event."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Callable

import pytest
from rich.text import Text
from tests.support.loop import run
from tests.support.pseudo_terminal import PseudoTerminal
from tests.support.run_events import ASKED, REPORT, RESOLVED, THREAD

from remora.cli.approvals import TerminalApprovals
from remora.cli.dialogue import Questioner
from remora.cli.floor import Floor
from remora.cli.following import follow
from remora.cli.render.page import Page
from remora.cli.render.run import RunView
from remora.cli.terminal import Terminal
from remora.core.approvals import ApprovalRequest, Choice, RequestKind
from remora.core.errors import RemoraError
from remora.wire.reports.run import Message, RunEvent, ThreadReady

ENVIRONMENT = {"TERM": "xterm-256color", "LANG": "C.UTF-8"}
READY = ThreadReady(thread_id=THREAD, folder="/srv/app", resumed=False)
REQUEST = ApprovalRequest(
    request_id=ASKED.request_id,
    kind=RequestKind.COMMAND,
    thread_id=THREAD,
    command=ASKED.command,
    choices=(Choice("accept", "Yes", "accept", True), Choice("decline", "No", "decline", False)),
)


class Recorder:
    """A view that keeps what it is shown, and counts interrupts."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.said: list[str] = []
        self.interrupts = 0
        self.changed = asyncio.Event()

    def show(self, event: RunEvent) -> None:
        self.shown.append(event.kind)

    def redraw(self) -> None:
        """Nothing moves."""

    def settle(self) -> None:
        """Nothing moves."""

    def say(self, text: Text) -> None:
        self.said.append(text.plain)

    def interrupt(self) -> None:
        self.interrupts += 1
        self.changed.set()


async def after_interrupts(view: Recorder, times: int) -> AsyncGenerator[RunEvent, None]:
    """A run that ends when it was interrupted so often; each Ctrl-C comes once the one before was heard."""
    yield READY
    for number in range(times):
        os.kill(os.getpid(), signal.SIGINT)
        while view.interrupts <= number:
            view.changed.clear()
            await view.changed.wait()
    yield REPORT


def test_ctrl_c_stops_the_turn_and_a_second_one_leaves_it_with_its_thread_named() -> None:
    async def scene() -> Recorder:
        view = Recorder()
        await follow(after_interrupts(view, 2), view, Floor(), view, alias="box")
        return view

    before = signal.getsignal(signal.SIGINT)
    view = run(scene())
    assert signal.getsignal(signal.SIGINT) is before
    assert view.interrupts == 2
    assert "stopping the turn on box" in view.said[0]
    assert THREAD in view.said[1]


def test_before_the_thread_is_open_ctrl_c_ends_the_command() -> None:
    closed = []

    async def connecting() -> AsyncGenerator[RunEvent, None]:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()
            yield READY
        finally:
            closed.append(True)

    async def scene() -> None:
        view = Recorder()
        await follow(connecting(), view, Floor(), view, alias="box")

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(scene())
    assert closed


def test_a_run_without_a_report_is_an_error_and_one_that_fails_raises_it() -> None:
    async def empty() -> AsyncGenerator[RunEvent, None]:
        yield READY

    async def scene() -> None:
        view = Recorder()
        await follow(empty(), view, Floor(), view, alias="box")

    with pytest.raises(RemoraError):
        run(scene())


def on_screen(tell: Callable[[TerminalApprovals], AsyncGenerator[RunEvent, None]]) -> str:
    """Follow a run whose requests are asked on a pseudo-terminal; what was seen."""

    async def scene() -> str:
        with PseudoTerminal() as screen, Terminal(screen.path) as terminal:
            floor, page = Floor(), Page(screen.out, ENVIRONMENT, width=80)
            view = RunView(page)
            questioner = Questioner(terminal, page, floor, settle=view.settle)
            view_of_interrupts = Recorder()
            following = follow(tell(TerminalApprovals(questioner)), view, floor, view_of_interrupts, alias="box")
            assert await following == 0
            return screen.drain()

    return run(scene())


def test_events_wait_while_a_question_is_on_the_screen_and_a_withdrawn_one_lets_them_go() -> None:
    async def answered_elsewhere(approvals: TerminalApprovals) -> AsyncGenerator[RunEvent, None]:
        yield READY
        deciding = asyncio.create_task(approvals.decide(REQUEST))
        yield ASKED
        yield Message(item_id="m", text="shown after the question")
        deciding.cancel()
        await asyncio.gather(deciding, return_exceptions=True)
        yield RESOLVED
        yield REPORT

    seen = on_screen(answered_elsewhere)
    places = [seen.index(part) for part in ("asks to run", "Your decision", "withdrawn", "shown after", "completed")]
    assert places == sorted(places)


def test_the_same_request_is_asked_again_after_a_reconnect_and_not_before_it_is_shown_again() -> None:
    async def asked_twice(approvals: TerminalApprovals) -> AsyncGenerator[RunEvent, None]:
        yield READY
        for again in (False, True):
            deciding = asyncio.create_task(approvals.decide(REQUEST))
            yield Message(item_id=f"before-{again}", text=f"before {again}")
            yield type(ASKED)(request_id=ASKED.request_id, request="command", command="x", again=again)
            deciding.cancel()
            await asyncio.gather(deciding, return_exceptions=True)
        yield REPORT

    seen = on_screen(asked_twice)
    assert seen.count("Your decision") == 2
    assert seen.index("before True") < seen.index("still open") < seen.rindex("Your decision")
