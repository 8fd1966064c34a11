"""The hosts of docker/compose.yaml: started once for all workers of a test run, ended by the last of them.

``with container_hosts(FOLDER) as hosts, hosts.visit("plain") as account:`` works without pytest's fixtures too.
"""

import contextlib
import fcntl
import os
import random
import shlex
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pytest_docker.plugin import get_docker_services
from tests.support.base.required import missing
from tests.support.containers.container_host import SHELLS, UNTIL_READY, Account, ContainerHost, forget_account
from tests.support.containers.engine import ROOT, SCRIPT, Engine, engine
from tests.support.containers.machine import Machine
from tests.support.sshd.system_sshd import make_key, public_key

NAMES: Final = (
    "plain",
    "next",
    "bare",
    "offline",
    "tiny",
    "crowded",
    "readonly",
    "twin-a",
    "twin-b",
    "bastion",
    "inner",
    "strict",
    "newborn",
    "booted",
)
MACHINES: Final = ("machine",)
"""Those that cost too much to be started with the others."""

_BEHIND: Final = frozenset({"inner"})
"""Reached through the bastion only."""

_COMPOSE_FILE: Final = str(ROOT / "docker" / "compose.yaml")
_OWNER: Final = "remora-tests.owner"
_START_TRIES: Final = 3
_FIRST_NUMBER: Final = 3000
_PORTS: Final = range(20000, 30000)
"""Below those that systems give to whoever asks for any: a stopped host finds its own again."""


@dataclass(frozen=True, slots=True)
class ContainerHosts:
    """The hosts that run, by name, and one SSH config with an alias for every host and for its user of each shell."""

    hosts: dict[str, ContainerHost]
    folder: Path
    ssh_config: Path
    """Aliases ``NAME`` (user bash), ``NAME-bash``, ``NAME-zsh`` and ``NAME-fish``: accounts that all tests share."""

    def __getitem__(self, name: str) -> ContainerHost:
        return self.hosts[name]

    @contextlib.contextmanager
    def visit(self, name: str, *, login_shell: str = "bash", alone: bool = False) -> Iterator[Account]:
        """A new account on that host, gone afterwards with all that runs as it. See :meth:`visit_all`."""
        with self.visit_all([name], login_shell=login_shell, alone=alone) as (account,):
            yield account

    @contextlib.contextmanager
    def visit_all(
        self, names: Sequence[str], *, login_shell: str = "bash", alone: bool = False
    ) -> Iterator[tuple[Account, ...]]:
        """The same new user on several hosts, with one SSH config for them.

        `alone`: no other test is on these hosts meanwhile. Visits of one test do not overlap on a host then.
        """
        with contextlib.ExitStack() as held:
            for name in sorted(names):
                held.enter_context(_locked(self.folder / f"{name}.lock", shared=not alone))
            number = _next_number(self.folder)
            user = f"u{number}"
            config = self.folder / f"{user}.config"
            blocks = "".join(self._block(name, name, user) for name in names)
            config.write_text(blocks + self.ssh_config.read_text())
            held.callback(config.unlink)
            for name in names:
                held.callback(forget_account, self[name], user)
                self[name].exec("account", user, str(number), SHELLS[login_shell])
            yield tuple(Account(self[name], user, number, login_shell, config) for name in names)

    def write_config(self) -> None:
        """Write `ssh_config` and the host keys it trusts."""
        text = ""
        for name in self.hosts:
            text += self._block(name, name, "bash") + "".join(
                self._block(f"{name}-{shell}", name, shell) for shell in SHELLS
            )
        known = "".join(f"{host.name}.test {host.host_key}\n" for host in self.hosts.values())
        _replace(self.folder / "known_hosts", known)
        _replace(self.ssh_config, text)

    def _block(self, alias: str, name: str, user: str) -> str:
        host = self[name]
        way = (
            [f"HostName {name}", "ProxyJump bastion"]
            if host.port is None
            else ["HostName 127.0.0.1", f"Port {host.port}"]
        )
        lines = [
            *way,
            f"User {user}",
            f"HostKeyAlias {name}.test",
            f"IdentityFile {self.folder / 'key'}",
            "IdentitiesOnly yes",
            "IdentityAgent none",
            f"UserKnownHostsFile {self.folder / 'known_hosts'}",
            "GlobalKnownHostsFile /dev/null",
        ]
        return f"Host {alias}\n" + "".join(f"  {line}\n" for line in lines)


@contextlib.contextmanager
def container_hosts(
    folder: Path, *, owner: int | None = None, names: Sequence[str] = NAMES
) -> Iterator[ContainerHosts]:
    """The hosts of these `names`, for whoever names the same `folder` at the same time; the last ends the containers.

    `owner` is the process whose end means that nobody needs them any more, should nobody be left to end them.
    """
    found = engine()
    folder.mkdir(exist_ok=True)
    project = f"remora-tests-{folder.name}"
    users = folder / "users"
    with _locked(folder / "session.lock"):
        services = contextlib.ExitStack()
        count = int(users.read_text()) if users.exists() else 0
        if not count:
            _sweep(found)
            _begin(folder, owner or os.getpid(), names)
        try:
            hosts = services.enter_context(_started(found, folder, project, names))
        except BaseException:
            if not count:
                _compose(folder, project, "down", "--volumes", "--timeout", "1")
            raise
        users.write_text(str(count + 1))
    try:
        yield hosts
    finally:
        with _locked(folder / "session.lock"):
            services.close()
            count = int(users.read_text()) - 1
            users.write_text(str(count))
            if not count:
                _compose(folder, project, "down", "--volumes", "--timeout", "1")


@contextlib.contextmanager
def _started(found: Engine, folder: Path, project: str, names: Sequence[str]) -> Iterator[ContainerHosts]:
    command = f"{shlex.quote(str(SCRIPT))} compose --env-file {shlex.quote(str(folder / 'environment'))}"
    start = f"up --detach --build {' '.join(names)}"
    with contextlib.ExitStack() as running:
        for last in reversed(range(_START_TRIES)):
            try:
                running.enter_context(get_docker_services(command, _COMPOSE_FILE, project, [start], ""))
                break
            except Exception as error:  # the plugin raises nothing narrower
                if "already" in str(error) and last:  # somebody took a port meanwhile
                    _compose(folder, project, "down", "--volumes", "--timeout", "1")
                    _choose_ports(folder, names)
                    continue
                missing(f"the hosts of docker/compose.yaml do not start: {str(error)[-600:]}")
        yield _look(found, folder, project, names)


def _look(found: Engine, folder: Path, project: str, names: Sequence[str]) -> ContainerHosts:
    """What runs now."""
    listing = found.call(
        "ps",
        "--filter",
        f"label=com.docker.compose.project={project}",
        "--format",
        '{{.Label "com.docker.compose.service"}} {{.ID}} {{.State}}',
        "--all",
    )
    states = [line.split() for line in listing.stdout.splitlines()]
    ended = [
        f"{name}: {found.call('logs', identity).stderr[-300:]}"
        for name, identity, state in states
        if state != "running"
    ]
    assert not ended, f"ended at once: {ended}"
    containers = {name: identity for name, identity, _ in states}
    keys = found.call_all([("exec", containers[name], *UNTIL_READY) for name in names])
    ports = _ports(folder, names)
    hosts = {
        name: (Machine if name in MACHINES else ContainerHost)(
            found, containers[name], name, ports.get(name), " ".join(key.split()[:2])
        )
        for name, key in zip(names, keys, strict=True)
    }
    looked = ContainerHosts(hosts, folder, folder / "config")
    looked.write_config()
    return looked


def _begin(folder: Path, owner: int, names: Sequence[str]) -> None:
    """A key that may log in, and the environment of compose."""
    make_key(folder / "key")
    (folder / "owner").write_text(str(owner))
    _choose_ports(folder, names)


def _choose_ports(folder: Path, names: Sequence[str]) -> None:
    lines = [f"AUTHORIZED_KEY={public_key(folder / 'key')}", f"REMORA_TESTS_OWNER={(folder / 'owner').read_text()}"]
    lines.append("COMPOSE_PROFILES=machine")
    with contextlib.ExitStack() as held:
        lines += [f"{_variable(name)}={_free_port(held)}" for name in names if name not in _BEHIND]
    (folder / "environment").write_text("".join(f"{line}\n" for line in lines))


def _free_port(held: contextlib.ExitStack) -> int:
    for port in random.SystemRandom().sample(_PORTS, 100):
        probe = held.enter_context(socket.socket())
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return port
    raise AssertionError("no port of a hundred is free")


def _ports(folder: Path, names: Sequence[str]) -> dict[str, int]:
    values = dict(line.split("=", 1) for line in (folder / "environment").read_text().splitlines())
    return {name: int(values[_variable(name)]) for name in names if name not in _BEHIND}


def _variable(name: str) -> str:
    return f"REMORA_PORT_{name.upper().replace('-', '_')}"


def _compose(folder: Path, project: str, *words: str) -> None:
    options = ["--env-file", str(folder / "environment"), "--project-name", project]
    subprocess.run(
        [SCRIPT, "compose", *options, *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=True
    )


def _sweep(found: Engine) -> None:
    """Remove what a test run has left that was killed."""
    project = '{{.Label "com.docker.compose.project"}}'
    listing = found.call(
        "ps", "--all", "--filter", f"label={_OWNER}", "--format", f'{{{{.ID}}}} {{{{.Label "{_OWNER}"}}}} {project}'
    )
    dead = [line.split() for line in listing.stdout.splitlines()]
    dead = [words for words in dead if words[1].isdigit() and not Path("/proc", words[1]).exists()]
    if dead:
        found.call("rm", "--force", "--volumes", *(words[0] for words in dead))
    for name in {words[2] for words in dead}:
        for kind in ("volume", "network"):
            label = f"label=com.docker.compose.project={name}"
            left = found.call(kind, "ls", "--quiet", "--filter", label).stdout.split()
            if left:
                found.call(kind, "rm", *left, check=False)


@contextlib.contextmanager
def _locked(path: Path, *, shared: bool = False) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield


def _next_number(folder: Path) -> int:
    with _locked(folder / "numbers.lock"):
        file = folder / "number"
        number = int(file.read_text()) + 1 if file.exists() else _FIRST_NUMBER
        file.write_text(str(number))
        return number


def _replace(path: Path, text: str) -> None:
    """At once: other workers read it."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        file.write(text)
    Path(file.name).replace(path)
