"""The emitted playbook on hosts in containers, from a machine that has ansible-core and no remora in the play."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.containers.test_provision_ordinary import whole
from tests.support.container_host import Account
from tests.support.container_manifest import Laptop, assert_unchanged, laptop
from tests.support.containers import ContainerHosts
from tests.support.required import missing
from tests.support.until import wait_until

pytestmark = [pytest.mark.containers, pytest.mark.codex, pytest.mark.timeout(300)]

BOOT = 90.0
"""Seconds for a boot on a busy machine."""


def play(box: Laptop, folder: Path, *words: str) -> dict[str, int]:
    """Emit it, run it, and the counts of its recap."""
    done = box.place.run("provision", str(box.manifest), "--emit", "ansible", "--output", str(folder))
    assert done.returncode == 0, done.stderr
    program = Path(sys.executable).with_name("ansible-playbook")
    if not program.exists():
        missing("ansible-core is not installed")
    ssh = f"-F {box.place.environment['REMORA_SSH_CONFIG']} -o ControlMaster=no"
    own = {"ANSIBLE_HOME": str(folder / "home"), "ANSIBLE_SSH_ARGS": ssh, "ANSIBLE_NOCOWS": "1", "ANSIBLE_NOCOLOR": "1"}
    played = subprocess.run(
        [program, "-i", folder / "inventory.yml", folder / "playbook.yml", *words],
        env={**os.environ, **own},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert played.returncode == 0, played.stdout[-4000:] + played.stderr
    recap = played.stdout.rpartition("PLAY RECAP")[2]
    pairs = (word.partition("=") for word in recap.split())
    return {name: int(value) for name, _, value in pairs if value.isdigit()}


def servers(account: Account) -> list[str]:
    """The app servers that run."""
    return [line for line in account.processes() if "app-server" in line]


def test_a_playbook_makes_a_whole_devbox_and_remora_finds_nothing_to_do(
    container_hosts: ContainerHosts, tmp_path: Path
) -> None:
    with container_hosts.visit("next", login_shell="fish") as account, laptop(account) as box:
        whole(account, box)
        first = play(box, tmp_path)
        assert (first["failed"], first["changed"] > 0) == (0, True)
        assert play(box, tmp_path)["changed"] == 0
        assert_unchanged(box.provision_one())
        assert len(servers(account)) == 1


def test_a_server_that_a_playbook_has_set_up_comes_back_after_a_reboot(
    container_hosts: ContainerHosts, tmp_path: Path
) -> None:
    with container_hosts.visit("booted", alone=True) as account, laptop(account) as box:
        account.install_codex("0.163.0")
        box.write('[defaults]\ncodex.source = "none"\nserver = { start = true, survive_reboot = true }\n', account)
        play(box, tmp_path)
        assert play(box, tmp_path)["changed"] == 0
        assert_unchanged(box.provision_one())
        account.host.reboot()
        wait_until(lambda: servers(account), limit=BOOT, what="the app server after the reboot")
        assert len(servers(account)) == 1
        assert_unchanged(box.provision_one())
