"""provision and the app server: one whose commands cannot be confined, and one that works while codex is replaced."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.support.base.until import LIMIT, wait_until
from tests.support.codex.binaries import NEWEST
from tests.support.containers.compose import ContainerHosts
from tests.support.containers.container_host import Account
from tests.support.containers.container_manifest import Laptop, assert_unchanged, codex_lines, laptop, outcomes
from tests.support.containers.container_model import model_reached

from remora.demo.scripted_model import Gate, RunCommand, Say, ScriptedModel, Step, Wait

pytestmark = [pytest.mark.containers, pytest.mark.codex]

OLD, NEW = "0.163.0", NEWEST
THERE = '[defaults.codex]\nversion = "installed"\nsource = "none"\n'
SERVER = "[defaults.server]\nstart = true\n"


def servers(account: Account) -> list[str]:
    """The app servers that run there: process, and start time."""
    said = account.host.exec("ps", "-u", account.name, "-o", "pid=,lstart=,args=", check=False).stdout
    return [line.partition("/")[0] for line in said.splitlines() if "app-server --listen" in line]


def notices_of(host: dict[str, Any], name: str) -> str:
    """What the report says of that step beyond its outcome."""
    (step,) = [step for step in host["steps"] if step["name"] == name]
    return "\n".join(step["notices"])


@contextmanager
def running(account: Account, box: Laptop, model: ScriptedModel) -> Iterator[subprocess.Popen[bytes]]:
    """``remora run`` whose turn waits for the model's second answer."""
    words = ["run", "--json", "--no-input", "--sandbox", "workspace-write", f"{account.alias}:project", "please"]
    environment = {**os.environ, **box.place.environment}
    account.write("project/README", "")
    with subprocess.Popen(
        [sys.executable, "-m", "remora", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment
    ) as process:
        try:
            wait_until(lambda: len(model.requests) > 1, what="the turn")
            yield process
        finally:
            process.kill()


def test_f56_a_turn_goes_on_while_codex_is_brought_anew_and_the_report_says_what_is_old(
    container_hosts: ContainerHosts,
) -> None:
    gate = Gate()
    steps: list[Step] = [RunCommand("hostname"), Wait(gate), Say("Done late.")]
    with (
        container_hosts.visit("plain") as account,
        ScriptedModel(steps) as model,
        model_reached(account, model),
        laptop(account) as box,
    ):
        account.install_codex(OLD)
        box.write(THERE + SERVER, account)
        assert box.provision_one()["ok"]
        assert box.place.document("connect", account.alias, "--no-input")["ok"]
        before = servers(account)
        with running(account, box, model) as turn:
            box.write(codex_lines(NEW) + SERVER, account)
            brought = box.provision_one()
            assert brought["ok"], brought
            assert (outcomes(brought)["codex"], outcomes(brought)["server"]) == ("changed", "unchanged")
            told = notices_of(brought, "server")
            assert f"codex {OLD}" in told
            assert NEW in told
            assert "--stop-server" in told
            assert_unchanged(box.provision_one())
            (refused,) = box.place.document("disconnect", "--stop-server", account.alias)["hosts"]
            assert refused["error"] is not None, refused
            assert refused["error"]["code"] == "server-busy"
            assert servers(account) == before
            gate.open()
            said, _ = turn.communicate(timeout=LIMIT)
        report = json.loads(said.splitlines()[-1])
        assert (report["outcome"], report["final_message"]) == ("completed", "Done late."), report
        assert servers(account) == before

        assert box.place.document("connect", account.alias, "--no-input")["ok"]
        (stopped,) = box.place.document("disconnect", "--stop-server", account.alias)["hosts"]
        assert stopped["server"] == "stopped", stopped
        (connected,) = box.place.document("connect", account.alias, "--no-input")["hosts"]
        assert connected["link"]["server_version"].startswith(NEW), connected
        again = box.provision_one()
        assert_unchanged(again)
        assert not notices_of(again, "server")


def test_f45_a_host_without_a_sandbox_is_made_ready_and_told_what_forbids_it(container_hosts: ContainerHosts) -> None:
    """Nobody opens the sandbox to make up for it: what codex's settings say of it stays as it was."""
    with container_hosts.visit("strict") as account, laptop(account) as box:
        assert account.exec("unshare", "-Ur", "true", check=False).returncode != 0
        account.install_codex(OLD)
        box.write(THERE + SERVER + '[defaults.config]\nmodel = "scripted"\n', account)
        for outcome in ("changed", "unchanged"):
            host = box.provision_one()
            assert host["ok"], host
            assert outcomes(host)["server"] == outcome
            told = notices_of(host, "server")
            assert "sandbox-unusable" in told
            assert "user namespaces" in told
            assert "Operation not permitted" in told
        assert "danger" not in account.read(".codex/config.toml")
        assert "sandbox" not in account.read(".codex/config.toml")
