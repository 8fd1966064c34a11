"""The report of a run: its exit code, and the error that explains it."""

from dataclasses import replace

import pytest

from remora.core.errors import Code, ExitCode, Interrupted, RemoraError, TaskFailed, TimeLimit
from remora.core.link.faults import host_changed
from remora.core.link.links import HostIdentity
from remora.wire.reports.run import (
    ApprovalRequested,
    ApprovalResolved,
    CommandCompleted,
    CommandStarted,
    RunReport,
    ThreadReady,
)
from remora.wire.reports.summary import Summary

LATE = TimeLimit(Code.TIME_LIMIT, "Too late.", next_step="Wait longer.")
TOLD = Interrupted(Code.INTERRUPTED, "Ended by SIGTERM.", next_step="Run it again.")
GONE = TaskFailed(Code.TURN_FAILED, "The server ended.", next_step="Continue.")


def report(
    outcome: str,
    *,
    error: RemoraError | None = None,
    interrupted: bool = True,
    reason: RemoraError | None = None,
    summary: Summary | None = None,
) -> RunReport:
    return (summary or Summary("box")).report(
        outcome, goes_on=False, seconds=1.0, error=error, interrupted=interrupted, reason=reason
    )


@pytest.mark.parametrize("outcome", ["interrupted", "left"])
@pytest.mark.parametrize("reason", [LATE, TOLD])
def test_a_run_cut_short_for_a_reason_reports_that_and_its_exit_code(outcome: str, reason: RemoraError) -> None:
    done = report(outcome, reason=reason)
    assert done.exit_code == reason.exit_code
    assert done.error is not None
    assert done.error.code == reason.code


def test_a_turn_that_ended_by_itself_before_it_was_stopped_is_what_it_is() -> None:
    assert report("completed", reason=LATE).exit_code == ExitCode.DONE
    assert report("completed", reason=LATE).error is None
    assert report("failed", error=GONE, reason=LATE).exit_code == ExitCode.TASK_FAILED


def test_a_person_who_interrupts_needs_no_reason() -> None:
    done = report("interrupted")
    assert (done.exit_code, done.error) == (ExitCode.INTERRUPTED, None)
    assert report("interrupted", error=GONE).exit_code == ExitCode.INTERRUPTED


@pytest.mark.parametrize("interrupted", [False, True])
def test_what_nobody_was_there_to_approve_is_named(interrupted: bool) -> None:
    summary = Summary("box")
    summary.note(ApprovalRequested(id="i", digest="d", request_id=1, request="command", command="make install"))
    summary.note(ApprovalResolved(id="i", digest="d", request_id=1, decision="decline", decided_by="unattended"))
    done = report("completed", interrupted=interrupted, summary=summary)
    assert done.exit_code == ExitCode.NEEDS_PERSON
    assert done.error is not None
    assert (done.error.code, done.error.seen) == (Code.APPROVAL_UNATTENDED, "make install")


def test_a_turn_that_nobody_here_stopped_says_who_may_have() -> None:
    done = report("interrupted", interrupted=False)
    assert done.exit_code == ExitCode.TASK_FAILED
    assert done.error is not None
    assert "stopped by another client" in done.error.message
    gone = report("interrupted", interrupted=False, error=GONE)
    assert gone.error is not None
    assert gone.error.message == GONE.message


@pytest.mark.parametrize("decided_by", ["person", "rule"])
def test_a_turn_that_a_decision_cancelled_was_not_stopped_on_the_host(decided_by: str) -> None:
    summary = Summary("box")
    summary.note(ApprovalRequested(id="i", digest="d", request_id=1, request="command", command="make install"))
    summary.note(ApprovalResolved(id="i", digest="d", request_id=1, decision="cancel", decided_by=decided_by))
    assert report("interrupted", interrupted=False, summary=summary).error is None


def test_a_command_whose_end_was_not_seen_is_in_the_report() -> None:
    summary = Summary("box")
    for name in ("first", "second"):
        summary.note(CommandStarted(item_id=name, command=name, folder="/srv"))
    summary.note(CommandCompleted(item_id="first", command="first", folder="/srv", status="completed", exit_code=0))
    commands = report("interrupted", summary=summary).commands
    assert [(each.command, each.status) for each in commands] == [("first", "completed"), ("second", "unfinished")]


def test_a_turn_on_a_machine_that_the_alias_left_is_not_to_be_stopped_or_continued_by_the_alias() -> None:
    one = HostIdentity(
        host_key_fingerprint="SHA256:k", machine_id="1", boot_id=None, account="me", codex_home="/home/me/.codex"
    )
    other = replace(one, machine_id="2")
    summary = Summary("box")
    summary.note(ThreadReady(thread_id="t-1", folder="/w", resumed=False))
    done = summary.report(
        "unknown",
        goes_on=True,
        seconds=1.0,
        error=host_changed("box", before=one, now=other),
        interrupted=False,
        reason=None,
    )
    assert done.continue_with is None
    assert done.unfinished is not None
    assert done.unfinished.message == "The turn may still be running on the machine that box led to before."
    assert "remora threads interrupt NAME/t-1" in done.unfinished.next
