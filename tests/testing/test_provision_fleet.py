"""The benchmark's fleet: every host of it answers, also when they are more than one sshd listens for."""

import socket
from pathlib import Path

import pytest
from scripts.provision_fleet import provision_fleet

pytestmark = pytest.mark.sshd


def greeting(port: int) -> bytes:
    """The first bytes that come from a port."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        return connection.recv(8)


@pytest.mark.parametrize("count", [1, 17])
def test_every_host_of_a_fleet_answers(tmp_path: Path, count: int) -> None:
    with provision_fleet(tmp_path, count) as fleet:
        assert [greeting(host.proxy.port) for host in fleet.hosts] == [b"SSH-2.0-"] * count
        assert fleet.ssh_config.read_text().count("Host host") == count
        homes = {host.home for host in fleet.hosts}
        assert len(homes) == count
