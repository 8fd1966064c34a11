"""The hosts themselves: what the other tests take for granted about them."""

import subprocess
from pathlib import Path

import pytest
from tests.support.containers.compose import NAMES, ContainerHosts
from tests.support.containers.container_host import SHELLS

pytestmark = pytest.mark.containers


def ssh(config: Path, alias: str, command: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Log in with the system's own client and run one command."""
    return subprocess.run(
        ["ssh", "-F", config, *options, alias, command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20.0,
        check=False,
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_host_lets_its_accounts_in_and_forgets_them(container_hosts: ContainerHosts, name: str) -> None:
    with container_hosts.visit(name) as account:
        done = ssh(account.ssh_config, account.alias, "hostname; id -un; pwd; nohup sleep 600 >/dev/null 2>&1 &")
        assert (done.stdout.split(), done.stderr) == ([name, account.name, account.home], "")
        assert "sleep 600" in account.processes()
        account.write("new/folder/file", "text")
        assert account.read("new/folder/file") == "text"
        assert account.exec("stat", "-c", "%U", f"{account.home}/new/folder").stdout.strip() == account.name
    assert container_hosts[name].exec("getent", "passwd", account.name, check=False).returncode == 2
    assert container_hosts[name].exec("test", "-e", account.home, check=False).returncode == 1
    assert not account.processes()


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shared_accounts_have_their_shells(container_hosts: ContainerHosts, shell: str) -> None:
    done = ssh(container_hosts.ssh_config, f"next-{shell}", "ps -o comm= -p $(sh -c 'echo $PPID'); true")
    assert done.stdout.strip() == shell


def test_the_two_systems_are_different_ones(container_hosts: ContainerHosts) -> None:
    names = [
        container_hosts[name].exec("cat", "/etc/debian_version").stdout.split(".")[0] for name in ("plain", "next")
    ]
    assert names == ["12", "13"]


def test_every_machine_has_an_id_of_its_own(container_hosts: ContainerHosts) -> None:
    identities = {container_hosts[name].exec("cat", "/etc/machine-id").stdout for name in NAMES}
    assert len(identities) == len(NAMES)


@pytest.mark.parametrize("way", ["name", "address", "six"])
def test_offline_lets_nothing_out_and_counts_it(container_hosts: ContainerHosts, way: str) -> None:
    tries = {
        "name": "getent hosts example.org",
        "address": "timeout 1 bash -c 'echo >/dev/tcp/192.0.2.77/443'",
        "six": "timeout 1 bash -c 'echo >/dev/udp/192.0.2.77/53'",
    }
    with container_hosts.visit("offline", alone=True) as account:
        before = account.host.packets_out()
        assert ssh(account.ssh_config, account.alias, "head -c 100000 /dev/zero | wc -c").stdout.strip() == "100000"
        assert account.host.packets_out() == before
        account.exec("sh", "-c", tries[way], check=False)
        assert account.host.packets_out() > before


def test_tiny_fills_up_and_is_empty_again(container_hosts: ContainerHosts) -> None:
    with container_hosts.visit("tiny", alone=True) as account:
        with account.host.fill_disk(leave=2**20):
            full = account.exec("sh", "-c", "head -c 2000000 /dev/zero >~/big", check=False)
            assert "No space left on device" in full.stderr
            account.exec("sh", "-c", "rm ~/big; head -c 500000 /dev/zero >~/small")
        account.exec("sh", "-c", "head -c 30000000 /dev/zero >~/big")


def test_crowded_takes_only_so_many_files(container_hosts: ContainerHosts) -> None:
    with container_hosts.visit("crowded", alone=True) as account:
        with account.host.fill_inodes(leave=2):
            account.exec("touch", f"{account.home}/one", f"{account.home}/two")
            full = account.exec("touch", f"{account.home}/three", check=False)
            assert "No space left on device" in full.stderr
        account.exec("touch", f"{account.home}/three")


def test_nobody_writes_to_a_read_only_home(container_hosts: ContainerHosts) -> None:
    with container_hosts.visit("readonly") as account:
        assert "Read-only file system" in account.exec("touch", f"{account.home}/new", check=False).stderr


def test_twins_have_the_same_files_and_no_sockets_in_common(container_hosts: ContainerHosts) -> None:
    serve = (
        "import socket,os;s=socket.socket(socket.AF_UNIX);s.bind('s');s.listen();os.fork() or (os.setsid(),s.accept())"
    )
    reach = "import socket;socket.socket(socket.AF_UNIX).connect('s')"
    with container_hosts.visit_all(["twin-a", "twin-b"]) as (first, second):
        first.exec("sh", "-c", f'cd; exec </dev/null >/dev/null 2>&1; python3 -c "{serve}"')
        refused = second.exec("sh", "-c", f'cd; python3 -c "{reach}"', check=False)
        assert "ConnectionRefusedError" in refused.stderr
        first.exec("sh", "-c", f'cd; python3 -c "{reach}"')


def test_behind_the_bastion_there_is_no_other_way(container_hosts: ContainerHosts) -> None:
    inner = container_hosts["inner"]
    assert inner.port is None
    out = inner.exec("timeout", "2", "bash", "-c", "echo >/dev/tcp/192.0.2.77/443", check=False)
    assert out.returncode != 0


def test_a_cut_is_silent_and_heals(container_hosts: ContainerHosts) -> None:
    with container_hosts.visit("plain", alone=True) as account:
        command = ["ssh", "-F", str(account.ssh_config), account.alias, "echo here; read line; echo $line"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as session:
            assert session.stdin is not None
            assert session.stdout is not None
            assert session.stdout.readline() == "here\n"
            with account.host.cut():
                session.stdin.write("later\n")
                session.stdin.flush()
                late = ssh(account.ssh_config, account.alias, "true", "-oConnectTimeout=1")
                assert late.returncode != 0
                assert session.poll() is None
            assert session.stdout.readline() == "later\n"


@pytest.mark.parametrize("name", ["plain", "booted"])
def test_a_reboot_ends_everything_and_keeps_the_way(container_hosts: ContainerHosts, name: str) -> None:
    boot = "cat /proc/sys/kernel/random/boot_id"
    with container_hosts.visit(name, alone=True) as account:
        before = ssh(account.ssh_config, account.alias, f"{boot}; nohup sleep 600 >/dev/null 2>&1 &").stdout
        account.host.reboot()
        assert "sleep 600" not in account.processes()
        after = ssh(account.ssh_config, account.alias, boot).stdout
        assert (before == after) is (name == "plain")


def test_a_service_of_a_user_who_lingers_survives_a_reboot(container_hosts: ContainerHosts) -> None:
    unit = "[Service]\nExecStart=/bin/sleep 600\n[Install]\nWantedBy=default.target\n"
    with container_hosts.visit("booted", alone=True) as account:
        account.write(".config/systemd/user/long.service", unit)
        start = "loginctl enable-linger && systemctl --user enable --now long.service"
        done = ssh(account.ssh_config, account.alias, start)
        assert done.returncode == 0, done
        account.host.reboot()
        done = ssh(account.ssh_config, account.alias, "systemctl --user is-active --wait long.service")
        assert done.stdout.strip() == "active", done
