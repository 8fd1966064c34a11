"""What `scripts/bench provision` compares: the same state of a host, brought about by remora, Ansible and pyinfra.

Each is used as its own documentation would have it, with the settings that make it fastest. All files lie in a
folder of the contestant's own.
"""

import json
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.provision_fleet import Fleet, FleetHost
from tests.support.provision.packages import make_package

VERSION: Final = "0.1.0"
INSTRUCTIONS: Final = "You work on a devbox that is made anew every week: nothing outside of ~/src lasts.\n"
RULES: Final = 'prefix_rule(pattern = ["git", "status"], decision = "allow")\n'
PROFILE: Final = "".join(f"export BENCH_{number}={number}\n" for number in range(200))
CONFIG: Final = {"model": "gpt-5", "approval_policy": "on-request", "sandbox_mode": "workspace-write"}
UNWANTED: Final = ("SSH_AUTH_SOCK", "PYTHONDONTWRITEBYTECODE")
"""What would make contestants ask an agent, or compile themselves anew in each run."""
_RUN_LIMIT: Final = 900.0


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a contestant: how long it took, and whether it says that nothing changed."""

    seconds: float
    unchanged: bool


class Contestant:
    """One way to provision hosts. `folder` is its own; `python` has its package, beside its programs."""

    name = ""

    def __init__(self, folder: Path, fleet: Fleet, programs: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.fleet = fleet
        self.programs = programs
        self.package = make_package(folder / "package", VERSION).parent.parent
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in UNWANTED},
            "HOME": str(folder),
            "PATH": f"{programs}:{os.environ['PATH']}",
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "COLUMNS": "1000",  # tables are not cut
        }
        self.write()

    def write(self) -> None:
        """Write what describes the hosts."""
        raise NotImplementedError

    def command(self) -> Sequence[str]:
        """The program and its words."""
        raise NotImplementedError

    def is_unchanged(self, said: str) -> bool:
        """Whether it says of all hosts that nothing was changed there."""
        raise NotImplementedError

    def settle(self) -> None:
        """End what a run has left on this machine."""

    def run(self) -> Run:
        """Provision all hosts once, as a whole process."""
        began = time.perf_counter()
        done = subprocess.run(
            self.command(),
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_RUN_LIMIT,
            check=False,
        )
        seconds = time.perf_counter() - began
        self.settle()
        if done.returncode:
            raise SystemExit(f"{self.name} failed ({done.returncode}): {done.stdout[-3000:]}")
        return Run(seconds, self.is_unchanged(done.stdout))


class Remora(Contestant):
    """remora, with its manifest."""

    name = "remora"

    def write(self) -> None:
        config = "".join(f"config.{key} = {json.dumps(value)}\n" for key, value in CONFIG.items())
        files = "".join(
            f"[[hosts.files]]\npath = {json.dumps(path)}\ncontent = {json.dumps(content)}\nmode = {json.dumps(mode)}\n"
            for path, content, mode in _FILES
        )
        self.manifest = self.folder / "fleet.toml"
        self.manifest.write_text(
            f"[[hosts]]\nselect = {json.dumps([host.alias for host in self.fleet.hosts])}\n"
            f'codex = {{ version = "{VERSION}", source = "file", file = "package/bin/codex" }}\n'
            f'path.how = "link"\npath.folder = "~/bin"\n{config}'
            f"instructions.content = {json.dumps(INSTRUCTIONS)}\n{files}"
        )

    def command(self) -> Sequence[str]:
        remora = str(Path(sys.executable).with_name("remora"))
        jobs = str(len(self.fleet.hosts))
        return (
            *(remora, "provision", str(self.manifest), "--json", "--no-input", "--jobs", jobs),
            *("--ssh-config", str(self.fleet.ssh_config)),
        )

    def is_unchanged(self, said: str) -> bool:
        return all(host["outcome"] == "unchanged" for host in json.loads(said)["hosts"])


class Ansible(Contestant):
    """Ansible with pipelining, as many forks as hosts, and no facts gathered; connections of one run end with it."""

    name = "Ansible, written by hand"

    def write(self) -> None:
        with tarfile.open(self.folder / "codex.tar.gz", "w:gz") as archive:
            archive.add(self.package, ".")
        hosts = "".join(f"        {host.alias}: {{}}\n" for host in self.fleet.hosts)
        self.inventory = self.folder / "inventory.yml"
        self.inventory.write_text(f"all:\n  children:\n    devboxes:\n      hosts:\n{hosts}")
        self.playbook = self.folder / "playbook.yml"
        self.playbook.write_text(json.dumps([self._play()], indent=1))  # JSON is YAML, too
        self.control = self.folder / "c"
        self.environment |= {
            "ANSIBLE_FORKS": str(len(self.fleet.hosts)),
            "ANSIBLE_PIPELINING": "True",
            "ANSIBLE_SSH_COMMON_ARGS": f"-F {self.fleet.ssh_config}",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.control),
            "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",  # not looked for at every host
            "ANSIBLE_NOCOLOR": "1",
        }

    def command(self) -> Sequence[str]:
        return (str(self.programs / "ansible-playbook"), "-i", str(self.inventory), str(self.playbook))

    def is_unchanged(self, said: str) -> bool:
        recap = [line for line in said.partition("PLAY RECAP")[2].splitlines() if "changed=" in line]
        return len(recap) == len(self.fleet.hosts) and all("changed=0 " in line for line in recap)

    def settle(self) -> None:
        """End the connections that ssh keeps for a minute: the next run is one of another day."""
        for socket in self.control.glob("*"):
            leave = ["ssh", "-F", "none", "-o", f"ControlPath={socket}", "-O", "exit", "nobody"]
            subprocess.run(leave, stdin=subprocess.DEVNULL, capture_output=True, check=False)

    def _play(self) -> Mapping[str, object]:
        install = f"~/.local/share/codex/{VERSION}"
        folders = [install, "~/bin", "~/.codex", *sorted({str(Path(path).parent) for path, _, _ in _FILES})]
        tasks: list[Mapping[str, object]] = [
            {
                "name": f"folder {folder}",
                "ansible.builtin.file": {"path": folder, "state": "directory", "mode": "0755"},
            }
            for folder in folders
        ]
        tasks += [
            {
                "name": f"codex {VERSION}",
                "ansible.builtin.unarchive": {
                    "src": str(self.folder / "codex.tar.gz"),
                    "dest": install,
                    "creates": f"{install}/bin/codex",
                },
            },
            {
                "name": "codex on the PATH",
                "ansible.builtin.file": {"src": f"{install}/bin/codex", "dest": "~/bin/codex", "state": "link"},
            },
        ]
        tasks += [
            {
                "name": f"configuration: {key}",
                "ansible.builtin.lineinfile": {
                    "path": "~/.codex/config.toml",
                    "regexp": rf"^{key}\s*=",
                    "line": f"{key} = {json.dumps(value)}",
                    "insertbefore": "BOF",
                    "create": True,
                    "mode": "0600",
                },
            }
            for key, value in CONFIG.items()
        ]
        tasks += [
            {"name": path, "ansible.builtin.copy": {"dest": path, "content": content, "mode": mode}}
            for path, content, mode in (("~/.codex/AGENTS.md", INSTRUCTIONS, "0644"), *_FILES)
        ]
        tasks.append(
            {"name": "codex runs", "ansible.builtin.command": f"{install}/bin/codex --version", "changed_when": False}
        )
        return {"hosts": "devboxes", "gather_facts": False, "tasks": tasks}


class Emitted(Ansible):
    """Ansible with the playbook that ``remora provision --emit ansible`` writes of the same manifest."""

    name = "Ansible, the emitted playbook"

    def write(self) -> None:
        super().write()
        emitted = self.folder / "emitted"
        manifest = Remora(self.folder / "remora", self.fleet, self.programs).manifest
        remora = str(Path(sys.executable).with_name("remora"))
        subprocess.run(
            [
                *(remora, "provision", str(manifest), "--emit", "ansible", "--output", str(emitted)),
                *("--ssh-config", str(self.fleet.ssh_config)),
            ],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        (self.inventory,) = emitted.glob("inventory.*")
        self.playbook = emitted / "playbook.yml"


class Pyinfra(Contestant):
    """pyinfra, all hosts side by side."""

    name = "pyinfra"

    def write(self) -> None:
        sshd = self.fleet.sshd
        inventory = [
            (
                host.alias,
                {
                    "ssh_hostname": "127.0.0.1",
                    "ssh_port": host.proxy.port,
                    "ssh_user": sshd.user,
                    "ssh_key": str(sshd.identity),
                    "ssh_known_hosts_file": str(sshd.known_hosts),
                    "ssh_strict_host_key_checking": "yes",
                    "ssh_look_for_keys": False,
                    "ssh_allow_agent": False,
                    "home": str(host.home),
                },
            )
            for host in self.fleet.hosts
        ]
        (self.folder / "inventory.py").write_text(f"devboxes = {inventory!r}\n")
        sources = self.folder / "sources"
        sources.mkdir()
        lines = [
            "from pyinfra import host",
            "from pyinfra.operations import files, server",
            "home = host.data.home",
            "install = f'{home}/.local/share/codex/" + VERSION + "'",
            "within = lambda path: path.replace('~', home, 1)",
        ]
        folders = ["~/bin", "~/.codex", *sorted({str(Path(path).parent) for path, _, _ in _FILES})]
        lines += [f"files.directory(path=within({folder!r}), mode='755')" for folder in folders]
        lines += [
            f"files.put(src={str(file)!r}, dest=install + {'/' + str(file.relative_to(self.package))!r}, mode={mode!r})"
            for file in sorted(self.package.rglob("*"))
            if file.is_file()
            for mode in ["755" if os.access(file, os.X_OK) else "644"]
        ]
        lines.append("files.link(path=f'{home}/bin/codex', target=f'{install}/bin/codex')")
        lines.append("files.file(path=f'{home}/.codex/config.toml', mode='600')")
        lines += [
            f"files.line(path=f'{{home}}/.codex/config.toml', line={rf'^{key} = .*'!r}, replace={line!r})"
            for key, value in CONFIG.items()
            for line in [f"{key} = {json.dumps(value)}"]
        ]
        for number, (path, content, mode) in enumerate((("~/.codex/AGENTS.md", INSTRUCTIONS, "0644"), *_FILES)):
            source = sources / str(number)
            source.write_text(content)
            lines.append(f"files.put(src={str(source)!r}, dest=within({path!r}), mode={mode[1:]!r})")
        (self.folder / "deploy.py").write_text("\n".join(lines) + "\n")

    def command(self) -> Sequence[str]:
        parallel = str(len(self.fleet.hosts))
        return (str(self.programs / "pyinfra"), "--parallel", parallel, "-y", "inventory.py", "deploy.py")

    def is_unchanged(self, said: str) -> bool:
        totals = said.rpartition("Grand total")[2].split()  # in all, changed, failed, unchanged
        return totals[1] == "-" and totals[0] == totals[3]


def check_state(host: FleetHost) -> None:
    """Whoever was there, the host is now as described. Raises ``AssertionError``."""
    config = (host.home / ".codex/config.toml").read_text()
    assert all(f"{key} = {json.dumps(value)}" in config for key, value in CONFIG.items()), config  # noqa: S101
    assert (host.home / ".codex/AGENTS.md").read_text() == INSTRUCTIONS  # noqa: S101
    for path, content, mode in _FILES:
        file = host.home / path.removeprefix("~/")
        assert file.read_text() == content, path  # noqa: S101
        assert file.stat().st_mode & 0o777 == int(mode, 8), path  # noqa: S101
    assert (host.home / "bin/codex").is_symlink()  # noqa: S101
    assert os.access(host.home / "bin/codex", os.X_OK)  # noqa: S101


_FILES: Final = (
    ("~/.codex/rules/default.rules", RULES, "0644"),
    ("~/.config/devbox/profile.sh", PROFILE, "0644"),
    ("~/.config/devbox/hooks/start", "#!/bin/sh\nexit 0\n", "0755"),
)
"""Path, content and mode of the files that hosts are to have besides what is codex's own."""
