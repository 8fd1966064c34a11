"""Following a run: questions, withdrawals and Ctrl-C, with runs that are scripted event by event."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Callable

import msgspec
import pytest
from tests.support.base.loop import run
from tests.support.screen.pseudo_terminal import PseudoTerminal
from tests.support.screen.run_events import ASKED, HOSTILE, REPORT, REQUEST, RESOLVED, THREAD
from tests.support.screen.run_views import Recorder

from remora.cli.approval.decide import TerminalApprovals
from remora.cli.draw.page import Page
from remora.cli.frame.dialogue import Questioner
from remora.cli.frame.floor import Floor
from remora.cli.frame.options import Options
from remora.cli.frame.terminal import Terminal
from remora.cli.frame.timed_run import run_async
from remora.cli.process.early_end import EarlyEnd
from remora.cli.thread.run_follow import follow
from remora.cli.thread.run_view import RunView
from remora.core.errors import Code, Interrupted, RemoraError, TimeLimit
from remora.wire.reports.run import Message, Reconnected, RunEvent, ThreadReady

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
ENVIRONMENT = {"TERM": "xterm-256color", "LANG": "C.UTF-8"}
READY = ThreadReady(thread_id=THREAD, folder="/srv/app", resumed=False)


def followed(
    events: Callable[[Recorder], AsyncGenerator[RunEvent, None]],
    *,
    ending: EarlyEnd | None = None,
    patience: float = 60.0,
) -> Recorder:
    """Follow a run as the program does, with its signals."""
    view, ending = Recorder(), ending or EarlyEnd()
    running = follow(events(view), view, Floor(), view, ending, alias="box", patience=patience)
    run_async(running, Options(), ending)
    return view


async def after(view: Recorder, *signals: signal.Signals) -> AsyncGenerator[RunEvent, None]:
    """A run that ends when it was interrupted so often; each signal comes once the one before was heard."""
    yield READY
    for times, number in enumerate(signals, start=1):
        os.kill(os.getpid(), number)
        await heard(view, times)
    yield REPORT


async def heard(view: Recorder, times: int) -> None:
    while view.interrupts < times:
        view.changed.clear()
        await view.changed.wait()


def test_ctrl_c_stops_the_turn_and_a_second_one_leaves_it_with_its_thread_named() -> None:
    before = [signal.getsignal(number) for number in ENDING]
    view = followed(lambda view: after(view, signal.SIGINT, signal.SIGINT))
    assert [signal.getsignal(number) for number in ENDING] == before
    assert view.reasons == [None, None]
    assert "stopping the turn on box" in view.said[0]
    assert THREAD in view.said[1]


def test_leaving_a_hostile_thread_names_it_without_its_escapes() -> None:
    async def hostile(view: Recorder) -> AsyncGenerator[RunEvent, None]:
        events = after(view, signal.SIGINT, signal.SIGINT)
        await anext(events)
        yield ThreadReady(thread_id=HOSTILE, folder="/", resumed=False)
        async for event in events:
            yield event

    view = followed(hostile)
    assert "link" in view.said[1]
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set("".join(view.said))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_end_stops_the_turn_and_the_same_again_does_not_leave_it(number: signal.Signals) -> None:
    """A closed terminal is told by the shell and by the kernel; only a person leaves a turn."""

    async def told_twice(view: Recorder) -> AsyncGenerator[RunEvent, None]:
        yield READY
        os.kill(os.getpid(), number)
        await heard(view, 1)
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), signal.SIGINT)
        await heard(view, 2)
        yield REPORT

    view = followed(told_twice)
    assert [reason and reason.code for reason in view.reasons] == [Code.INTERRUPTED, None]
    assert number.name in view.said[0]
    assert "Stopping the turn on box" in view.said[0]
    assert THREAD in view.said[1]


def test_the_time_limit_stops_the_turn_and_a_turn_that_does_not_stop_is_left() -> None:
    ending = EarlyEnd()

    async def deaf(view: Recorder) -> AsyncGenerator[RunEvent, None]:
        yield READY
        ending.time_up(lambda: TimeLimit(Code.TIME_LIMIT, "It took too long.", next_step="Give it more time."))
        await heard(view, 2)
        yield REPORT

    view = followed(deaf, ending=ending, patience=0.01)
    assert [reason and reason.code for reason in view.reasons] == [Code.TIME_LIMIT] * 2
    assert "continues on" in view.said[1]


def test_where_the_server_ends_with_the_connection_leaving_says_so() -> None:
    async def attached(view: Recorder) -> AsyncGenerator[RunEvent, None]:
        yield Reconnected(launch_mode="attached", byte_path="stdio")
        async for event in after(view, signal.SIGINT, signal.SIGINT):
            yield event

    view = followed(attached)
    assert "the turn with it" in view.said[1]


def test_a_third_wish_drops_everything() -> None:
    with pytest.raises(Interrupted):
        followed(lambda view: after(view, signal.SIGINT, signal.SIGINT, signal.SIGINT))


def test_what_the_process_was_started_to_ignore_stays_ignored() -> None:
    async def hung_up(view: Recorder) -> AsyncGenerator[RunEvent, None]:
        os.kill(os.getpid(), signal.SIGHUP)
        async for event in after(view, signal.SIGTERM):
            yield event

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        view = followed(hung_up)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert view.interrupts == 1


@pytest.mark.parametrize("number", ENDING)
def test_before_the_thread_is_open_every_signal_ends_the_command(number: signal.Signals) -> None:
    closed = []

    async def connecting(view: Recorder) -> AsyncGenerator[RunEvent, None]:
        try:
            os.kill(os.getpid(), number)
            await asyncio.Event().wait()
            yield READY
        finally:
            closed.append(True)

    with pytest.raises(Interrupted):
        followed(connecting)
    assert closed


def test_a_run_without_a_report_is_an_error_and_one_that_fails_raises_it() -> None:
    async def empty(view: Recorder) -> AsyncGenerator[RunEvent, None]:
        yield READY

    with pytest.raises(RemoraError):
        followed(empty)


def on_screen(tell: Callable[[TerminalApprovals], AsyncGenerator[RunEvent, None]]) -> str:
    """Follow a run whose requests are asked on a pseudo-terminal; what was seen."""

    async def scene() -> str:
        with PseudoTerminal() as screen, Terminal(screen.path) as terminal:
            floor, page = Floor(), Page(screen.out, ENVIRONMENT, width=80)
            view = RunView(page)
            questioner = Questioner(terminal, page, floor, settle=view.settle)
            events = tell(TerminalApprovals(questioner))
            assert await follow(events, view, floor, Recorder(), EarlyEnd(), alias="box", patience=60.0) == 0
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
            yield msgspec.structs.replace(ASKED, again=again)
            deciding.cancel()
            await asyncio.gather(deciding, return_exceptions=True)
        yield REPORT

    seen = on_screen(asked_twice)
    assert seen.count("Your decision") == 2
    assert seen.index("before True") < seen.index("still open") < seen.rindex("Your decision")
