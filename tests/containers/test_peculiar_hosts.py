"""Hosts that lack something: no Python, no internet, no sandbox, no place to write."""

import pytest
from tests.containers.test_ordinary_hosts import STEPS, run_prompt
from tests.support.containers.compose import ContainerHosts
from tests.support.containers.container_model import furnish, model_reached
from tests.support.link.hubs import hub_place

from remora.demo.scripted_model import ScriptedModel

pytestmark = [pytest.mark.containers, pytest.mark.codex]


def test_without_python_a_link_says_what_it_lacks_and_works(container_hosts: ContainerHosts) -> None:
    with (
        container_hosts.visit("bare", login_shell="zsh") as account,
        ScriptedModel(STEPS) as model,
        model_reached(account, model),
        hub_place(REMORA_SSH_CONFIG=str(account.ssh_config)) as place,
    ):
        account.install_codex("0.163.0")
        (connected,) = place.document("connect", account.alias, "--no-input")["hosts"]
        assert connected["link"]["byte_path"] == "unix-socket"
        assert [notice["code"] for notice in connected["link"]["notices"]] == ["no-relay"]
        report = run_prompt(place, account)
        assert (report["outcome"], report["byte_path"]) == ("completed", "unix-socket")


def test_f35_without_internet_not_one_packet_leaves(container_hosts: ContainerHosts) -> None:
    with (
        container_hosts.visit("offline", login_shell="fish", alone=True) as account,
        ScriptedModel(STEPS) as model,
        model_reached(account, model),
        hub_place(REMORA_SSH_CONFIG=str(account.ssh_config)) as place,
    ):
        before = account.host.packets_out()
        account.install_codex("0.163.0")
        assert place.document("check", account.alias, "--no-input")["ok"]
        assert run_prompt(place, account)["outcome"] == "completed"
        (connected,) = place.document("connect", account.alias, "--no-input")["hosts"]
        assert connected["link"]["byte_path"] == "relay"
        assert account.host.packets_out() == before


def test_f45_where_no_sandbox_can_be_the_policy_is_named(container_hosts: ContainerHosts) -> None:
    with container_hosts.visit("strict") as account, hub_place(REMORA_SSH_CONFIG=str(account.ssh_config)) as place:
        assert account.exec("unshare", "-Ur", "true", check=False).returncode != 0
        account.install_codex("0.163.0")
        checked = place.document("check", account.alias, "--no-input")
        (sandbox,) = [stage for stage in checked["hosts"][0]["stages"] if stage["stage"] == "sandbox"]
        assert sandbox["error"]["code"] == "sandbox-unusable"
        assert "user namespaces" in sandbox["error"]["message"]
        assert "seccomp" in sandbox["error"]["next"]


def test_f37_a_read_only_home_is_named_when_the_server_cannot_start(container_hosts: ContainerHosts) -> None:
    with (
        container_hosts.visit("readonly") as account,
        ScriptedModel(STEPS) as model,
        hub_place(REMORA_SSH_CONFIG=str(account.ssh_config)) as place,
    ):
        account.install_codex("0.163.0")
        furnish(account, model)
        (connected,) = place.document("connect", account.alias, "--no-input")["hosts"]
        assert connected["error"]["stage"] == "launch"
        assert "Read-only file system" in connected["error"]["seen"]
        assert not account.processes()
