"""However `remora run` ends, nothing of its turn runs or waits on the host afterwards: real sshd, real codex."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.base.host_processes import command_of
from tests.support.base.until import LIMIT, wait_until
from tests.support.codex.generations import configure, host_with
from tests.support.link.hubs import HubPlace, hub_place
from tests.support.sshd.account_sshd import AccountSshd

from remora.demo.scripted_model import RunCommand, Say, ScriptedModel, Step

pytestmark = [pytest.mark.sshd, pytest.mark.codex]

VERSION = "0.163.0"
DEAF = "trap '' TERM INT HUP; touch begun; while :; do sleep 603; done"
RUNS: Sequence[Step] = [RunCommand(DEAF), Say("Never said.")]
ASKS: Sequence[Step] = [RunCommand("touch granted", escalate=True, justification="I want it"), Say("Never said.")]
FREE = ("--sandbox", "danger-full-access", "--approval-policy", "never")
CAREFUL = ("--sandbox", "workspace-write", "--approval-policy", "on-request")


@dataclass(frozen=True)
class Stage:
    """A host on which the model has its script, and a place for a hub."""

    sshd: AccountSshd
    hub: HubPlace

    def start(
        self, *options: str, stdout: int = subprocess.PIPE, stderr: int = subprocess.PIPE, streams: str = ""
    ) -> "subprocess.Popen[bytes]":
        """`remora run`, in a session of its own; a shell changes its `streams` first."""
        shell = ("/bin/sh", "-c", f'exec "$@" {streams}', "sh") if streams else ()
        return subprocess.Popen(
            [*shell, sys.executable, "-m", "remora", "run", "devbox:project", "please", *options],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env={**os.environ, **self.hub.environment},
            start_new_session=True,
        )

    def has_begun(self) -> bool:
        return (self.sshd.home / "project/begun").exists()

    def sleeps(self) -> list[int]:
        """The processes of the command."""
        return [pid for pid in self.sshd.session_processes() if "sleep 603" in command_of(pid)]

    def assert_idle(self, thread_id: str) -> None:
        """No process of the command is left, and the server says that the thread does nothing."""
        assert self.sleeps() == []
        report = self.hub.document("threads", "interrupt", f"devbox/{thread_id}")
        assert (report["kind"], report["was_active"], report["still_running"]) == ("thread-interrupted", False, [])


@contextmanager
def stage(steps: Sequence[Step], folder: Path, *, linked: bool = False) -> Iterator[Stage]:
    with ExitStack() as stack:
        model = stack.enter_context(ScriptedModel(steps))
        sshd = stack.enter_context(host_with(VERSION))
        config = configure(sshd, model, folder)
        hub = stack.enter_context(hub_place(REMORA_SSH_CONFIG=config))
        if linked:
            assert hub.run("connect", "devbox").returncode == 0
        yield Stage(sshd, hub)


def thread_in(output: bytes) -> str:
    events = [json.loads(line) for line in output.splitlines()]
    return next(str(event["thread_id"]) for event in events if event["kind"] == "thread")


@pytest.mark.parametrize("linked", [False, True], ids=["own", "linked"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_turn_its_command_and_then_the_program(
    number: signal.Signals, linked: bool, tmp_path: Path
) -> None:
    with stage(RUNS, tmp_path, linked=linked) as it:
        program = it.start("--json", *FREE)
        wait_until(it.has_begun)
        os.killpg(program.pid, number)
        output, errors = program.communicate(timeout=LIMIT)
        report = json.loads(output.splitlines()[-1])
        assert (program.returncode, report["outcome"], report["goes_on"]) == (130, "interrupted", False), errors
        it.assert_idle(thread_in(output))


@pytest.mark.parametrize("streams", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_signal_ends_the_turn_of_a_program_that_was_started_without_outputs(streams: str, tmp_path: Path) -> None:
    with stage(RUNS, tmp_path) as it:
        program = it.start(*FREE, streams=streams)
        wait_until(it.has_begun)
        program.send_signal(signal.SIGTERM)
        program.communicate(timeout=LIMIT)
        assert program.returncode == 130
        assert it.sleeps() == []


@pytest.mark.parametrize("options", [(), ("--json",), ("--on-approval", "decline")], ids=" ".join)
@pytest.mark.parametrize("linked", [False, True], ids=["own", "linked"])
def test_a_reader_that_goes_away_ends_the_turn_although_nothing_is_written(
    options: tuple[str, ...], linked: bool, tmp_path: Path
) -> None:
    with stage(RUNS, tmp_path, linked=linked) as it:
        program = it.start("--json", *options, *FREE, stderr=subprocess.STDOUT)
        assert program.stdout is not None
        thread_id = thread_in(read_until(program.stdout.fileno(), b'"turn-started"'))
        wait_until(it.has_begun)
        program.stdout.close()
        assert program.wait(LIMIT) == -signal.SIGPIPE
        it.assert_idle(thread_id)


def test_a_reader_of_the_output_that_goes_away_leaves_no_approval_waiting(tmp_path: Path) -> None:
    with stage(ASKS, tmp_path) as it:
        program = it.start("--json", *CAREFUL, stderr=subprocess.STDOUT)
        assert program.stdout is not None
        thread_id = thread_in(read_until(program.stdout.fileno(), b'"turn-started"'))
        program.stdout.close()
        assert program.wait(LIMIT) == -signal.SIGPIPE
        it.assert_idle(thread_id)
        assert not (it.sshd.home / "project/granted").exists()


def test_a_reader_of_the_words_for_people_may_go_away(tmp_path: Path) -> None:
    with stage([RunCommand("true"), Say("The answer.")], tmp_path) as it:
        program = it.start(*FREE)
        assert program.stderr is not None
        program.stderr.close()
        assert program.stdout is not None
        assert program.stdout.read() == b"The answer.\n"
        program.stdout.close()
        assert program.wait(LIMIT) == 0


def test_a_full_disk_below_the_output_ends_the_turn_and_is_said(tmp_path: Path) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    with stage(RUNS, tmp_path) as it:
        program = it.start("--json", *FREE, stdout=full)
        os.close(full)
        _, errors = program.communicate(timeout=LIMIT)
        assert program.returncode == 10
        assert b"Standard output cannot be written" in errors
        assert it.sleeps() == []


def test_a_reader_that_stands_still_does_not_keep_a_signal_from_ending_the_turn(tmp_path: Path) -> None:
    flood = "touch begun; while :; do echo 0123456789012345678901234567890123456789; sleep 0.0005; done; sleep 603"
    with stage([RunCommand(flood), Say("Never said.")], tmp_path) as it:
        program = it.start("--json", *FREE, stderr=subprocess.DEVNULL)
        assert program.stdout is not None
        thread_id = thread_in(read_until(program.stdout.fileno(), b'"turn-started"'))
        wait_until(it.has_begun)
        wait_until(lambda: is_blocked(program.pid), what="a write that waits for its reader")
        program.send_signal(signal.SIGTERM)
        assert program.wait(LIMIT) == 130
        program.stdout.close()
        it.assert_idle(thread_id)


def test_a_second_ctrl_c_ends_a_program_whose_host_does_not_answer(tmp_path: Path) -> None:
    with stage(RUNS, tmp_path) as it:
        program = it.start("--json", *FREE, stdout=subprocess.DEVNULL)
        assert program.stderr is not None
        wait_until(it.has_begun)
        with it.sshd.paused():
            program.send_signal(signal.SIGINT)
            read_until(program.stderr.fileno(), b"stopping the turn")
            program.send_signal(signal.SIGINT)
            program.communicate(timeout=LIMIT)
        assert program.returncode == 130


def test_a_turn_whose_program_was_killed_is_named_and_ended_by_another(tmp_path: Path) -> None:
    with stage(RUNS, tmp_path) as it:
        program = it.start("--json", *FREE)
        assert program.stdout is not None
        thread_id = thread_in(read_until(program.stdout.fileno(), b'"turn-started"'))
        wait_until(it.has_begun)
        program.kill()
        program.communicate()
        busy = it.hub.run("run", "devbox", "more", "--thread", thread_id, *FREE)
        assert b"thread-busy" in busy.stderr
        assert f"remora threads interrupt devbox/{thread_id}".encode() in busy.stderr
        ended = it.hub.document("threads", "interrupt", f"devbox/{thread_id}")
        assert (ended["ok"], ended["was_active"]) == (True, True)
        it.assert_idle(thread_id)


def read_until(descriptor: int, words: bytes) -> bytes:
    """What comes there, to the end of the line with `words`."""
    output = b""
    while words not in output or not output.endswith(b"\n"):
        piece = os.read(descriptor, 1)
        assert piece, output
        output += piece
    return output


def is_blocked(pid: int) -> bool:
    """Whether the pipe at its standard output is full."""
    descriptor = os.open(f"/proc/{pid}/fd/1", os.O_WRONLY | os.O_NONBLOCK)
    try:
        return not select.select([], [descriptor], [], 0)[1]  # bytes say nothing: a page may be full of one line
    finally:
        os.close(descriptor)
