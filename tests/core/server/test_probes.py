"""Answers fenced by a marker, found in any noise."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remora.core.errors import Code
from remora.core.server.answers import AnswerReader, Answers, read_answers
from remora.core.server.launch_outcomes import launch_problem
from remora.core.server.probes import FolderState, SocketKind, read_facts
from remora.core.server.shell_faults import (
    Silence,
    ended_without_answer,
    entry_problem,
    suspects_in,
    too_many_processes,
    went_silent,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "probes"
NONCE = "0123456789abcdef"
MARK = f"<{NONCE}>".encode()


def answer(key: str, value: str) -> bytes:
    """One answer, as the scripts write those that are not plain."""
    return b"\n" + MARK + key.encode() + b"~" + value.encode().hex().encode() + b"\n"


def test_a_noisy_debian_host_is_read() -> None:
    facts = read_facts(read_answers((GOLDEN / "debian-bash-noisy.txt").read_bytes(), NONCE))
    assert (facts.os, facts.architecture, facts.login_shell) == ("Linux", "x86_64", "/usr/bin/bash")
    assert facts.home == "/home/dev"
    assert facts.folder.state is FolderState.MISSING
    assert facts.folder.path == "/home/dev/projekt"
    assert facts.folder.siblings == ("/home/dev/bin", "/home/dev/it's", "/home/dev/project")
    assert facts.socket.kind is SocketKind.ABSENT
    assert facts.socket.listening is None
    newest, oldest, dangling = facts.candidates
    assert (newest.version, newest.can_listen_on_socket, newest.has_proxy) == ("0.169.0", True, True)
    assert (oldest.version, oldest.can_serve, oldest.can_listen_on_socket) == ("0.120.0", True, False)
    assert dangling.problem == "is a broken symbolic link"
    assert facts.runtime_folder == "/run/user/0/remora"
    assert facts.sandbox == "ok"


@given(
    noise=st.binary().filter(lambda data: MARK not in data),
    value=st.text(st.characters(codec="utf-8"), max_size=40),
    size=st.integers(1, 64),
)
def test_answers_survive_noise_and_any_split(noise: bytes, value: str, size: int) -> None:
    data = noise + answer("one", value) + noise + answer("one", "") + noise + answer("end", "probe") + b"rest"
    reader = AnswerReader(NONCE, noise_limit=100)
    for start in range(0, len(data), size):
        reader.feed(data[start : start + size])
    assert reader.answers.all("one") == (value, "")
    assert reader.ended == "probe"
    assert reader.rest() == b"rest"
    assert len(reader.noise) <= 100


def test_megabytes_without_a_newline_stay_bounded() -> None:
    reader = AnswerReader(NONCE, noise_limit=1000)
    for _ in range(160):
        reader.feed(b"x" * 65536)
    assert len(reader.noise) < 2000
    reader.feed(answer("end", "probe"))
    assert reader.ended == "probe"


@pytest.mark.parametrize("line", [b"os", b"~~", b"os~zz", b"=x", b"OS=Plan9", b""])
def test_a_line_that_is_no_answer_is_passed_over(line: bytes) -> None:
    data = b"\n" + MARK + line + b"\n" + answer("end", "probe")
    assert read_answers(data, NONCE) == Answers((("end", "probe"),))


def test_a_script_that_is_echoed_gives_no_answers() -> None:
    assert read_answers(f"\nremora_nonce='{NONCE}'\nremora_emit os Plan9\n".encode(), NONCE).pairs == ()


@pytest.mark.parametrize(
    ("status", "text", "problem"),
    [
        ("137", "", "did not answer --version in time"),
        ("126", "Exec format error", "cannot run here: Exec format error"),
        ("127", "env: 'node': No such file or directory", "cannot run here: env: 'node': No such file or directory"),
        ("1", "boom", "failed with status 1: boom"),
    ],
)
def test_a_codex_that_does_not_run_says_why(status: str, text: str, problem: str) -> None:
    pairs = (("codex.0.path", "/c"), ("codex.0.status", status), ("codex.0.version", text))
    (candidate,) = read_facts(Answers(pairs)).candidates
    assert candidate.problem == problem
    assert candidate.version is None


def test_of_much_noise_the_first_words_and_the_last_are_kept() -> None:
    reader = AnswerReader(NONCE, noise_limit=400)
    reader.feed(b"Welcome to the gateway\n")
    for number in range(1000):
        reader.feed(b"%d: invalid choice\n" % number)
    assert reader.noise.startswith(b"Welcome to the gateway\n0: invalid choice")
    assert reader.noise.endswith(b"999: invalid choice\n")
    assert b"[...]" in reader.noise
    assert len(reader.noise) < 410  # and a line that has not ended


def test_what_went_wrong_in_a_shell_is_told_apart() -> None:
    end = ("end", "entry")
    rc = ("suspect", "/home/dev/.bashrc:3:  exec zsh -l")
    replaced = entry_problem(Answers((("entry.replaced", "zsh"), rc, end)), "")
    assert replaced is not None
    assert replaced.code is Code.SHELL_REPLACED
    assert replaced.next_step.startswith("Guard /home/dev/.bashrc line 3, ")
    assert replaced.next_step.endswith("[ -t 0 ] && exec zsh -l")
    fish = entry_problem(Answers((("entry.swallowed", "1"), ("suspect", "/h/config.fish:1:read x"), end)), "")
    assert fish is not None
    assert fish.code is Code.SHELL_WAITS_FOR_INPUT
    assert "isatty stdin; and read x" in fish.next_step
    stopped = entry_problem(Answers((("env.stopped", "1"), end)), "loading")
    assert stopped is not None
    assert stopped.code is Code.SHELL_NEVER_ENDS
    assert stopped.seen == "loading"
    failed = entry_problem(Answers((("env.status", "3"), ("entry.shell", "/bin/zsh"), end)), "")
    assert failed is not None
    assert failed.code is Code.SHELL_FAILED
    assert entry_problem(Answers((("end", "probe"),)), "") is None


def test_what_a_shell_without_answer_means() -> None:
    suspects = suspects_in("/h/.bashrc:1:# exec no\n/h/.bashrc:2:exec fish\nnoise\n")
    assert suspects == ("/h/.bashrc:2:exec fish",)
    assert ended_without_answer(1, suspects, "").code is Code.SHELL_REPLACED
    assert ended_without_answer(0, (), "").code is Code.COMMAND_FORCED
    assert ended_without_answer(0, suspects, "").code is Code.SHELL_REPLACED
    assert ended_without_answer(1, (), "open terminal failed: not a terminal").code is Code.SHELL_REPLACED
    assert ended_without_answer(1, (), "This account is currently not available.").code is Code.SHELL_FAILED
    windows = "'exec' is not recognized as an internal or external command"
    assert ended_without_answer(1, (), windows).code is Code.UNSUPPORTED_REMOTE_OS
    assert went_silent(Silence.MOVED, (), "Choose: 1) shell").code is Code.COMMAND_FORCED
    assert went_silent(Silence.MOVED, (), "").code is Code.SHELL_WAITS_FOR_INPUT
    assert went_silent(Silence.STAYED, (), "").code is Code.SHELL_NEVER_ENDS
    assert went_silent(Silence.MOVED, ("/h/.bashrc:1:read x",), "").code is Code.SHELL_WAITS_FOR_INPUT
    assert went_silent(Silence.MOVED, suspects, "").code is Code.SHELL_REPLACED


@pytest.mark.parametrize(
    "said",
    [
        "/bin/sh: 81: Cannot fork",
        "-bash: fork: retry: Resource temporarily unavailable",
        "bash: fork: Cannot allocate memory",
        "timeout: fork system call failed: Resource temporarily unavailable",
        "sh: can't fork: Resource temporarily unavailable",
        "zsh: fork failed: resource temporarily unavailable",
    ],
)
def test_f91_a_full_account_is_told_as_that(said: str) -> None:
    limits = Answers((("limit.processes", "96365"), ("limit.processes", "64"), ("limit.processes", "max")))
    problem = too_many_processes(limits, f"Welcome!\n{said}\n")
    assert problem is not None
    assert "has reached the limit of 64 (ulimit -u" in problem.message
    assert problem.seen.endswith(said)


def test_f91_other_complaints_are_not_taken_for_a_full_account() -> None:
    assert too_many_processes(Answers(()), "cannot forklift\nresource temporarily unavailable: printer") is None


@pytest.mark.parametrize(
    ("status", "said", "told"),
    [("137", "268435456", "256 MB"), ("134", "max", None), ("1", "268435456", None), ("139", str(2**63 - 4096), None)],
)
def test_f91_a_server_that_was_killed_tells_how_much_memory_there_is(status: str, said: str, told: str | None) -> None:
    answers = Answers(
        (("outcome", "exited"), ("status", status), ("limit.memory", "unlimited"), ("limit.memory", said))
    )
    message = launch_problem(answers, codex="codex", seconds=5.0).message
    assert (f"allows it {told} of memory" in message) is (told is not None)
