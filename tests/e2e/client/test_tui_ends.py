"""How the real terminal client ends on a host: by itself, by somebody else, with whose words and which exit code."""

import re
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.codex.binaries import codex_binary, trust_folder
from tests.support.link.chain import ALIAS, Chain, chain
from tests.support.screen.tmux import Tmux

from remora.demo.scripted_model import Say, ScriptedModel

pytestmark = [pytest.mark.sshd, pytest.mark.codex]

versions = pytest.mark.parametrize("version", ["0.163.0", "0.171.0"])
STEPS = [Say("The turn ends."), Say("And again.")]


@contextmanager
def working(version: str) -> Iterator[tuple[Chain, Tmux]]:
    """The client on a screen; its exit code is shown there at the end."""
    binary = codex_binary(version)

    def furnish(codex_home: Path) -> None:
        model.furnish(codex_home)
        trust_folder(codex_home, codex_home.parent / "work")

    with ScriptedModel(STEPS) as model, chain(binary, furnish=furnish) as way:
        model.furnish(way.folder / "laptop")
        environment = {**way.place.environment, "CODEX_HOME": str(way.folder / "laptop")}
        words = shlex.join([sys.executable, "-m", "remora", "tui", f"{ALIAS}:work", "--client", str(binary)])
        program = ["sh", "-c", f"{words}; echo exit code $?; exec cat"]
        with Tmux(program, environment=environment) as terminal:
            yield way, terminal


async def prompted(terminal: Tmux) -> None:
    await terminal.shows("Ask Codex to do anything")
    terminal.type("please")
    await terminal.shows("› please")
    terminal.press("Enter")
    await terminal.shows("The turn ends.")


@versions
def test_the_last_words_say_how_to_go_on(version: str) -> None:
    with working(version) as (way, terminal):

        async def go() -> None:
            await prompted(terminal)
            terminal.type("/quit")
            await terminal.shows("/quit")
            terminal.press("Enter")
            await terminal.shows("exit code 0")

        run(go())
        said = re.search(rf"^Continue with: remora tui {ALIAS}/(\S+)\nexit code 0$", terminal.screen(), re.MULTILINE)
        assert said is not None, terminal.screen()
        (rollout,) = [path for path in (way.sshd.home / ".codex/sessions").rglob("*.jsonl") if said[1] in path.name]
        assert "please" in rollout.read_text()


def disconnect(way: Chain) -> None:
    assert way.place.run("disconnect", ALIAS).returncode == 0


def stop_server(way: Chain) -> None:
    assert way.place.run("disconnect", ALIAS, "--stop-server").returncode == 0


def stop_hub(way: Chain) -> None:
    assert way.place.run("hub", "stop").returncode == 0


@versions
@pytest.mark.parametrize("end", [disconnect, stop_server, stop_hub])
def test_a_link_that_is_dropped_ends_the_client_with_the_reason(end: Callable[[Chain], None], version: str) -> None:
    with working(version) as (way, terminal):

        async def go() -> None:
            await prompted(terminal)
            end(way)
            await terminal.shows("exit code 9", limit=20.0)

        run(go())
        screen = terminal.screen()
        assert f"remora tui {ALIAS}/" in screen
        assert "link-missing" in screen
        assert "exit code 9" in screen
