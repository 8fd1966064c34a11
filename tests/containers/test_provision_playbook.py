"""The emitted playbook on hosts in containers, from a machine that has ansible-core and no remora in the play."""

from pathlib import Path

import pytest
from tests.containers.test_provision_ordinary import whole
from tests.support.base.until import wait_until
from tests.support.containers.compose import ContainerHosts
from tests.support.containers.container_host import Account
from tests.support.containers.container_manifest import Laptop, assert_unchanged, laptop
from tests.support.provision.ansible import play

pytestmark = [pytest.mark.containers, pytest.mark.codex, pytest.mark.timeout(300), pytest.mark.longest]

BOOT = 90.0
"""Seconds for a boot on a busy machine."""


def emit_and_play(box: Laptop, folder: Path) -> dict[str, int]:
    """Emit it, run it, and the counts of its recap."""
    emitted = folder / "ansible"
    done = box.place.run("provision", str(box.manifest), "--emit", "ansible", "--output", str(emitted))
    assert done.returncode == 0, done.stderr
    _, counts = play(emitted, Path(box.place.environment["REMORA_SSH_CONFIG"]), environment={})
    return counts


def servers(account: Account) -> list[str]:
    """The app servers that run."""
    return [line for line in account.processes() if "app-server" in line]


def test_a_playbook_makes_a_whole_devbox_and_remora_finds_nothing_to_do(
    container_hosts: ContainerHosts, tmp_path: Path
) -> None:
    with container_hosts.visit("next", login_shell="fish") as account, laptop(account) as box:
        whole(account, box)
        first = emit_and_play(box, tmp_path)
        assert (first["failed"], first["changed"] > 0) == (0, True)
        assert emit_and_play(box, tmp_path)["changed"] == 0
        assert_unchanged(box.provision_one())
        assert len(servers(account)) == 1


def test_a_server_that_a_playbook_has_set_up_comes_back_after_a_reboot(
    container_hosts: ContainerHosts, tmp_path: Path
) -> None:
    with container_hosts.visit("booted", alone=True) as account, laptop(account) as box:
        account.install_codex("0.163.0")
        box.write('[defaults]\ncodex.source = "none"\nserver = { start = true, survive_reboot = true }\n', account)
        emit_and_play(box, tmp_path)
        assert emit_and_play(box, tmp_path)["changed"] == 0
        assert_unchanged(box.provision_one())
        account.host.reboot()
        wait_until(lambda: servers(account), limit=BOOT, what="the app server after the reboot")
        assert len(servers(account)) == 1
        assert_unchanged(box.provision_one())
