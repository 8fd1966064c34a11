"""What a person sees of a run: on terminals of three widths, without colour, dumb, and on a pipe."""

import io
import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import msgspec
import pytest
from tests.support.screen.golden import assert_golden
from tests.support.screen.pseudo_terminal import PseudoTerminal
from tests.support.screen.run_events import ANSWER, HOSTILE, REPORT, THREAD, hostile_run, pieces, whole_run

from remora.adapters.records.told_warnings import ToldWarnings
from remora.cli.draw.page import Page, speaks_unicode
from remora.cli.thread.run_view import PlainAnswer, RunView
from remora.wire.reports import NoticeBody
from remora.wire.reports.run import (
    CommandCompleted,
    CommandOutput,
    CommandStarted,
    Connected,
    Message,
    RunEvent,
    RunReport,
    ThreadReady,
    Warned,
)

COLOUR = {"TERM": "xterm-256color", "LANG": "C.UTF-8"}
_OUR_ESCAPES = re.compile(r"\x1b\[[0-9;]*m|\x1b\[\??\d*[hlAGK]|\r")


class TerminalText(io.StringIO):
    """A text stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def on_terminal(events: Iterable[RunEvent], environment: dict[str, str], *, width: int) -> str:
    out = TerminalText()
    view = RunView(Page(out, environment, width=width))
    for event in events:
        view.show(event)
        view.redraw()
    return out.getvalue()


def on_pipe(events: Iterable[RunEvent], *, quiet: bool = False) -> tuple[str, str]:
    answer, activity = io.StringIO(), io.StringIO()
    view = RunView(Page(activity, COLOUR), PlainAnswer(answer), quiet=quiet)
    for event in events:
        view.show(event)
        view.redraw()
    return answer.getvalue(), activity.getvalue()


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_dumb_terminal_shows_the_whole_run_in_plain_text(width: int) -> None:
    text = on_terminal(whole_run(), {**COLOUR, "TERM": "dumb"}, width=width)
    assert "\x1b" not in text
    broken_by_us = [line for line in text.splitlines() if "remora run --thread" not in line]
    assert max(map(len, broken_by_us)) <= width
    assert_golden(f"run_dumb_{width}.txt", text)


def test_a_terminal_without_colour_still_has_no_colour_codes() -> None:
    text = on_terminal(whole_run(), {**COLOUR, "NO_COLOR": "1"}, width=80)
    codes = {code for found in re.findall(r"\x1b\[([0-9;]*)m", text) for code in found.split(";")}
    assert codes <= {"", "0", "1", "2", "3", "4"}


def test_colour_marks_exit_codes_and_diff_lines() -> None:
    text = on_terminal(whole_run(), COLOUR, width=80)
    assert "\x1b[31mexit 1" in text
    assert "\x1b[32m+\x1b[0m\x1b[32m    return first + second" in text
    assert "\x1b[31m-\x1b[0m\x1b[31m    return first - second" in text


def test_a_locale_without_utf8_gets_ascii() -> None:
    text = on_terminal(whole_run(), {"TERM": "dumb", "LANG": "C"}, width=80)
    assert text.isascii()
    assert_golden("run_ascii_80.txt", text)
    assert not speaks_unicode({"LC_ALL": "C", "LANG": "de_DE.UTF-8"})
    assert speaks_unicode({"LANG": "de_DE.utf8"})


def test_on_a_pipe_standard_output_has_the_agents_messages_and_nothing_else() -> None:
    answer, activity = on_pipe(whole_run())
    assert answer == f"{ANSWER}\n\nAll tests pass.\n"
    assert "\x1b" not in activity
    assert_golden("run_pipe.txt", activity)


def test_quiet_leaves_the_answer_the_requests_and_the_report() -> None:
    answer, activity = on_pipe(whole_run(), quiet=True)
    assert answer.startswith("I looked at")
    assert "pytest -q\n" not in activity.partition("completed in")[0]
    assert "git push origin main" in activity
    assert "sandbox workspace-write" in activity


@pytest.mark.parametrize("environment", [COLOUR, {**COLOUR, "TERM": "dumb"}])
def test_nothing_of_the_host_reaches_the_terminal_as_a_control_sequence(environment: dict[str, str]) -> None:
    text = _OUR_ESCAPES.sub("", on_terminal(hostile_run(), environment, width=80))
    hidden = {character for character in text if not (character.isprintable() or character in "\n\t")}
    assert hidden == set()
    assert "[bold]markup[/bold]" in text


def test_nothing_of_the_host_reaches_a_pipe_as_a_control_sequence() -> None:
    for text in on_pipe(hostile_run()):
        assert {character for character in text if not (character.isprintable() or character in "\n\t")} == set()


def test_hostile_text_keeps_no_colour_of_its_own() -> None:
    assert "\x1b[31mred" not in on_terminal([Message(item_id="m", text=HOSTILE)], COLOUR, width=80)


def test_a_finished_block_is_never_printed_again() -> None:
    with PseudoTerminal(columns=60, rows=10) as screen:
        view = RunView(Page(screen.out, COLOUR, width=60))
        for event in pieces("m", ANSWER, size=3):
            view.show(event)
            view.redraw()
        before = screen.drain()
        assert "subtracts" in before
        view.show(Message(item_id="m", text=ANSWER))
        view.settle()
        after = screen.drain()[len(before) :]
        assert "subtracts" not in after
        assert "guide" in after


def test_a_message_whose_beginning_was_missed_is_shown_whole_and_one_that_was_seen_only_to_its_end() -> None:
    answer, _ = on_pipe([*pieces("m", "Hello wo"), Message(item_id="m", text="Hello world")])
    assert answer == "Hello world\n"
    answer, _ = on_pipe([*pieces("m", "lo wor"), Message(item_id="m", text="Hello world")])
    assert answer == "lo wor\n\nHello world\n"


def test_long_output_is_capped_on_screen_with_a_count_and_its_end() -> None:
    events: list[RunEvent] = [
        ThreadReady(thread_id=THREAD, folder="/srv", resumed=False),
        CommandStarted(item_id="c", command="make", folder="/srv"),
        CommandOutput(item_id="c", text="".join(f"row {number}\n" for number in range(1_000))),
        CommandCompleted(item_id="c", command="make", folder="/srv", status="completed", exit_code=0),
    ]
    _, activity = on_pipe(events)
    assert "row 19\n│ … 975 lines\n│ row 995\n" in activity
    assert activity.endswith("row 999\n└ exit 0\n")


def test_a_progress_bar_shows_its_last_state_only() -> None:
    events: list[RunEvent] = [
        CommandStarted(item_id="c", command="fetch", folder="/srv"),
        CommandOutput(item_id="c", text="10%\r"),
        CommandOutput(item_id="c", text="20%\r90"),
        CommandOutput(item_id="c", text="%\n"),
        CommandCompleted(item_id="c", command="fetch", folder="/srv", status="completed", exit_code=0),
    ]
    _, activity = on_pipe(events)
    assert activity.endswith("\n│ 90%\n└ exit 0\n")


def test_output_of_two_commands_at_once_stands_below_its_command() -> None:
    events: list[RunEvent] = [
        CommandStarted(item_id="a", command="first", folder="/srv"),
        CommandOutput(item_id="a", text="one\n"),
        CommandStarted(item_id="b", command="second", folder="/srv"),
        CommandOutput(item_id="a", text="two\n"),
        CommandCompleted(item_id="a", command="first", folder="/srv", status="completed", exit_code=0),
    ]
    _, activity = on_pipe(events)
    assert activity.rpartition("$ ")[2] == "first  in /srv  (goes on)\n│ one\n│ two\n└ exit 0\n"


def test_a_multi_line_command_cannot_write_at_the_edge_where_remora_writes() -> None:
    _, activity = on_pipe([CommandStarted(item_id="c", command="true\n→ accept by you", folder="")])
    assert "\n→" not in activity


def test_a_command_that_ends_below_something_else_is_named_again() -> None:
    events: list[RunEvent] = [
        CommandStarted(item_id="a", command="first", folder=""),
        Warned(message="exit 0"),
        CommandCompleted(item_id="a", command="first", folder="", status="failed", exit_code=1),
    ]
    assert on_pipe(events)[1] == "\n$ first\n! exit 0\n\n$ first  (goes on)\n└ exit 1\n"


LATE: list[RunEvent] = [
    CommandStarted(item_id="c", command="sh test.sh", folder=""),
    CommandOutput(item_id="c", text="bye\n"),
]
WHOLE = CommandCompleted(
    item_id="c",
    command="sh test.sh",
    folder="",
    status="completed",
    exit_code=0,
    output="hello\nbye\n",
    pieces_whole=False,
    missed_beginning="hello\n",
)


@pytest.mark.parametrize("environment", [COLOUR, {**COLOUR, "TERM": "dumb"}])
def test_output_whose_beginning_was_not_streamed_stands_in_order_on_every_terminal(environment: dict[str, str]) -> None:
    text = _OUR_ESCAPES.sub("", on_terminal([*LATE, WHOLE], environment, width=80))
    assert re.search("│ hello.*│ bye.*└ exit 0", text, re.DOTALL)


def test_output_whose_beginning_was_not_streamed_stands_in_order_on_a_pipe() -> None:
    assert on_pipe([*LATE, WHOLE])[1] == "\n$ sh test.sh\n│ hello\n│ bye\n└ exit 0\n"


def test_a_command_that_takes_long_streams_to_a_pipe_and_is_put_right_at_its_end() -> None:
    clock = iter([0.0, 1.0, 9.0])
    out = io.StringIO()
    view = RunView(Page(out, COLOUR), PlainAnswer(io.StringIO()), now=lambda: next(clock))
    for event in LATE:
        view.show(event)
    view.redraw()
    assert "bye" not in out.getvalue(), "held back, because most commands have ended by then"
    view.redraw()
    assert out.getvalue() == "\n$ sh test.sh\n│ bye\n"
    view.show(CommandOutput(item_id="c", text="and on\n"))
    assert out.getvalue().endswith("│ bye\n│ and on\n"), "from then on line by line"
    view.show(msgspec.structs.replace(WHOLE, output="hello\nbye\nand on\n"))
    *_, note, first, second, third, end = out.getvalue().splitlines()
    assert "from the start" in note
    assert (first, second, third, end) == ("│ hello", "│ bye", "│ and on", "└ exit 0")


def test_the_newest_lines_of_a_running_command_are_seen_before_it_ends() -> None:
    with PseudoTerminal(columns=60, rows=20) as screen:
        view = RunView(Page(screen.out, COLOUR, width=60))
        for event in LATE:
            view.show(event)
            view.redraw()
        assert "bye" in screen.drain()
        view.settle()


def test_output_of_a_command_that_never_ended_is_shown_with_the_report() -> None:
    assert "│ bye\n" in on_pipe([*LATE, REPORT])[1]
    text = _OUR_ESCAPES.sub("", on_terminal([*LATE, REPORT], COLOUR, width=80))
    assert "│ bye" in text.partition("completed in")[0]


def test_what_a_server_warns_of_in_each_run_is_shown_once_and_never_when_quiet(tmp_path: Path) -> None:
    told = ToldWarnings(tmp_path)

    def shown(host: str, *, quiet: bool = False) -> str:
        activity = io.StringIO()
        view = RunView(
            Page(activity, COLOUR), PlainAnswer(io.StringIO()), quiet=quiet, is_news=partial(told.is_news, host)
        )
        view.show(Warned(message="No bubblewrap here.", standing=True))
        view.show(Warned(message="The goal is paused."))
        return activity.getvalue()

    assert "No bubblewrap" not in shown("devbox", quiet=True)
    assert "No bubblewrap" in shown("devbox")
    assert "No bubblewrap" not in shown("devbox")
    assert "No bubblewrap" in shown("other"), "another host was never heard of"
    assert shown("devbox").count("The goal is paused.") == 1
    assert b"bubblewrap" not in (tmp_path / "told-warnings").read_bytes()


def test_what_a_host_is_like_is_said_once_and_what_the_login_was_like_each_time(tmp_path: Path) -> None:
    told = ToldWarnings(tmp_path)
    notices = [
        NoticeBody(code="codex-off-path", message="codex lies elsewhere."),
        NoticeBody(code="openssh-used", message="remora uses the system's ssh."),
    ]

    def shown(*, quiet: bool = False) -> str:
        activity = io.StringIO()
        view = RunView(
            Page(activity, COLOUR), PlainAnswer(io.StringIO()), quiet=quiet, is_news=partial(told.is_news, "devbox")
        )
        for event in whole_run():
            if isinstance(event, Connected | RunReport):
                view.show(msgspec.structs.replace(event, notices=notices))
        return activity.getvalue()

    assert "codex lies elsewhere." not in shown(quiet=True)
    assert shown().count("codex lies elsewhere.") == 1
    assert "codex lies elsewhere." not in shown()
    assert "remora uses the system's ssh." in shown(quiet=True)
