"""The hosts themselves: what the other tests take for granted about them."""

import subprocess
from pathlib import Path

import pytest
from tests.support.container_host import SHELLS
from tests.support.containers import NAMES, ContainerHosts

pytestmark = pytest.mark.containers


def ssh(config: Path, alias: str, command: str, *, limit: float = 20.0) -> subprocess.CompletedProcess[str]:
    """Log in with the system's own client and run one command."""
    return subprocess.run(
        ["ssh", "-F", config, alias, command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=limit,
        check=False,
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_host_lets_its_accounts_in(container_hosts: ContainerHosts, name: str) -> None:
    with container_hosts.visit(name) as account:
        done = ssh(account.ssh_config, account.alias, "hostname; id -un; pwd")
        assert (done.stdout.split(), done.stderr) == ([name, account.name, account.home], "")
    assert container_hosts[name].exec("getent", "passwd", account.name, check=False).returncode == 2


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shared_accounts_have_their_shells(container_hosts: ContainerHosts, shell: str) -> None:
    done = ssh(container_hosts.ssh_config, f"next-{shell}", "ps -o comm= -p $(sh -c 'echo $PPID'); true")
    assert done.stdout.strip() == shell
