"""The same devbox by three ways: our own run, the playbook in Ansible's hands, a new machine on its own."""

import base64
import gzip
import json
import os
import re
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from tests.support.codex import codex_binary
from tests.support.control_groups import groups_removed
from tests.support.login_endpoint import login_endpoint
from tests.support.packages import HERE, make_package, make_wheel
from tests.support.program import remora
from tests.support.required import missing
from tests.support.system_sshd import SystemSshd

pytestmark = [pytest.mark.sshd, pytest.mark.timeout(600)]

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
        self._origin = folder / "origin"
        self._origin.mkdir()
        (self._origin / "README.md").write_text("a project\n")
        git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com", "-C", str(self._origin)]
        subprocess.run([*git[:1], "init", "-q", "-b", "main", str(self._origin)], check=True)
        self._git = git
        self.commit()

    def commit(self) -> None:
        """The project goes on."""
        with (self._origin / "README.md").open("a") as file:
            file.write("more\n")
        for words in (["add", "."], ["commit", "-q", "-m", "next"]):
            subprocess.run([*self._git, *words], check=True)

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
        """One run of the playbook: what it said, and the counts of its recap. `key` is an API key."""
        program = Path(sys.executable).with_name("ansible-playbook")
        if not program.exists():
            missing("ansible-core is not installed")
        environment = {
            "ANSIBLE_HOME": str(self.folder / "ansible-home"),
            "ANSIBLE_SSH_ARGS": f"-F {self.folder / 'ssh_config'} -o ControlMaster=no",
            "ANSIBLE_NOCOWS": "1",
            "ANSIBLE_NOCOLOR": "1",
            "REMORA_CANARY": CANARY,
            **({"REMORA_KEY": key} if key else {}),
        }
        command = [str(program), "-v", "-i", str(folder / "inventory.yml"), str(folder / "playbook.yml"), *words]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        recap = done.stdout.rpartition("PLAY RECAP")[2]
        counts = {
            name: int(value) for name, _, value in (word.partition("=") for word in recap.split()) if value.isdigit()
        }
        assert done.returncode == status, done.stdout[-6000:] + done.stderr
        return done.stdout, counts


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


def test_the_playbook_leaves_what_our_own_run_leaves(laptop: Laptop) -> None:
    manifest = laptop.manifest(secrets=True)
    with laptop.host() as sshd:
        laptop.remora(str(manifest))
        wished = snapshot(sshd.home)
    folder = laptop.emit(manifest, "ansible")
    emitted = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert CANARY.encode() not in emitted
    with laptop.host() as sshd:
        before = snapshot(sshd.home)
        _, planned = laptop.play(folder, "--check")
        assert planned["changed"] > 0
        assert snapshot(sshd.home) == before
        said, first = laptop.play(folder)
        assert first["failed"] == 0
        assert first["changed"] > 0
        assert snapshot(sshd.home) == wished
        _, second = laptop.play(folder)
        assert (second["changed"], second["failed"]) == (0, 0)
        assert snapshot(sshd.home) == wished
        report = laptop.remora(str(manifest))
        assert (outcomes(report), report["hosts"][0]["bytes"]) == ({"unchanged"}, 0)
    assert CANARY not in said


def test_a_new_machine_brings_itself_to_the_same_state(laptop: Laptop) -> None:
    manifest = laptop.manifest(secrets=False)
    with laptop.host() as sshd:
        laptop.remora(str(manifest))
        wished = snapshot(sshd.home)
    archive = laptop.folder / "cloud-init" / f"codex-{PLATFORM}.gz"
    folder = laptop.emit(manifest, "cloud-init", "--user", "debian", "--codex-url", archive.as_uri())
    with laptop.host() as sshd:
        said = alone(folder, sshd)
        assert snapshot(sshd.home) == wished, said
        assert "remora: changed" not in alone(folder, sshd)
        report = laptop.remora(str(manifest))
        assert (outcomes(report), report["hosts"][0]["bytes"]) == ({"unchanged"}, 0)


def test_hosts_that_differ_in_values_alone_share_a_play_and_go_side_by_side(tmp_path: Path) -> None:
    laptop = Laptop(tmp_path)
    manifest = tmp_path / "fleet.toml"
    files = 'files = [{ path = "~/name", content = "{{ alias }}" }, { path = "own", content = "{{ alias }}" }]'
    manifest.write_text(
        f'[defaults]\n{files}\nconfig.model = "{{{{ alias }}}}"\n[[hosts]]\nselect = ["one", "two"]\n'
        '[[hosts]]\nselect = ["other"]\ninstructions.content = "x"\n'
    )
    with SystemSshd(tmp_path) as one, SystemSshd(tmp_path) as two, SystemSshd(tmp_path) as other:
        hosts = {"one": one, "two": two, "other": other}
        (tmp_path / "ssh_config").write_text("".join(sshd.ssh_config(alias) for alias, sshd in hosts.items()))
        folder = laptop.emit(manifest, "ansible")
        assert re.findall(r"(?m)^  hosts: (\S+)$", (folder / "playbook.yml").read_text()) == ["play_1", "play_2"]
        laptop.play(folder)
        for alias, sshd in hosts.items():
            assert (sshd.home / "name").read_text() == alias
            assert (sshd.home / ".codex/own").read_text() == alias
            assert f'model = "{alias}"' in (sshd.home / ".codex/config.toml").read_text()
        _, second = laptop.play(folder)
        assert second["changed"] == 0
        assert outcomes(laptop.remora(str(manifest))) == {"unchanged"}


ACCOUNT = """
[[hosts]]
select = ["devbox"]
codex.version = "installed"
login = { kind = "api-key", secret = { environment = "REMORA_KEY" } }
server = { start = true, processes = 4000 }
"""


@pytest.mark.codex
def test_a_playbook_signs_in_and_starts_the_server(tmp_path: Path) -> None:
    laptop = Laptop(tmp_path)
    manifest = tmp_path / "account.toml"
    manifest.write_text(ACCOUNT)
    key = "sk-canary-5f0c2d9e7a"
    with (
        TemporaryDirectory(prefix="r-") as own,
        login_endpoint() as endpoint,
        SystemSshd(tmp_path, environment={**endpoint.environment(), "TMPDIR": own}) as sshd,
        groups_removed(sshd),
    ):
        (tmp_path / "ssh_config").write_text(sshd.ssh_config("devbox"))
        (sshd.home / ".local/bin").mkdir(parents=True)
        (sshd.home / ".local/bin/codex").symlink_to(codex_binary("0.169.0"))
        (sshd.home / ".bashrc").write_text('PATH="$HOME/.local/bin:$PATH"\n')
        endpoint.configure(sshd.home / ".codex")
        folder = laptop.emit(manifest, "ansible")
        assert "REMORA_KEY" in (folder / "inventory.yml").read_text()

        laptop.play(folder, status=2)  # nobody gave the secret
        endpoint.refuses = True
        laptop.play(folder, key=key, status=2)
        (marker,) = sshd.home.glob(".local/state/remora/*/provision")
        assert "readiness=failed" in marker.read_text()
        assert "title=sign in with an API key" in marker.read_text()
        assert not (sshd.home / ".codex/auth.json").exists()
        endpoint.refuses = False
        said, first = laptop.play(folder, key=key)
        assert first["changed"] == 4, "login, limits, server and the marker"
        assert json.loads((sshd.home / ".codex/auth.json").read_text())["OPENAI_API_KEY"] == key
        _, second = laptop.play(folder, key=key)
        assert second["changed"] == 0
        assert key not in said
        assert key not in "".join(
            path.read_text(errors="replace") for path in marker.parent.iterdir() if path.is_file()
        )
        assert outcomes(laptop.remora(str(manifest), more={"REMORA_KEY": key})) == {"unchanged"}


def test_what_a_new_machine_cannot_have_is_refused_or_said(tmp_path: Path) -> None:
    laptop = Laptop(tmp_path)
    (tmp_path / "ssh_config").write_text("Host devbox\n  HostName 127.0.0.1\n")
    refused = remora(
        *("provision", str(laptop.manifest(secrets=True)), "--emit", "cloud-init", "--output", str(tmp_path / "no")),
        *("--platform", PLATFORM, "--user", "debian", "--codex-url", "https://example.com/codex.tar.gz"),
        environment=laptop.environment,
    )
    assert refused.returncode == 3
    assert b"needs secrets" in refused.stderr
    assert not (tmp_path / "no").exists()
    manifest = tmp_path / "account.toml"
    manifest.write_text(ACCOUNT)
    report = laptop.remora(str(manifest), "--emit", "cloud-init", "--output", str(tmp_path / "yes"), "--user", "debian")
    assert any("login is left out" in notice for notice in report["notices"])
    data = (tmp_path / "yes/devbox/user-data").read_text()
    assert data.startswith("#cloud-config\n")
    assert "Login is left out" in data
    assert "readiness=failed" not in data
    document = yaml.safe_load(data)
    assert document["runcmd"] == [["su", "-", "debian", "-c", "/bin/sh /var/lib/remora/provision.sh"]]
    (written,) = document["write_files"]
    program = gzip.decompress(base64.b64decode(written["content"]))
    assert program == (tmp_path / "yes/devbox/provision.sh").read_bytes()


def test_a_new_machine_fetches_the_wheel_by_itself_and_proves_it(tmp_path: Path) -> None:
    laptop = Laptop(tmp_path)
    index, other = tmp_path / "index", tmp_path / "other"
    for folder in (index, other):
        folder.mkdir()
    make_wheel(index, VERSION, tmp_path)
    wheel = make_wheel(other, VERSION, tmp_path / "otherwise")
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("codex_cli_bin/bin/more", "not what was meant")
    manifest = tmp_path / "wheel.toml"
    path = 'path = { how = "line", allow_shell_edit = true }'
    manifest.write_text(f'[[hosts]]\nselect = ["devbox"]\n{path}\ncodex.version = "{VERSION}"\n')
    found = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index)}
    with SystemSshd(tmp_path) as sshd:
        (tmp_path / "ssh_config").write_text(sshd.ssh_config("devbox"))
        (sshd.home / "bin").mkdir()
        (sshd.home / "bin/pip3").write_text(f'#!/bin/sh\nexec {sys.executable} -m pip "$@"\n')
        (sshd.home / "bin/pip3").chmod(0o755)
        (sshd.home / ".bash_profile").write_text('PATH="$PATH:$HOME/bin"\n')
        emitted = laptop.emit(manifest, "cloud-init", "--user", "debian", more=found)
        said = alone(emitted, sshd, status=1, more={**found, "PIP_FIND_LINKS": str(other)})
        assert "its digest is another one" in said
        assert not list(sshd.home.rglob("current-*"))
        said = alone(emitted, sshd, more=found)
        assert "remora: changed: codex on the PATH" in said
        assert "# remora: codex" in (sshd.home / ".bash_profile").read_text()
        assert outcomes(laptop.remora(str(manifest), more=found)) == {"unchanged"}


def test_a_program_that_is_too_large_for_user_data_is_fetched_and_proven(tmp_path: Path) -> None:
    laptop = Laptop(tmp_path)
    manifest = tmp_path / "small.toml"
    manifest.write_text('[[hosts]]\nselect = ["devbox"]\nconfig.model = "gpt-5"\n')
    machines = tmp_path / "cloud-init"
    (tmp_path / "ssh_config").write_text("Host devbox\n  HostName 127.0.0.1\n")
    folder = laptop.emit(manifest, "cloud-init", "--user", "debian", "--program-url", machines.as_uri())
    data = (folder / "devbox/user-data").read_bytes()
    assert len(data) < 2048
    (written,) = yaml.safe_load(data)["write_files"]
    fetcher = tmp_path / "fetcher"
    fetcher.write_text(written["content"])
    program = folder / "devbox/provision.sh"
    with SystemSshd(tmp_path) as sshd:
        (tmp_path / "ssh_config").write_text(sshd.ssh_config("devbox"))
        genuine = program.read_bytes()
        program.write_bytes(genuine.replace(b"gpt-5", b"gpt-6"))
        assert "gives another program" in alone(folder, sshd, status=1, program=fetcher)
        assert not (sshd.home / ".codex").exists()
        program.write_bytes(genuine)
        assert "remora: changed: codex config.toml" in alone(folder, sshd, program=fetcher)
        assert outcomes(laptop.remora(str(manifest))) == {"unchanged"}


def test_a_notice_about_many_machines_is_said_once(tmp_path: Path) -> None:
    laptop = Laptop(tmp_path)
    (tmp_path / "ssh_config").write_text("Host ci-1 ci-2 ci-3\n  HostName 127.0.0.1\n")
    manifest = tmp_path / "account.toml"
    manifest.write_text(ACCOUNT.replace('"devbox"', '"ci-*"'))
    report = laptop.remora(str(manifest), "--emit", "cloud-init", "--output", str(tmp_path / "yes"), "--user", "debian")
    notices = report["notices"]
    assert notices
    assert all(notice.startswith("ci-1 and 2 more: ") for notice in notices), notices


def test_user_data_that_some_clouds_do_not_take_comes_compressed_too(laptop: Laptop) -> None:
    url = "https://example.com/codex.tar.gz"
    (laptop.folder / "ssh_config").write_text("Host devbox\n  HostName 127.0.0.1\n")
    folder = laptop.emit(laptop.manifest(secrets=False), "cloud-init", "--user", "debian", "--codex-url", url)
    plain, small = (folder / "devbox/user-data").read_bytes(), (folder / "devbox/user-data.gz").read_bytes()
    document = yaml.safe_load(gzip.decompress(small))
    assert document["write_files"][0]["content"].encode() == (folder / "devbox/provision.sh").read_bytes()
    assert document["runcmd"] == yaml.safe_load(plain)["runcmd"]
    assert len(small) < 0.8 * len(plain)
    again = laptop.emit(laptop.manifest(secrets=False), "cloud-init", "--user", "debian", "--codex-url", url)
    assert (again / "devbox/user-data.gz").read_bytes() == small


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
