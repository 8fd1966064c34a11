"""The terminal client of this machine: which one is used, and who has the terminal meanwhile."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.base.program import run_script
from tests.support.codex.binaries import codex_binary
from tests.support.screen.terminal_program import TerminalProgram, on_terminal

from remora.cli.client.local_client import find_client, is_older
from remora.cli.frame.options import Options
from remora.cli.link.attach import connect_client
from remora.core.errors import Code, RemoraError
from remora.core.host.hosts import Address

HELP = "Options:\n  --remote <ADDR>\n   Accepted forms: `ws://host:port`, `unix://`, or `unix://PATH`.\n"
OLD_HELP = "Options:\n  --remote <ADDR>\n   Accepted forms: `ws://host:port` or `wss://host:port`.\n"


def make_client(folder: Path, body: str = "", *, words: str = HELP, name: str = "codex") -> Path:
    """A codex that is a shell script."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "help").write_text(words)
    path = folder / name
    path.write_text(
        f'#!/bin/sh\ncase "$1" in\n--help) cat {folder}/help; exit;;\n'
        f"--version) echo codex-cli 1.2.3; exit;;\nesac\n{body}\n"
    )
    path.chmod(0o755)
    return path


@pytest.fixture
def searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without codex: PATH and home are empty folders."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'first'}:/usr/bin:/bin")
    return tmp_path


def test_the_first_that_can_is_used(searched: Path) -> None:
    make_client(searched / "first", words=OLD_HELP)
    expected = make_client(searched / "home/.local/bin")
    found = find_client()
    assert (found.path, found.version) == (str(expected), "1.2.3")


def test_without_one_it_says_where_it_looked(searched: Path) -> None:
    with pytest.raises(RemoraError) as caught:
        find_client()
    assert caught.value.code is Code.CLIENT_MISSING
    assert "~/.local/bin" in caught.value.seen
    with pytest.raises(RemoraError) as caught:
        find_client(str(searched / "nothing"))
    assert caught.value.code is Code.CLIENT_MISSING


def test_one_that_knows_no_sockets_or_does_not_run_is_unsupported(searched: Path) -> None:
    make_client(searched / "first", words=OLD_HELP)
    broken = make_client(searched / "home/.local/bin")
    broken.write_text("#!/no/such/interpreter\n")
    with pytest.raises(RemoraError) as caught:
        find_client()
    assert caught.value.code is Code.CLIENT_UNSUPPORTED
    assert "does not run" in caught.value.seen
    assert "has no --remote unix://" in caught.value.seen


@pytest.mark.codex
@pytest.mark.parametrize(("version", "can"), [("0.120.0", False), ("0.133.0", True), ("0.163.0", True)])
def test_real_clients_say_what_they_can(version: str, can: bool) -> None:
    if can:
        assert find_client(str(codex_binary(version))).version == version
        return
    with pytest.raises(RemoraError) as caught:
        find_client(str(codex_binary(version)))
    assert caught.value.code is Code.CLIENT_UNSUPPORTED


def test_a_thread_that_the_client_would_take_for_an_option_is_refused() -> None:
    connecting = connect_client(Address("devbox", thread="--dangerously-bypass"), Options(), codex=None)
    with pytest.raises(RemoraError) as caught:
        run(connecting)
    assert caught.value.code is Code.USAGE


def test_without_a_terminal_there_is_no_terminal_client() -> None:
    done = run_script("import sys; from remora.cli.main import main; sys.exit(main(sys.argv[1:]))", "tui", "devbox")
    assert done.returncode == 2
    assert b"remora bridge" in done.stderr


@pytest.mark.parametrize(
    ("mine", "theirs", "older"),
    [("0.133.0", "0.169.0", True), ("0.169.0", "0.163.0", False), ("0.99.1", "0.120.0", True), (None, "1.0.0", False)],
)
def test_an_older_client_is_known_as_such(mine: str | None, theirs: str, older: bool) -> None:
    assert is_older(mine, theirs) is older
    assert not is_older(mine, None)


CALL = """
import sys
from remora.cli.client.local_client import LocalClient, run_client
sys.exit(run_client(LocalClient(sys.argv[1], None), sys.argv[2:]))
"""


@asynccontextmanager
async def given_terminal(client: Path, *words: str) -> AsyncIterator[TerminalProgram]:
    async with on_terminal(str(client), *words, environment=os.environ, script=CALL) as program:
        yield program


def test_the_client_has_the_terminal_ctrl_c_included_and_its_exit_code_counts(tmp_path: Path) -> None:
    body = "trap 'echo heard' INT\nread line\necho \"got $line and $2\"\nread line\nexit 7"

    async def go() -> int:
        async with given_terminal(make_client(tmp_path, body), "--", "two words") as program:
            program.screen.type("hello\n")
            await program.screen.shows("got hello and two words")
            program.screen.type("\x03")
            await program.screen.shows("heard")
            program.screen.type("more\n")
            return await program.ends()

    assert run(go()) == 7


def test_a_killed_client_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    body = "stty -echo raw\nprintf '\\033[?1049h'\necho ready\nkill -KILL $$"

    async def go() -> tuple[int, bool]:
        async with given_terminal(make_client(tmp_path, body)) as program:
            await program.screen.shows("\x1b[?1049l")
            return await program.ends(), program.screen.echoes

    assert run(go()) == (137, True)


def test_being_told_to_end_ends_the_client(tmp_path: Path) -> None:
    body = "trap 'echo farewell; exit 3' TERM\necho ready\nwhile :; do sleep 0.05; done"

    async def go() -> int:
        async with given_terminal(make_client(tmp_path, body)) as program:
            await program.screen.shows("ready")
            program.process.terminate()
            await program.screen.shows("farewell")
            return await asyncio.wait_for(program.ends(), 10)

    assert run(go()) == 3
