"""Many hosts on this machine: ports of a few sshd, each with a home of its own, each behind a delay of its own."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.network.fault_proxy import FaultProxy
from tests.support.network.faults import Delay, Fault
from tests.support.sshd.system_sshd import SystemSshd, free_port, public_key

_DOORS: Final = 15
"""Ports of one sshd besides its own: it listens at 16 sockets and no more."""


@dataclass(frozen=True, slots=True)
class FleetHost:
    """One host: its own port of an sshd, the proxy before that, and its own two folders."""

    alias: str
    door: int
    proxy: FaultProxy
    home: Path
    runtime: Path

    def wipe(self) -> None:
        """As nobody has ever been there."""
        for folder in (self.home, self.runtime):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True, mode=0o700)
        (self.home / "bin").mkdir()
        for name in (".bashrc", ".profile"):
            (self.home / name).write_text('PATH="$HOME/bin:$PATH"\nexport PATH\n')


@dataclass(frozen=True, slots=True)
class Fleet:
    """Hosts that one identity may log in to, which all have one host key; `ssh_config` knows them all, `sshd` is the
    first server.
    """

    sshd: SystemSshd
    hosts: Sequence[FleetHost]
    ssh_config: Path

    def wipe(self) -> None:
        """All as new."""
        for host in self.hosts:
            host.wipe()

    def strike(self, fault: Fault) -> None:
        """On the way to every host."""
        for host in self.hosts:
            host.proxy.strike(fault)


@contextmanager
def provision_fleet(folder: Path, count: int, *, round_trip: float = 0.0) -> Iterator[Fleet]:
    """So many new hosts below `folder`, at the same distance."""
    aliases = [f"host{number:02}" for number in range(count)]
    ports = _free_ports(count)
    homes = [folder / "hosts" / alias for alias in aliases]
    with ExitStack() as stack:
        servers: list[SystemSshd] = []
        for first in range(0, count, _DOORS):
            doors = dict(zip(ports[first : first + _DOORS], homes[first : first + _DOORS], strict=True))
            servers.append(stack.enter_context(_ManyDoors(folder, doors, like=servers[0] if servers else None)))
        sshd = servers[0]
        hosts = [
            FleetHost(alias, port, stack.enter_context(FaultProxy(port)), home / "home", home / "run")
            for alias, port, home in zip(aliases, ports, homes, strict=True)
        ]
        key = public_key(sshd.host_keys[0])
        sshd.known_hosts.write_text("".join(f"[127.0.0.1]:{host.proxy.port} {key}\n" for host in hosts))
        config = folder / "config"
        config.write_text("".join(_block(sshd, host) for host in hosts))
        fleet = Fleet(sshd, hosts, config)
        fleet.wipe()
        fleet.strike(Delay(round_trip))
        yield fleet


def _block(sshd: SystemSshd, host: FleetHost) -> str:
    return sshd.ssh_config(host.alias).replace(f"Port {sshd.port}\n", f"Port {host.proxy.port}\n")


class _ManyDoors(SystemSshd):
    """An sshd on more ports; who comes through one of `doors` finds the home and runtime folder that belong to it.

    It has the keys of `like`, and lets the same identity in.
    """

    def __init__(self, folder: Path, doors: dict[int, Path], *, like: SystemSshd | None) -> None:
        super().__init__(folder, options=["MaxStartups 500", "Subsystem sftp internal-sftp"])
        self._doors = doors
        if like is not None:
            self.host_keys, self.authorized_keys = like.host_keys, like.authorized_keys

    def _config(self, port: int) -> Iterator[str]:
        lines = list(super()._config(port))
        (environment,) = (line for line in lines if line.startswith("SetEnv "))
        yield from lines
        yield from (f"Port {door}" for door in self._doors)
        for door, folder in self._doors.items():
            yield f"Match LocalPort {door}"
            home = environment.replace(f'"HOME={self.home}"', f'"HOME={folder / "home"}"')
            yield f'  {home} "XDG_RUNTIME_DIR={folder / "run"}"'


def _free_ports(count: int) -> list[int]:
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(free_port())
    return sorted(ports)
