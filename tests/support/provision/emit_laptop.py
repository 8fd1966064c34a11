"""A laptop that gives its manifest to another engine, hosts that are all alike, and what they are in the end."""

import json
import stat
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.base.program import remora
from tests.support.provision.ansible import play
from tests.support.provision.gits import new_repository
from tests.support.provision.packages import HERE, make_package
from tests.support.sshd.system_sshd import SystemSshd

VERSION = "0.163.0"
CANARY = "canary-of-set-up"
MANIFEST = """
[defaults]
codex = {{ source = "file", file = "{codex}", version = "{version}" }}
path.folder = "~/bin"
config = {{ model = "gpt-5", tools.web_search = true }}
instructions.content = "Be {{{{{{{{ brief }}}}}}}}.\\n"
server.memory = "512MiB"

[[defaults.files]]
path = "~/notes/deep/{{{{{{{{ one }}}}}}}}.txt"
content = "one\\n"
mode = "0600"

[[defaults.files]]
path = "rules/two.rules"
content = "it's two"

[[defaults.projects]]
repository = "file://{origin}"
folder = "~/src/app"
ref = "main"
environment = {{ COLOUR = "it's red" }}
{secrets}
setup = '''test "$COLOUR" = "it's red" && {test} echo made >made && echo done'''
smoke = "test -f made"

[[hosts]]
select = ["devbox"]
"""


class Laptop:
    """A machine with a manifest, and hosts that are all alike."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._codex = make_package(folder, VERSION)
        self._origin = new_repository(folder / "origin")

    def manifest(self, *, secrets: bool) -> Path:
        """With `secrets` its set-up asks for one."""
        text = MANIFEST.format(
            codex=self._codex,
            version=VERSION,
            origin=self._origin,
            secrets='secrets = { TOKEN = { environment = "REMORA_CANARY" } }' if secrets else "",
            test=f"test ${{#TOKEN}} = {len(CANARY)} && " if secrets else "",
        )
        file = self.folder / f"box-{secrets}.toml"
        file.write_text(text)
        return file

    @contextmanager
    def host(self) -> Iterator[SystemSshd]:
        """A fresh account whose owner has a config.toml and a folder on the PATH."""
        with SystemSshd(self.folder) as sshd:
            self.furnish(sshd.home)
            (self.folder / "ssh_config").write_text(sshd.ssh_config("devbox"))
            yield sshd

    def furnish(self, home: Path) -> None:
        (home / "bin").mkdir(parents=True)
        (home / ".bashrc").write_text('PATH="$HOME/bin:$PATH"\n')
        (home / ".codex").mkdir()
        (home / ".codex" / "config.toml").write_text('# mine\nmodel = "old" # by me\n')

    @property
    def environment(self) -> dict[str, str]:
        return {
            "REMORA_SSH_CONFIG": str(self.folder / "ssh_config"),
            "XDG_STATE_HOME": str(self.folder / "state"),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "REMORA_CANARY": CANARY,
            "TERM": "dumb",
        }

    def remora(self, *words: str, more: Mapping[str, str] | None = None) -> dict[str, Any]:
        done = remora("provision", *words, "--json", environment={**self.environment, **(more or {})})
        assert done.returncode == 0, done.stdout + done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def emit(self, manifest: Path, engine: str, *words: str, more: Mapping[str, str] | None = None) -> Path:
        folder = self.folder / engine
        self.remora(str(manifest), "--emit", engine, "--output", str(folder), "--platform", PLATFORM, *words, more=more)
        return folder

    def play(self, folder: Path, *words: str, key: str = "", status: int = 0) -> tuple[str, dict[str, int]]:
        """See :func:`tests.support.provision.ansible.play`. `key` is an API key."""
        secrets = {"REMORA_CANARY": CANARY, **({"REMORA_KEY": key} if key else {})}
        return play(folder, self.folder / "ssh_config", *words, environment=secrets, status=status)


PLATFORM = f"{HERE.os}-{HERE.architecture}"


def snapshot(home: Path) -> dict[str, str]:
    """The end state: paths, modes, contents, where links lead; not what has a time in it or was made up anew."""
    state: dict[str, str] = {}
    for path in sorted(home.rglob("*")):
        name = str(path.relative_to(home))
        if ".git" in path.parts or name.startswith((".ansible", ".cache")) or path.name in {".remora-stamps"}:
            continue
        mode = oct(stat.S_IMODE(path.lstat().st_mode))
        if path.is_symlink():
            state[name] = f"-> {path.readlink()}".replace(str(home), "~")
        elif path.is_dir():
            state[name] = mode
        elif name.startswith(".local/state"):
            lines = path.read_text(errors="replace").splitlines()
            kept = [line for line in lines if not line.startswith(("since=", "holder=", "Cloning into"))]
            state[name] = f"{mode} {kept}"
        else:
            state[name] = f"{mode} {path.read_bytes()!r}"
    head = ["git", "-C", str(home / "src/app"), "rev-parse", "HEAD", "--symbolic-full-name", "@{u}"]
    state["commit"] = subprocess.run(head, capture_output=True, text=True, check=False).stdout
    found = subprocess.run(
        ["/bin/bash", "-lic", "command -v codex"],
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    state["found"] = found.stdout.replace(str(home), "~")
    return state


def outcomes(report: dict[str, Any]) -> set[str]:
    return {step["outcome"] for host in report["hosts"] for step in host["steps"]}


@pytest.fixture
def laptop(tmp_path: Path) -> Laptop:
    return Laptop(tmp_path)


ACCOUNT = """
[[hosts]]
select = ["devbox"]
codex.version = "installed"
login = { kind = "api-key", secret = { environment = "REMORA_KEY" } }
server = { start = true, processes = 4000 }
"""


def alone(
    folder: Path,
    sshd: SystemSshd,
    *,
    status: int = 0,
    more: Mapping[str, str] | None = None,
    program: Path | None = None,
) -> str:
    """The emitted program, or another one, run as cloud-init does it."""
    environment = {
        "HOME": str(sshd.home),
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LOGNAME": sshd.user,
        "USER": sshd.user,
    }
    done = subprocess.run(
        ["/bin/sh", str(program or folder / "devbox" / "provision.sh")],
        env={**environment, **(more or {})},
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr
