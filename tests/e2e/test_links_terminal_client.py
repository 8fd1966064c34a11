"""The real Codex terminal client over a link: a turn runs and an approval waits while there is no connection."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.chain import ALIAS, Chain, chain
from tests.support.chaos import KEEPALIVE
from tests.support.codex import codex_binary
from tests.support.faults import RefuseFor
from tests.support.loop import run
from tests.support.tmux import Tmux

from remora.core.links import Liveness
from remora.demo.scripted_model import Gate, RunCommand, Say, ScriptedModel, Step, Wait

pytestmark = [pytest.mark.sshd, pytest.mark.codex, pytest.mark.timeout(300)]

SETTINGS = 'approval_policy = "on-request"\nsandbox_mode = "workspace-write"'


async def gone_for(way: Chain, seconds: float, *, meanwhile: Callable[[], None] = lambda: None) -> None:
    """No connection can be had for so long; then wait until the link is live again by itself."""
    before = (await way.live()).breaks
    way.proxy.strike(RefuseFor(seconds))
    await way.link_when(lambda link: link.liveness != Liveness.LIVE)
    meanwhile()
    await way.live(breaks=before + 1, limit=seconds + 60)


@pytest.mark.parametrize(("version", "seconds"), [("0.163.0", 1.0), ("0.169.0", 1.0), ("0.169.0", 30.0)])
def test_f80_f82_the_client_stays_the_turn_goes_on_and_the_approval_can_be_answered(
    version: str, seconds: float
) -> None:
    gate = Gate()
    steps: list[Step] = [
        Say("Alpha begins.", ends_turn=False),
        Wait(gate),
        Say("Beta was said meanwhile.", ends_turn=False),
        RunCommand("touch granted", escalate=True, justification="May I leave a mark?"),
        Say("Omega ends."),
    ]
    binary = codex_binary(version)
    with ScriptedModel(steps) as model, chain(binary, furnish=_furnish(model), extra=KEEPALIVE) as way:
        way.connect()
        model.furnish(way.folder / "laptop")
        environment = {**way.place.environment, "CODEX_HOME": str(way.folder / "laptop")}
        words = [sys.executable, "-m", "remora", "tui", f"{ALIAS}:work", "--client", str(binary)]
        with Tmux(words, environment=environment) as terminal:
            run(_talk(way, terminal, gate, seconds), limit=250)
        assert (way.sshd.home / "work/granted").exists()
        assert len(way.host_processes().app_servers) == 1


def _furnish(model: ScriptedModel) -> Callable[[Path], None]:
    return lambda codex_home: model.furnish(codex_home, SETTINGS)


async def _talk(way: Chain, terminal: Tmux, gate: Gate, seconds: float) -> None:
    await terminal.shows("Trust this folder?")
    terminal.press("Enter")
    await terminal.shows("Ask Codex to do anything")
    terminal.type("please")
    await terminal.shows("› please")
    terminal.press("Enter")
    await gate.reached()
    await gone_for(way, seconds, meanwhile=gate.open)
    await terminal.shows("Beta was said meanwhile.")
    await terminal.shows("May I leave a mark?")
    await gone_for(way, seconds)
    assert terminal.lives
    assert "econnecting" not in terminal.screen()
    terminal.type("y")
    await terminal.shows("Omega ends.")
    assert terminal.lives
