"""What looks at a host's processes tell of a turn that was stopped."""

import pytest

from remora.core.errors import Code
from remora.core.thread.remains import HostProcess, Look, Remains, left_between, read_look, remains_problem

BEFORE = """server 10
self 90
process 1 0 init
process 10 1 codex app-server
process 20 10 mcp-server
process 30 10 sh -c work
process 31 30 sleep 600
process 32 30 daemon --for a while
process 40 1 an editor
process 90 10 sh -c look
process 91 90 ps
end
"""
AFTER = """server 10
self 95
process 1 0 init
process 10 1 codex app-server
process 20 10 mcp-server
process 32 1 daemon --for a while
process 40 1 an editor
process 95 10 sh -c look
end
"""


def look(text: str) -> Look:
    found = read_look(text)
    assert found is not None
    return found


def test_without_marks_what_has_lost_its_parent_in_the_stop_is_left() -> None:
    assert left_between(look(BEFORE), look(AFTER)) == (HostProcess(32, 30, "daemon --for a while"),)


def test_without_marks_a_process_id_that_another_program_has_now_is_not_taken_for_the_old_one() -> None:
    other = AFTER.replace("daemon --for a while", "a shell of somebody")
    assert left_between(look(BEFORE), look(other)) == ()


def test_without_marks_one_look_tells_nothing() -> None:
    assert left_between(None, look(AFTER)) is None


def test_marked_processes_are_left_whoever_their_parent_is() -> None:
    marked = look("server 10\nself 90\nenviron\nprocess 32 0 daemon  --for a while\nend\n")
    assert left_between(None, marked) == (HostProcess(32, 0, "daemon  --for a while"),)
    assert left_between(None, look("server 10\nself 90\nenviron\nend\n")) == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "server 10\nself 11\nend\n",
        "server 10\nself 11\nenviron\nprocess 5 0 x\n",
        "environ\nend\n",
        "\x1b[2J\nend\n",
    ],
)
def test_what_is_cut_short_or_saw_nothing_is_no_look(text: str) -> None:
    assert read_look(text) is None


def test_a_circle_of_parents_ends() -> None:
    circle = look("server 10\nself 11\nprocess 5 6 a\nprocess 6 5 b\nend\n")
    assert list(circle.below_server()) == []


@pytest.mark.parametrize(
    ("remains", "code"),
    [
        (Remains(idle=True, looked=True), None),
        (Remains(idle=True, looked=False), Code.STOP_UNPROVEN),
        (Remains(idle=False, looked=True), Code.STOP_UNPROVEN),
        (Remains(idle=True, looked=True, left=(HostProcess(7, 1, "daemon"),)), Code.PROCESSES_LEFT),
    ],
)
def test_only_what_is_proven_to_be_nothing_is_no_problem(remains: Remains, code: Code | None) -> None:
    problem = remains_problem(remains, "devbox", "t")
    assert (problem and problem.code) == code
    assert remains.nothing == (code is None)


def test_what_is_left_is_named_with_the_command_that_ends_it() -> None:
    left = tuple(HostProcess(pid, 1, f"daemon \x1b[2J {pid}") for pid in range(1, 31))
    problem = remains_problem(Remains(idle=True, looked=True, left=left), "devbox", "t")
    assert problem is not None
    assert "30 processes" in problem.message
    assert "and 10 more" in problem.seen
    assert "\x1b" not in problem.seen
    assert "kill 1 2 3" in problem.next_step
