"""provision on both Debians, without Python, without internet, behind a bastion: a fresh account, again, then a run."""

import pytest
from tests.containers.test_ordinary_hosts import STEPS, run_prompt
from tests.support.base.until import wait_until
from tests.support.containers.compose import ContainerHosts
from tests.support.containers.container_host import SHELLS, Account
from tests.support.containers.container_manifest import (
    Laptop,
    assert_done,
    assert_unchanged,
    codex_lines,
    laptop,
    outcomes,
)
from tests.support.containers.container_model import model_reached

from remora.demo.scripted_model import ScriptedModel

pytestmark = [pytest.mark.containers, pytest.mark.codex]

WHOLE = (
    codex_lines("0.163.0")
    + """
[defaults.config]
approval_policy = "on-request"
[defaults.instructions]
content = "This is {{ alias }}.\\n"
[[defaults.files]]
path = "~/notes/one.txt"
content = "one\\n"
mode = "0600"
[[defaults.projects]]
repository = "~/origin.git"
folder = "~/src/app"
setup = "cat README >made"
smoke = "test -f made"
[defaults.server]
start = true
"""
)
NAMES = (
    "codex",
    "path",
    "config",
    "instructions",
    "file:~/notes/one.txt",
    "limits",
    "server",
    "project:~/src/app",
    "setup:~/src/app",
    "smoke:~/src/app",
)


def make_origin(account: Account) -> str:
    """A repository on the host itself; its address."""
    git = "git -c user.name=x -c user.email=x@example.com"
    script = (
        f"cd && git init -q -b main work && cd work && echo text >README && git add . && {git} commit -q -m one"
        " && cd .. && git clone -q --bare work origin.git && rm -rf work"
    )
    account.exec("sh", "-c", script)
    return f"file://{account.home}/origin.git"


def whole(account: Account, box: Laptop) -> None:
    """The whole manifest, for a host that has the repository."""
    box.write(WHOLE.replace("~/origin.git", make_origin(account)), account)


def assert_serves(account: Account, box: Laptop) -> None:
    """A thread comes to its end, in the server that provisioning has started."""
    report = run_prompt(box.place, account)
    assert (report["outcome"], report["final_message"]) == ("completed", "Done over there."), report
    servers = [line for line in account.processes() if "app-server" in line]
    assert len(servers) == 1, servers


@pytest.mark.parametrize("name", ["plain", "next", "bare"])
@pytest.mark.parametrize("shell", SHELLS)
def test_f47_a_fresh_account_is_made_ready_and_nothing_differs_afterwards(
    container_hosts: ContainerHosts, name: str, shell: str
) -> None:
    with (
        container_hosts.visit(name, login_shell=shell) as account,
        ScriptedModel(STEPS) as model,
        model_reached(account, model),
        laptop(account) as box,
    ):
        whole(account, box)
        first = box.provision_one()
        assert_done(first)
        assert tuple(outcomes(first)) == NAMES
        before = account.files()
        assert_unchanged(box.provision_one())
        assert account.files() == before
        assert account.read(".codex/AGENTS.md") == f"This is {name}.\n"
        assert_serves(account, box)


def test_f35_without_internet_everything_comes_through_ssh(container_hosts: ContainerHosts) -> None:
    with (
        container_hosts.visit("offline", login_shell="zsh", alone=True) as account,
        ScriptedModel(STEPS) as model,
        model_reached(account, model),
        laptop(account) as box,
    ):
        before = account.host.packets_out()
        whole(account, box)
        assert box.provision_one("--dry-run")["outcome"] == "would-change"
        assert_done(box.provision_one())
        assert_unchanged(box.provision_one())
        assert_serves(account, box)
        assert account.host.packets_out() == before


@pytest.mark.parametrize("sign", [".codex/config.toml", "notes/one.txt", "src/app/README"])
def test_f47_a_host_that_reboots_between_steps_is_finished_by_the_next_run(
    container_hosts: ContainerHosts, sign: str
) -> None:
    with container_hosts.visit("inner", alone=True) as account, laptop(account) as box:
        whole(account, box)
        with box.provisioning() as running:
            wait_until(lambda: sign in account.files(), what=sign)
            account.host.reboot()
            box.ended(running)
        again = box.provision_one()
        assert again["ok"], again
        assert_unchanged(box.provision_one())
        assert account.read("src/app/made") == account.read("src/app/README") == "text\n"
        assert len([line for line in account.processes() if "app-server" in line]) == 1
