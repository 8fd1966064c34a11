"""Where systemd is process 1: the app server comes back after a reboot with its limits; what holds is what is told."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.containers.test_ordinary_hosts import run_prompt
from tests.support.base.until import wait_until
from tests.support.containers.compose import ContainerHosts
from tests.support.containers.container_host import Account
from tests.support.containers.container_manifest import Laptop, assert_unchanged, laptop, outcomes
from tests.support.containers.container_model import furnish, model_reached

from remora.demo.scripted_model import RunCommand, Say, ScriptedModel, Step

pytestmark = [pytest.mark.containers, pytest.mark.codex]

SERVER = "[defaults.server]\nstart = true\n"
LIMITS = 'memory = "1GiB"\ncpu = 1.5\nprocesses = 400\n'
UNIT = ".config/systemd/user/remora-codex.service"
LONG = 90.0
"""Seconds for a boot on a busy machine."""


@contextmanager
def visit(hosts: ContainerHosts) -> Iterator[tuple[Account, Laptop]]:
    """An account that has codex, and a laptop that manages it."""
    with hosts.visit("booted", alone=True) as account, laptop(account) as box:
        account.install_codex("0.163.0")
        yield account, box


def server_of(account: Account) -> int | None:
    """The one app server of the account."""
    words = ("ps", "-u", account.name, "-o", "pid=,args=")
    lines = [
        line for line in account.host.exec(*words, check=False).stdout.splitlines() if "app-server --listen" in line
    ]
    assert len(lines) < 2, lines
    return int(lines[0].split()[0]) if lines else None


def rebooted(account: Account) -> int:
    """The app server that runs after a reboot, before anybody has logged in."""
    account.host.reboot()
    server = wait_until(lambda: server_of(account), limit=LONG, what="the app server after the reboot")
    assert server is not None
    assert "session" not in account.host.exec("loginctl", "list-sessions", "--no-legend").stdout
    return server


def notices(host: dict[str, object]) -> str:
    """What a run says of the limits and the server."""
    steps = host["steps"]
    assert isinstance(steps, list)
    return "\n".join(notice for step in steps if step["name"] in ("limits", "server") for notice in step["notices"])


def connected(account: Account, box: Laptop) -> dict[str, object]:
    """The link that ``connect`` holds then."""
    (host,) = box.place.document("connect", account.alias, "--no-input")["hosts"]
    link: dict[str, object] = host["link"]
    return link


def test_the_server_is_back_after_a_reboot_and_adopted(container_hosts: ContainerHosts) -> None:
    with visit(container_hosts) as (account, box):
        box.write(f"{SERVER}survive_reboot = true\n", account)
        assert set(outcomes(box.provision_one()).values()) == {"changed", "unchanged"}
        first = server_of(account)
        assert_unchanged(box.provision_one())
        second = rebooted(account)
        assert second != first
        assert_unchanged(box.provision_one())
        with ScriptedModel([]) as model:
            furnish(account, model)
            checked = box.place.document("check", account.alias, "--no-input")
        assert checked["ok"], checked
        assert "adopt" in json.dumps(checked), checked
        assert connected(account, box)["launch_mode"] == "adopted"
        assert server_of(account) == second
        assert box.place.run("disconnect", "--stop-server", account.alias).returncode == 0
        assert server_of(account) is None


def test_a_service_that_the_manifest_does_not_want_any_more_starts_nothing(container_hosts: ContainerHosts) -> None:
    with visit(container_hosts) as (account, box):
        box.write(f"{SERVER}survive_reboot = true\n", account)
        box.provision_one()
        assert UNIT in account.files()
        box.write(SERVER, account)
        server = server_of(account)
        assert outcomes(box.provision_one())["server"] == "changed"
        assert_unchanged(box.provision_one())
        assert not [file for file in account.files() if file.endswith("remora-codex.service")]
        assert server_of(account) == server, "what runs goes on"
        account.host.reboot()
        box.write("[defaults.server]\n", account)
        box.provision_one()
        assert server_of(account) is None


def test_limits_of_a_launch_are_those_of_the_service_and_the_report_is_what_holds(
    container_hosts: ContainerHosts,
) -> None:
    """Control groups of version 1 give users nothing, and systemd takes limits for its services all the same."""
    steps: list[Step] = [
        RunCommand("python3 -c 'bytearray(1500 << 20)' 2>&1; echo ended $?"),
        RunCommand("i=0; while [ $i -lt 500 ]; do sleep 5 & i=$((i+1)); echo $i; done 2>&1 | tail -n 3"),
        Say("Done over there."),
    ]
    with visit(container_hosts) as (account, box):
        groups = account.host.exec("test", "-e", "/sys/fs/cgroup/cgroup.controllers", check=False).returncode == 0
        box.write(f"{SERVER}survive_reboot = true\n{LIMITS}", account)
        told = notices(box.provision_one())
        if groups:
            assert told == ""
        else:
            assert "memory is limited for each process" in told
            assert "does not have this cpu limit (this host does not support it)" in told
            assert "processes are counted for the whole account" in told
        launched = each_process(account, server_of(account))
        assert each_process(account, rebooted(account)) == launched
        assert notices(box.provision_one()) == told
        with ScriptedModel(steps) as model, model_reached(account, model):
            connected(account, box)
            assert box.place.run("disconnect", "--stop-server", account.alias).returncode == 0
            run_prompt(box.place, account)
            eaten, forked = (request.tool_outputs[-1] for request in model.requests[1:3])
        assert ("ended 137" if groups else "MemoryError") in eaten
        assert "fork" in forked


def each_process(account: Account, server: int | None) -> list[str]:
    """The limits that the kernel has for each process of the server, or for its account."""
    text = account.host.exec("cat", f"/proc/{server}/limits").stdout
    return [line for line in text.splitlines() if line.startswith(("Max address space", "Max processes"))]


def test_other_limits_are_in_the_service_at_once_and_in_what_runs_after_a_new_start(
    container_hosts: ContainerHosts,
) -> None:
    with visit(container_hosts) as (account, box):
        box.write(f"{SERVER}survive_reboot = true\n{LIMITS}", account)
        box.provision_one()
        server = server_of(account)
        box.write(f'{SERVER}survive_reboot = true\nmemory = "2GiB"\n', account)
        host = box.provision_one()
        assert (outcomes(host)["limits"], outcomes(host)["server"]) == ("changed", "changed")
        assert "MemoryMax=2147483648" in account.read(UNIT)
        assert "TasksMax" not in account.read(UNIT)
        assert server_of(account) == server, "what runs is not restarted"
        assert "keeps its old limits" in notices(host)
        rebooted(account)
        assert "keeps its old limits" not in notices(box.provision_one())
