"""Whose settings hold for a thread that the real terminal client opens on a host."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.support.base.loop import run
from tests.support.base.until import until
from tests.support.codex.binaries import codex_binary, trust_folder
from tests.support.link.chain import ALIAS, Chain, chain
from tests.support.screen.tmux import Tmux

from remora.demo.scripted_model import RunCommand, Say, ScriptedModel, Step

pytestmark = [pytest.mark.sshd, pytest.mark.codex]

versions = pytest.mark.parametrize("version", ["0.163.0", "0.169.0", "0.171.0"])
STEPS: list[Step] = [RunCommand("touch written"), Say("The turn ends.")]
LOOSE = 'sandbox_mode = "danger-full-access"\napproval_policy = "never"\napprovals_reviewer = "auto_review"\n'


def laptop(folder: Path, model: ScriptedModel, settings: str) -> dict[str, str]:
    """The environment of a codex of this machine that is configured so."""
    home = folder / "laptop"
    model.furnish(home, settings)
    server = f'\n[mcp_servers.mine]\ncommand = "touch"\nargs = ["{folder / "mine"}"]\n'
    config = home / "config.toml"
    config.write_text(f'notify = ["touch", "{folder / "notified"}"]\n{config.read_text()}{server}')
    return {"CODEX_HOME": str(home)}


def host_says(model: ScriptedModel, settings: str, *, trusted: bool = True) -> Callable[[Path], None]:
    def furnish(codex_home: Path) -> None:
        model.furnish(codex_home, settings)
        if trusted:
            trust_folder(codex_home, codex_home.parent / "work")

    return furnish


def in_force(way: Chain) -> dict[str, Any]:
    """Under which terms the last turn of a person's thread ran, as the host has written it down."""
    found: dict[str, Any] = {}
    for path in sorted((way.sshd.home / ".codex/sessions").rglob("rollout-*.jsonl")):
        for line in path.read_text().splitlines():
            entry = json.loads(line)
            if entry["type"] == "turn_context":
                found = entry["payload"]
    return found


async def prompted(terminal: Tmux) -> None:
    await terminal.shows("Ask Codex to do anything")
    terminal.type("please")
    await terminal.shows("› please")
    terminal.press("Enter")
    await terminal.shows("The turn ends.")


def work(
    version: str,
    settings: str,
    words: Sequence[str] = (),
    *,
    here: str = LOOSE,
    check: Callable[[Chain, dict[str, Any]], None],
) -> None:
    binary = codex_binary(version)
    with ScriptedModel(STEPS) as model, chain(binary, furnish=host_says(model, settings)) as way:
        environment = {**way.place.environment, **laptop(way.folder, model, here)}
        program = [sys.executable, "-m", "remora", "tui", f"{ALIAS}:work", "--client", str(binary), *words]
        with Tmux(program, environment=environment) as terminal:
            run(prompted(terminal))
        check(way, in_force(way))
        assert not (way.folder / "mine").exists()
        assert not (way.folder / "notified").exists()


@versions
def test_the_sandbox_of_the_host_holds_and_not_that_of_this_machine(version: str) -> None:
    def check(way: Chain, terms: dict[str, Any]) -> None:
        assert not (way.sshd.home / "work/written").exists()
        assert terms["sandbox_policy"]["type"] == "read-only"
        assert terms["approval_policy"] == "on-request"
        assert terms.get("approvals_reviewer") in (None, "user")

    work(version, 'sandbox_mode = "read-only"\napproval_policy = "on-request"', check=check)


@versions
def test_a_permission_profile_of_the_host_holds(version: str) -> None:
    settings = 'default_permissions = "tight"\npermissions.tight.extends = ":workspace"\n'

    def check(way: Chain, terms: dict[str, Any]) -> None:
        assert "tight" in json.dumps(terms)

    work(version, settings, check=check)


@versions
def test_what_is_said_on_the_command_line_holds(version: str) -> None:
    def check(way: Chain, terms: dict[str, Any]) -> None:
        assert (way.sshd.home / "work/written").exists()
        assert terms["sandbox_policy"]["type"] == "workspace-write"
        assert terms["approval_policy"] == "on-request"

    settings = 'sandbox_mode = "read-only"\napproval_policy = "on-request"'
    work(version, settings, ["--sandbox", "workspace-write"], check=check)


def test_what_is_said_to_codex_itself_holds() -> None:
    def check(way: Chain, terms: dict[str, Any]) -> None:
        assert terms["sandbox_policy"]["type"] == "workspace-write"
        assert terms["approval_policy"] == "never"

    settings = 'sandbox_mode = "read-only"\napproval_policy = "on-request"'
    words = ["--", "-c", 'sandbox_mode="workspace-write"', "--ask-for-approval=never"]
    work("0.171.0", settings, words, here="", check=check)


@versions
def test_a_folder_is_trusted_by_nobody_but_the_person(version: str) -> None:
    binary = codex_binary(version)
    settings = 'sandbox_mode = "workspace-write"\napproval_policy = "on-request"'
    with ScriptedModel(STEPS) as model, chain(binary, furnish=host_says(model, settings, trusted=False)) as way:
        project = way.sshd.home / "work"
        (project / ".git").mkdir()
        (project / ".codex").mkdir()
        mark = way.folder / "theirs"
        server = f'[mcp_servers.x]\ncommand = "touch"\nargs = ["{mark}"]\n'
        (project / ".codex/config.toml").write_text(server)
        here = f'{LOOSE}projects."{project}".trust_level = "trusted"\n'
        environment = {**way.place.environment, **laptop(way.folder, model, here)}
        program = [sys.executable, "-m", "remora", "tui", f"{ALIAS}:work", "--client", str(binary)]

        async def go(terminal: Tmux) -> None:
            await terminal.shows("Trust this folder?")
            assert not mark.exists()
            assert "trust_level" not in (way.sshd.home / ".codex/config.toml").read_text()
            await terminal.press_until("Down", "› 2.")
            await terminal.press_until("Up", "› 1.")
            terminal.press("Enter")
            await until(mark.exists, what="what a trusted folder brings is in force")

        with Tmux(program, environment=environment) as terminal:
            run(go(terminal))


@versions
def test_a_person_who_does_not_trust_a_folder_gets_no_thread_in_it(version: str) -> None:
    """The client has no way to go on without trust, so what the door says of an untrusted folder changes nothing."""
    binary = codex_binary(version)
    settings = 'sandbox_mode = "workspace-write"\napproval_policy = "on-request"'
    with ScriptedModel(STEPS) as model, chain(binary, furnish=host_says(model, settings, trusted=False)) as way:
        (way.sshd.home / "work/.git").mkdir()
        before = (way.sshd.home / ".codex/config.toml").read_bytes()
        environment = {**way.place.environment, **laptop(way.folder, model, LOOSE)}
        program = [sys.executable, "-m", "remora", "tui", f"{ALIAS}:work", "--client", str(binary)]

        async def go(terminal: Tmux) -> None:
            await terminal.shows("Trust this folder?")
            await terminal.press_until("Down", "› 2. Back")
            terminal.press("Enter")
            await terminal.shows("No tasks yet")

        with Tmux(program, environment=environment) as terminal:
            run(go(terminal))
        assert model.requests == []
        assert in_force(way) == {}
        assert (way.sshd.home / ".codex/config.toml").read_bytes() == before
