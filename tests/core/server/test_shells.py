"""Words that every login shell reads as the same words."""

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.base.required import missing

from remora.core.errors import UsageProblem
from remora.core.server.shells import quote_words

SHELLS = ["bash", "zsh", "dash", "fish", "tcsh", "csh"]
HARD = [
    "two words",
    "",
    "it's",
    "''",
    "!history!",
    "! !! !$ !x",
    "\\",
    "a\\b\\\\",
    "\\'",
    "$HOME ${HOME} $(id) `id`",
    '"quoted"',
    "*?[a]{b,c}~",
    "~",
    "=ls",
    "%1 %%",
    "^a^b",
    "#comment",
    "a;b|c&d<e>f(g)",
    "new\nline\n",
    "tab\tand\rreturn\x1b[31m",
    "é 漢 🦀",
    "-n",
    "--",
    "\udcff raw byte",
]


def words_seen_by(shell: str, words: list[str]) -> list[bytes]:
    program = shutil.which(shell) or missing(f"{shell} is not installed")
    line = quote_words(["/usr/bin/printf", "%s\\0", *words])
    done = subprocess.run([program, "-c", line], check=True, capture_output=True)
    return done.stdout.split(b"\0")[:-1]


@pytest.mark.shells
@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("word", HARD)
def test_hard_words(shell: str, word: str) -> None:
    assert words_seen_by(shell, [word]) == [word.encode("utf-8", "surrogateescape")]


@pytest.mark.shells
@pytest.mark.parametrize("shell", SHELLS)
def test_all_hard_words_at_once(shell: str) -> None:
    assert words_seen_by(shell, HARD) == [word.encode("utf-8", "surrogateescape") for word in HARD]


@pytest.mark.shells
@pytest.mark.parametrize("shell", SHELLS)
def test_every_printable_character(shell: str) -> None:
    words = [chr(code) for code in range(32, 127)] + [chr(code) * 2 for code in range(32, 127)]
    assert words_seen_by(shell, words) == [word.encode() for word in words]


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1))
def test_the_line_is_one_line_of_ascii_without_history_characters(words: list[str]) -> None:
    line = quote_words(words)
    assert line.isascii()
    assert line.isprintable()
    assert "!" not in line


def test_plain_commands_stay_readable() -> None:
    assert quote_words(["ssh-keygen", "-R", "[a]:22", "-f", "/home/a/known_hosts"]) == (
        "ssh-keygen -R '[a]:22' -f /home/a/known_hosts"
    )


@pytest.mark.parametrize("words", [[], ["a\0b"], ["a", "\0"]])
def test_what_no_program_can_receive_is_refused(words: list[str]) -> None:
    with pytest.raises(UsageProblem):
        quote_words(words)
