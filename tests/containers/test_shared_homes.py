"""F61: several machines with one home, as over a network (no socket leads across) and as one disk in two containers."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from tests.containers.test_ordinary_hosts import STEPS, run_prompt
from tests.support.base.until import wait_until
from tests.support.codex.binaries import NEWEST
from tests.support.containers.compose import ContainerHosts
from tests.support.containers.container_host import Account
from tests.support.containers.container_model import model_reached
from tests.support.link.hubs import HubPlace, hub_place

from remora.demo.scripted_model import ScriptedModel

pytestmark = [pytest.mark.containers, pytest.mark.codex]
VERSIONS = ["0.133.0", "0.163.0", NEWEST]
USUAL = "app-server-control/app-server-control.sock"
NOTE = "app-server-control/remora-machine"


@dataclass(frozen=True, slots=True)
class Twins:
    """Two machines, and one account that is the same on both."""

    first: Account
    second: Account
    place: HubPlace
    model: ScriptedModel
    codex_home: str

    @property
    def servers(self) -> tuple[int, int]:
        """How many app servers run on each."""
        first, second = (
            sum("app-server --listen" in line for line in account.processes()) for account in (self.first, self.second)
        )
        return first, second

    def connect(self, *accounts: Account) -> list[str]:
        """Connect to them; whose each server is."""
        report = self.place.document("connect", *(account.alias for account in accounts), "--no-input")
        assert report["ok"], json.dumps(report, indent=1)
        return [host["link"]["launch_mode"] for host in report["hosts"]]

    def told(self, account: Account) -> list[str]:
        """What the link to it has to say."""
        (host,) = self.place.document("connect", account.alias, "--no-input")["hosts"]
        return [notice["code"] for notice in host["link"]["notices"]]

    def work(self, *accounts: Account) -> None:
        """A turn on each in order; each is done on the machine that was asked."""
        for account in accounts:
            assert run_prompt(self.place, account)["outcome"] == "completed"
            said = self.model.requests[-1].tool_outputs[0]
            assert said.count(account.host.name) == 1, said

    def stop(self, account: Account) -> str:
        """Take the link down, and the server with it."""
        (host,) = self.place.document("disconnect", "--stop-server", account.alias)["hosts"]
        assert host["error"] is None, host
        return str(host["server"])

    def start_by_hand(self, account: Account) -> None:
        """A server at the usual place, as somebody who is logged in starts it."""
        line = 'cd && exec setsid -f "$HOME/.local/bin/codex" app-server --listen unix:// >/dev/null 2>&1'
        account.exec("env", f"CODEX_HOME={self.codex_home}", "sh", "-c", line)
        wait_until(lambda: self.lies_there(account, USUAL), what="the socket")

    def lies_there(self, account: Account, name: str) -> bool:
        """Something of that name is in codex's home, if only a link to nothing."""
        script = '[ -e "$1" ] || [ -L "$1" ]'
        return account.exec("sh", "-c", script, "sh", f"{self.codex_home}/{name}", check=False).returncode == 0


@contextmanager
def twins(hosts: ContainerHosts, version: str, *, one_disk: bool = False, alone: bool = False) -> Iterator[Twins]:
    """Both machines ready for turns. `one_disk`: codex's home is named where it lies, on a disk that both have."""
    with (
        hosts.visit_all(["twin-a", "twin-b"], alone=alone) as (first, second),
        ScriptedModel(STEPS) as model,
        model_reached(first, model),
        model_reached(second, model),
        hub_place(REMORA_SSH_CONFIG=str(first.ssh_config)) as place,
    ):
        codex_home = f"/srv/shared/{first.name}/.codex" if one_disk else f"{first.home}/.codex"
        if one_disk:
            first.write(".profile", f"export CODEX_HOME={codex_home}\n")
        first.install_codex(version)
        yield Twins(first, second, place, model, codex_home)


@pytest.mark.parametrize("version", VERSIONS)
def test_f61_two_machines_with_one_home_each_have_their_own_server(
    container_hosts: ContainerHosts, version: str
) -> None:
    with twins(container_hosts, version) as both:
        both.work(both.first)
        assert both.servers == (1, 0)
        assert both.connect(both.first, both.second) == ["adopted", "detached"]
        assert both.servers == (1, 1)
        both.work(both.first, both.second, both.first)
        assert both.told(both.second) == ["home-shared"]
        with hub_place(REMORA_SSH_CONFIG=str(both.first.ssh_config)) as other:
            for account in (both.first, both.second):
                (again,) = other.document("connect", account.alias, "--no-input")["hosts"]
                assert again["ok"], again
        assert both.servers == (1, 1)
        assert not [
            name for name in both.first.files() if "relay" in name or "remora" in name or name.endswith(".sock")
        ]


@pytest.mark.parametrize("version", VERSIONS)
def test_f61_f54_a_server_that_somebody_started_on_the_other_machine_keeps_its_place(
    container_hosts: ContainerHosts, version: str
) -> None:
    """Its socket file is to be seen on this machine, where nobody listens."""
    with twins(container_hosts, version) as both:
        both.start_by_hand(both.first)
        assert both.lies_there(both.second, USUAL)
        for _ in range(3):
            assert both.connect(both.second) == ["detached"]
            assert both.servers == (1, 1)
            both.work(both.second)
            assert both.stop(both.second) == "stopped"
            assert both.servers == (1, 0)
        assert both.connect(both.first) == ["adopted"]
        both.work(both.first)


@pytest.mark.parametrize("version", VERSIONS)
def test_f61_a_server_that_ends_takes_nothing_of_the_other_machine_with_it(
    container_hosts: ContainerHosts, version: str
) -> None:
    with twins(container_hosts, version) as both:
        assert both.connect(both.first, both.second) == ["detached", "detached"]
        for one, other in ((both.first, both.second), (both.second, both.first)) * 2:
            assert both.stop(one) == "stopped"
            both.work(other)
            assert both.connect(one) == ["detached"]
            assert both.servers == (1, 1)


@pytest.mark.parametrize("version", VERSIONS)
def test_f61_on_one_disk_the_first_machine_notes_down_that_the_usual_place_is_its_own(
    container_hosts: ContainerHosts, version: str
) -> None:
    """No kind of file system tells it, and a socket there would even lead into the other machine."""
    with twins(container_hosts, version, one_disk=True) as both:
        assert both.connect(both.first) == ["detached"]
        assert both.lies_there(both.second, USUAL)
        assert both.lies_there(both.second, NOTE)
        assert both.connect(both.second) == ["detached"]
        assert both.servers == (1, 1)
        both.work(both.second, both.first)
        assert both.stop(both.first) == "stopped"
        both.work(both.second)
        assert both.connect(both.first) == ["detached"]
        assert both.servers == (1, 1)
        both.work(both.first, both.second)


def test_f61_on_one_disk_a_server_that_nobody_noted_down_is_found_out_by_codex_itself(
    container_hosts: ContainerHosts,
) -> None:
    with twins(container_hosts, "0.133.0", one_disk=True) as both:
        both.start_by_hand(both.first)
        assert both.connect(both.second) == ["detached"]
        assert both.servers == (1, 1)
        both.work(both.second)
        assert both.connect(both.first) == ["adopted"]
        both.work(both.first, both.second)


@contextmanager
def cloned(one: Account, other: Account) -> Iterator[None]:
    """Inside the block the other machine says that it is the one: a clone whose id nobody has made anew."""
    ids = [account.host.exec("cat", "/etc/machine-id").stdout for account in (one, other)]
    other.host.exec("tee", "/etc/machine-id", stdin=ids[0])
    try:
        yield
    finally:
        other.host.exec("tee", "/etc/machine-id", stdin=ids[1])


@pytest.mark.parametrize("version", ["0.133.0", NEWEST])
def test_f61_a_clone_with_the_same_id_and_home_has_a_server_of_its_own(
    container_hosts: ContainerHosts, version: str
) -> None:
    with (
        twins(container_hosts, version, one_disk=True, alone=True) as both,
        cloned(both.first, both.second),
    ):
        assert both.connect(both.first, both.second) == ["detached", "detached"]
        assert both.servers == (1, 1)
        both.work(both.first, both.second)
        assert both.stop(both.first) == "stopped"
        both.work(both.second)
