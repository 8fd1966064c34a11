"""check, run and connect on both Debians, for users of bash, zsh and fish, with a real codex."""

import json
from typing import Any

import pytest
from tests.support.containers.compose import ContainerHosts
from tests.support.containers.container_host import SHELLS, Account
from tests.support.containers.container_model import model_reached
from tests.support.link.hubs import HubPlace, hub_place

from remora.demo.scripted_model import RunCommand, Say, ScriptedModel, Step

pytestmark = [pytest.mark.containers, pytest.mark.codex]
STEPS: list[Step] = [RunCommand("hostname; touch made-here"), Say("Done over there.")]


def run_prompt(place: HubPlace, account: Account, *words: str) -> dict[str, Any]:
    """Run a prompt in a new folder of the account's; the report. The sandbox is on."""
    account.write("project/README", "")
    done = place.run(
        "run", "--json", "--no-input", "--sandbox", "workspace-write", *words, f"{account.alias}:project", "please"
    )
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert "outcome" in report, done
    return report


@pytest.mark.parametrize("name", ["plain", "next"])
@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_on_both_systems(container_hosts: ContainerHosts, name: str, shell: str) -> None:
    with (
        container_hosts.visit(name, login_shell=shell) as account,
        ScriptedModel(STEPS) as model,
        model_reached(account, model),
        hub_place(REMORA_SSH_CONFIG=str(account.ssh_config)) as place,
    ):
        link = account.install_codex("0.163.0")
        checked = place.document("check", account.alias, "--no-input")
        assert checked["ok"], checked
        assert link in json.dumps(checked)
        report = run_prompt(place, account)
        assert (report["outcome"], report["final_message"], report["byte_path"]) == (
            "completed",
            "Done over there.",
            "unix-socket",
        )
        assert model.requests[-1].tool_outputs[0].count(name) == 1
        assert "project/made-here" in account.files()
        (connected,) = place.document("connect", account.alias, "--no-input")["hosts"]
        assert connected["link"]["byte_path"] == "relay"
        assert run_prompt(place, account)["byte_path"] == "relay"
        assert place.run("disconnect", "--stop-server", account.alias).returncode == 0
        assert not [line for line in account.processes() if "codex" in line or "python" in line]


def test_through_a_bastion(container_hosts: ContainerHosts) -> None:
    with (
        container_hosts.visit("inner") as account,
        ScriptedModel(STEPS) as model,
        model_reached(account, model),
        hub_place(REMORA_SSH_CONFIG=str(account.ssh_config)) as place,
    ):
        account.install_codex("0.163.0")
        checked = place.document("check", account.alias, "--no-input")
        assert checked["ok"], checked
        assert "through bastion" in json.dumps(checked)
        (connected,) = place.document("connect", account.alias, "--no-input")["hosts"]
        assert connected["link"]["byte_path"] == "relay"
        assert run_prompt(place, account)["outcome"] == "completed"
