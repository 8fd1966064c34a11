"""provision cut off in mid-transfer, on a host in a container: by the network, a reboot, a kill, a full disk."""

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.base.until import LIMIT, wait_until
from tests.support.containers.compose import ContainerHosts
from tests.support.containers.container_host import Account
from tests.support.containers.container_manifest import Laptop, assert_unchanged, laptop, outcomes
from tests.support.network.fault_proxy import FaultProxy
from tests.support.network.faults import Narrow
from tests.support.provision.packages import make_package

pytestmark = [pytest.mark.containers, pytest.mark.timeout(300)]
MIB = 2**20
SIZE = 24 * MIB
RATE = 6 * MIB
PARTS = "~/.local/share/remora/codex/.part-*"


@dataclass(frozen=True, slots=True)
class Narrowed:
    """A laptop and a host, and a network between them that carries little in a second."""

    account: Account
    box: Laptop
    proxy: FaultProxy
    program: Path

    def wish(self) -> None:
        """The manifest: that program and a key of its configuration."""
        codex = f'version = "0.1.0"\nsource = "file"\nfile = "{self.program}"\n'
        path = "[defaults.path]\nallow_shell_edit = true\n"
        self.box.write(f'[defaults.codex]\n{codex}{path}[defaults.config]\nmodel = "new"\n', self.account)

    def arrived(self) -> int:
        """Bytes of the program that lie there unfinished."""
        said = self.account.exec("sh", "-c", f"cat {PARTS} 2>/dev/null | wc -c").stdout
        return int(said)

    def wait_for_a_share(self) -> None:
        """Until a part of the program is there, and not all of it."""
        wait_until(lambda: self.arrived() > SIZE // 2, what="a share of the program")

    def is_whole(self) -> bool:
        """Whether the program runs there, and nothing half done lies about."""
        self.account.exec("sh", "-c", "~/.local/share/remora/codex/current-*/bin/codex --version")
        left = [path for path in self.account.files() if re.search(r"/\.(part|new|try)-", path)]
        return left == [] and 'model = "new"' in self.account.read(".codex/config.toml")


@contextmanager
def narrowed(hosts: ContainerHosts, folder: Path, name: str) -> Iterator[Narrowed]:
    with hosts.visit(name, alone=True) as account:
        assert account.host.port is not None
        with FaultProxy(account.host.port) as proxy:
            text = account.ssh_config.read_text()
            block, rest = text.split("\nHost ", 1)
            mine = block.replace(f"Port {account.host.port}", f"Port {proxy.port}")
            config = folder / "narrow_config"
            config.write_text(
                f"{mine}\n  ServerAliveInterval 1\n  ServerAliveCountMax 3\n  ConnectTimeout 5\nHost {rest}"
            )
            through = replace(account, ssh_config=config)
            with laptop(through) as box:
                proxy.strike(Narrow(RATE))
                program = make_package(folder / "0.1.0", "0.1.0", size=SIZE)
                work = Narrowed(through, box, proxy, program)
                work.wish()
                yield work


def error_of(host: dict[str, Any]) -> dict[str, Any]:
    """What stopped it: a step's failure, or the host's."""
    error = next((step["error"] for step in host["steps"] if step["error"] is not None), host["error"])
    assert isinstance(error, dict), host
    return error


@pytest.fixture
def plain(container_hosts: ContainerHosts, tmp_path: Path) -> Iterator[Narrowed]:
    with narrowed(container_hosts, tmp_path, "plain") as work:
        yield work


def test_f41_a_network_that_is_gone_for_a_while_costs_a_pause_and_no_byte_twice(plain: Narrowed) -> None:
    with plain.box.provisioning() as running:
        plain.wait_for_a_share()
        with plain.account.host.cut():
            wait_until(lambda: plain.proxy.accepted > 1, what="another try")
        (host,) = plain.box.ended(running)
    assert (host["ok"], host["dials"]) == (True, 2), host
    assert host["bytes"] < SIZE * 1.4, host
    assert plain.is_whole()
    assert_unchanged(plain.box.provision_one())


def test_f41_a_network_that_stays_away_fails_the_host_and_the_next_run_goes_on(plain: Narrowed) -> None:
    with plain.box.provisioning() as running:
        plain.wait_for_a_share()
        with plain.account.host.cut():
            (host,) = plain.box.ended(running)
    assert (host["ok"], outcomes(host)["config"]) == (False, "skipped"), host
    assert error_of(host)["code"] in {"connect-timeout", "connection-lost", "connection-closed"}, host
    again = plain.box.provision_one()
    assert again["ok"], again
    assert again["bytes"] < SIZE * 0.8, again
    assert plain.is_whole()
    assert_unchanged(plain.box.provision_one())


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGHUP])
def test_f47_who_runs_it_is_killed_in_mid_transfer(plain: Narrowed, how: signal.Signals) -> None:
    with plain.box.provisioning() as running:
        plain.wait_for_a_share()
        running.send_signal(how)
        running.communicate(timeout=LIMIT)
    assert plain.box.place.document("check", plain.account.alias)
    again = plain.box.provision_one()
    assert again["ok"], again
    assert again["bytes"] < SIZE * 0.8, again
    assert plain.is_whole()
    assert_unchanged(plain.box.provision_one())


def test_f47_the_host_reboots_in_mid_transfer(plain: Narrowed) -> None:
    with plain.box.provisioning() as running:
        plain.wait_for_a_share()
        plain.account.host.reboot()
        (host,) = plain.box.ended(running)
    if not host["ok"]:  # it was away for longer than a run tries
        host = plain.box.provision_one()
    assert host["ok"], host
    assert plain.is_whole()
    assert_unchanged(plain.box.provision_one())


def test_f38_a_disk_that_fills_in_mid_transfer(container_hosts: ContainerHosts, tmp_path: Path) -> None:
    with narrowed(container_hosts, tmp_path, "crowded") as work:
        with work.box.provisioning() as running:
            work.wait_for_a_share()
            with work.account.host.fill_disk():
                (host,) = work.box.ended(running)
        assert (error_of(host)["code"], outcomes(host)["config"]) == ("disk-full", "skipped"), host
        again = work.box.provision_one()
        assert again["ok"], again
        assert work.is_whole()
        assert_unchanged(work.box.provision_one())
