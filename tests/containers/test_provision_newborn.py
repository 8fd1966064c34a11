"""The emitted user-data taken by the real cloud-init at a first boot: the machine is then as provision leaves one."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.containers.test_provision_ordinary import WHOLE
from tests.support.containers.compose import ContainerHosts
from tests.support.containers.container_host import Account, forget_account
from tests.support.containers.container_manifest import Laptop, assert_unchanged, laptop, outcomes

pytestmark = [pytest.mark.containers, pytest.mark.codex, pytest.mark.timeout(300)]

USER = "debian"
"""The account that cloud-init makes by itself on Debian."""
SEED = "/var/lib/cloud/seed/nocloud"
STAGES = (("init", "--local"), ("init",), ("modules", "--mode=config"), ("modules", "--mode=final"))
ACCOUNTS = "/etc/passwd /etc/group /etc/shadow /etc/gshadow"
ORIGIN = f"""
mkdir -p /srv/accounts && cp -a {ACCOUNTS} /srv/accounts
git config --system --add safe.directory '*' && cd /srv && git init -q -b main work && cd work && echo text >README
git add . && git -c user.name=x -c user.email=x@example.com commit -q -m one && git clone -q --bare . /srv/origin.git
"""


@contextmanager
def born(hosts: ContainerHosts, folder: Path) -> Iterator[Account]:
    """The account that there will be, on a machine that has booted never yet."""
    with hosts.visit("newborn", alone=True) as other:
        config = folder / "ssh_config"
        config.write_text(other.ssh_config.read_text().replace(f"User {other.name}\n", f"User {USER}\n", 1))
        host = other.host
        host.exec("sh", "-c", ORIGIN)
        try:
            yield replace(other, name=USER, ssh_config=config)
        finally:
            forget_account(host, USER)
            clean = "cloud-init clean --logs --seed; cp -a /srv/accounts/* /etc"
            host.exec(
                "sh", "-c", f"{clean} && rm -rf /srv/accounts /srv/work /srv/*.git /etc/gitconfig /var/lib/remora"
            )


def emit(box: Laptop, folder: Path) -> Path:
    """User-data, and the archive of codex beside it."""
    words = ("--emit", "cloud-init", "--user", USER, "--codex-url", "file:///srv/codex.gz", "--output", str(folder))
    done = box.place.run("provision", str(box.manifest), *words)
    assert done.returncode == 0, done.stderr
    return folder


def boot(account: Account, folder: Path) -> list[str]:
    """What cloud-init does in its four stages, and what it says of failures."""
    host = account.host
    host.exec("mkdir", "-p", SEED)
    brought = [(folder / account.alias / "user-data", f"{SEED}/user-data")]
    brought += [(archive, "/srv/codex.gz") for archive in folder.glob("codex-*.gz")]
    for file, place in brought:
        host.engine.call("cp", str(file), f"{host.container}:{place}")
        host.exec("chmod", "644", place)
    host.exec("sh", "-c", f"echo 'instance-id: one' >{SEED}/meta-data; mkdir -p /run/cloud-init")
    for stage in STAGES:
        host.exec("cloud-init", *stage, check=False)
    host.exec("usermod", "--password", "*", USER)  # locked, as it comes, sshd without PAM lets nobody in
    result = json.loads(host.exec("cat", "/run/cloud-init/result.json").stdout)
    errors: list[str] = result["v1"]["errors"]
    return errors


def test_real_cloud_init_leaves_nothing_to_do(container_hosts: ContainerHosts, tmp_path: Path) -> None:
    with born(container_hosts, tmp_path) as account, laptop(account) as box:
        box.write(WHOLE.replace("~/origin.git", "file:///srv/origin.git"), account)
        errors = boot(account, emit(box, tmp_path / "machines"))
        said = account.host.exec("cat", "/var/log/cloud-init-output.log").stdout
        assert errors == [], said[-3000:]
        report = box.provision_one()
        assert_unchanged(report)
        assert {"codex", "server", "setup:~/src/app", "smoke:~/src/app"} <= set(outcomes(report))
        assert account.read("src/app/made") == "text\n"
        assert len([line for line in account.processes() if "app-server" in line]) == 1


def test_a_first_boot_that_fails_is_said_by_cloud_init_and_by_the_marker(
    container_hosts: ContainerHosts, tmp_path: Path
) -> None:
    project = (
        '[[defaults.projects]]\nrepository = "file:///srv/origin.git"\nfolder = "~/src/app"\nsetup = "cp {} made"\n'
    )
    with born(container_hosts, tmp_path) as account, laptop(account) as box:
        box.write(project.format("NOTHING"), account)
        errors = boot(account, emit(box, tmp_path / "machines"))
        assert any("scripts-user" in error for error in errors), errors
        assert "remora: failed step-failed" in account.host.exec("cat", "/var/log/cloud-init-output.log").stdout
        waited = box.place.document("wait", account.alias, "--for", "provisioned", "--timeout", "5")
        assert (waited["ok"], waited["hosts"][0]["error"]["code"]) == (False, "provision-failed"), waited
        box.write(project.format("README"), account)
        assert box.provision_one()["ok"]
        assert_unchanged(box.provision_one())
