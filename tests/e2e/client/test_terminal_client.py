"""The real Codex terminal client over a link: a turn runs and an approval waits while there is no connection."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.codex.binaries import NEWEST, codex_binary, trust_folder
from tests.support.codex.fake_codex import install
from tests.support.link.chain import ALIAS, Chain, chain
from tests.support.model.waiting_turn import waiting_turn
from tests.support.network.chaos import KEEPALIVE
from tests.support.screen.tmux import Tmux

from remora.demo.scripted_model import Gate, ScriptedModel

pytestmark = [pytest.mark.sshd, pytest.mark.codex]

SECONDS = 1.0
"""Longer gaps are in test_links_long_gap, where they take no time."""
SETTINGS = 'approval_policy = "on-request"\nsandbox_mode = "workspace-write"'


@pytest.mark.parametrize("version", ["0.163.0", NEWEST])
def test_f80_f82_the_client_stays_the_turn_goes_on_and_the_approval_can_be_answered(version: str) -> None:
    gate = Gate()
    binary = codex_binary(version)
    with ScriptedModel(waiting_turn(gate)) as model, chain(binary, furnish=_furnish(model), extra=KEEPALIVE) as way:
        way.connect()
        model.furnish(way.folder / "laptop")
        environment = {**way.place.environment, "CODEX_HOME": str(way.folder / "laptop")}
        words = [sys.executable, "-m", "remora", "tui", f"{ALIAS}:work", "--client", str(binary)]
        with Tmux(words, environment=environment) as terminal:
            run(_talk(way, terminal, gate))
        assert (way.sshd.home / "work/granted").exists()
        assert len(way.host_processes().app_servers) == 1


def _furnish(model: ScriptedModel) -> Callable[[Path], None]:
    def furnish(codex_home: Path) -> None:
        model.furnish(codex_home, SETTINGS)
        trust_folder(codex_home, codex_home.parent / "work")

    return furnish


async def _talk(way: Chain, terminal: Tmux, gate: Gate) -> None:
    await terminal.shows("Ask Codex to do anything")
    terminal.type("please")
    await terminal.shows("› please")
    terminal.press("Enter")
    await gate.reached()
    await way.gone_for(SECONDS, meanwhile=gate.open)
    await terminal.shows("Beta was said meanwhile.")
    await terminal.shows("May I leave a mark?")
    await way.gone_for(SECONDS)
    assert terminal.lives
    assert "econnecting" not in terminal.screen()
    terminal.type("y")
    await terminal.shows("Omega ends.")
    assert terminal.lives


def test_a_client_older_than_the_server_is_named_before_it_begins(tmp_path: Path) -> None:
    client = tmp_path / "old"
    client.write_text(
        '#!/bin/sh\ncase "$1" in --help) echo "--remote <ADDR> unix://PATH";; --version) echo codex-cli 0.99.1;;\n'
        "*) echo the client runs; read line;; esac\n"
    )
    client.chmod(0o755)

    async def look(terminal: Tmux) -> None:
        await terminal.shows("the client runs")
        told, _, _ = terminal.screen().partition("the client runs")
        assert "0.99.1, older than 0.999.0 on devbox" in " ".join(told.split())

    with chain(install(tmp_path / "programs/codex")) as way:
        words = [sys.executable, "-m", "remora", "tui", ALIAS, "--client", str(client)]
        with Tmux(words, environment=way.place.environment) as terminal:
            run(look(terminal))
