"""A host to be scored: a real sshd with the real codex, and small projects on it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.support.base.until import LIMIT
from tests.support.codex.binaries import NEWEST, codex_binary
from tests.support.provision.gits import git
from tests.support.sshd.system_sshd import SystemSshd

MAKEFILE = "setup:\n\t@echo nothing to fetch\nbuild:\n\t@echo built > out.txt\ntest:\n\t@sh test.sh\n"
GUIDE = "# For agents\n\nRun `make setup` once, then `make build` and `make test`.\n"


@dataclass(frozen=True, slots=True)
class ScoreHost:
    """One host, and the program that scores it."""

    sshd: SystemSshd
    environment: dict[str, str]

    def words(self, folder: str, *options: str) -> list[str]:
        """The command line."""
        return [sys.executable, "-m", "remora", "score", f"devbox:{folder}", *options]

    def run(self, folder: str, *options: str) -> "subprocess.CompletedProcess[str]":
        """The program, run to its end without a terminal."""
        return subprocess.run(
            self.words(folder, *options),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
            env=self.environment,
        )

    def report(self, folder: str, *options: str) -> tuple[int, dict[str, Any]]:
        """The exit code and the one document."""
        done = self.run(folder, "--json", *options)
        assert done.stdout, done.stderr
        document = json.loads(done.stdout)
        assert document["kind"] == "score", document
        return done.returncode, document

    @property
    def state(self) -> Path:
        """Our folder on the host."""
        return self.sshd.home / ".local/state/remora"

    def scratches(self) -> list[Path]:
        """Scratch folders that are there now."""
        return list(self.state.glob("*/scorecard-*"))

    def project(self, name: str, files: Mapping[str, str], *, remote: bool = True) -> Path:
        """A repository with one commit of `files`, which another one has, too."""
        folder = self.sshd.home / name
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(content)
        git(folder, "init", "--quiet")
        git(folder, "add", "--all")
        git(folder, "commit", "--quiet", "-m", "all of it")
        if remote:
            git(folder, "clone", "--quiet", "--bare", str(folder), str(self.sshd.folder / f"{name}.git"))
            git(folder, "remote", "add", "origin", str(self.sshd.folder / f"{name}.git"))
            git(folder, "fetch", "--quiet", "origin")
            git(folder, "branch", "--quiet", "--set-upstream-to", "origin/main")
        return folder

    def good(self, name: str = "good") -> Path:
        """A project that is ready."""
        files = {"Makefile": MAKEFILE, "test.sh": "grep -q built out.txt && echo 3 passed\n", "AGENTS.md": GUIDE}
        return self.project(name, {**files, ".gitignore": "out.txt\n"})


@contextmanager
def score_host(
    folder: Path,
    *,
    version: str | None = NEWEST,
    config: str = "",
    options: tuple[str, ...] = ("MaxSessions 1",),
    environment: Mapping[str, str] | None = None,
) -> Iterator[ScoreHost]:
    """A host with that codex (`None`: none), configured so."""
    with TemporaryDirectory(prefix="r-") as own:
        variables = {"XDG_RUNTIME_DIR": own, "TMPDIR": own, "GIT_CONFIG_GLOBAL": "/dev/null", **(environment or {})}
        with SystemSshd(folder, options=options, environment=variables) as sshd:
            if version is not None:
                codex = sshd.home / ".local/bin/codex"
                codex.parent.mkdir(parents=True)
                codex.symlink_to(codex_binary(version))
                (sshd.home / ".codex").mkdir(mode=0o700)
                (sshd.home / ".codex/config.toml").write_text(config)
            ssh_config = folder / "config"
            ssh_config.write_text(sshd.ssh_config())
            yield ScoreHost(sshd, {**os.environ, "REMORA_SSH_CONFIG": str(ssh_config)})


def items_of(report: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Items by ``group.name``."""
    return {f"{group['name']}.{item['name']}": item for group in report["groups"] for item in group["items"]}


def results_of(report: Mapping[str, Any]) -> dict[str, str]:
    """What became of each item."""
    return {name: item["result"] for name, item in items_of(report).items()}
