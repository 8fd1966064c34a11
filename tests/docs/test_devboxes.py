"""The cookbook's devboxes, provisioned for real: one VM, a fleet, a box that gives a patch back."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.base.documents import ROOT, blocks, commands, outcome, section
from tests.support.base.loop import run
from tests.support.link.hubs import hub_place

from remora.core.errors import ExitCode
from remora.demo.embedded_host import embedded_host
from remora.demo.scripted_model import Patch, RunCommand, Say, ScriptedModel, Step

PAGE = section((ROOT / "docs" / "scripting.md").read_text(), "Devboxes")
SAMPLE = ROOT / "src" / "remora" / "demo" / "sample"
LIMIT = 110.0
FIX: Sequence[Step] = (
    RunCommand("sh test.sh"),
    Patch(
        """\
*** Begin Patch
*** Update File: price.sh
@@
-if [ "$quantity" -gt 10 ]; then
+if [ "$quantity" -ge 10 ]; then
*** Add File: NOTES.md
+Ten pieces count as ten pieces or more.
*** End Patch"""
    ),
    RunCommand("sh test.sh"),
    Say("Fixed."),
)


@dataclass(frozen=True, slots=True)
class Boxes:
    """Where the cookbook is followed: a folder with its manifests, and how programs are started there."""

    folder: Path
    home: Path
    environment: dict[str, str]

    async def follow(self, command: str) -> None:
        """Run one command line of the page."""
        code, written = await outcome(["bash", "-o", "pipefail", "-c", command], self.folder, self.environment)
        assert code == ExitCode.DONE, f"{command}\n{written}"

    def document(self, name: str) -> dict[str, object]:
        """A JSON document that a command wrote."""
        document: dict[str, object] = json.loads((self.folder / name).read_text())
        return document


@asynccontextmanager
async def boxes(folder: Path, *aliases: str) -> AsyncIterator[Boxes]:
    """One host without codex, under several names, and ci-gone, where nobody answers.

    The model that codex will ask there is scripted, and its address is in the host's image, as it were.
    """
    with ScriptedModel(FIX) as model:
        async with embedded_host() as host:
            model.furnish(host.home / ".codex", "")
            # As Debian and Ubuntu give every account.
            (host.home / ".profile").write_text('[ ! -d "$HOME/.local/bin" ] || PATH="$HOME/.local/bin:$PATH"\n')
            known = host.ssh_config.read_text().replace("Host demo", f"Host {' '.join(aliases)}", 1)
            gone = "Host ci-gone\n  HostName 127.0.0.1\n  Port 1\n"
            (folder / "ssh_config").write_text(gone + known)
            path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
            config = str(folder / "ssh_config")
            with hub_place(REMORA_SSH_CONFIG=config, PATH=path, PYTHONPATH=str(ROOT / "src")) as place:
                yield Boxes(folder, host.home, {**os.environ, **place.environment})


def git(*words: str, folder: Path) -> str:
    """One git command, by nobody in particular."""
    author = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org"]
    return subprocess.run(["git", *author, *words], cwd=folder, check=True, capture_output=True, text=True).stdout


def make_repository(folder: Path) -> Path:
    """A repository with the failing project on main, and a pull request."""
    folder.mkdir()
    for file in SAMPLE.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    git("init", "--quiet", "--initial-branch=main", folder=folder)
    git("add", ".", folder=folder)
    git("commit", "--quiet", "-m", "The project", folder=folder)
    git("update-ref", REF, "HEAD", folder=folder)
    return folder


REF = "refs/pull/42/head"


@pytest.mark.codex
def test_one_vm_is_ready_after_one_command(tmp_path: Path) -> None:
    async def go() -> None:
        async with boxes(tmp_path, "devbox") as place:
            for command in [line for line in commands(PAGE) if "devbox" in line]:
                await place.follow(command)
            assert place.document("check.json")["ok"] is True

    run(go(), limit=LIMIT)


@pytest.mark.codex
def test_a_fleet_is_provisioned_and_what_failed_is_told(tmp_path: Path) -> None:
    async def go() -> None:
        (tmp_path / "fleet.toml").write_text(blocks(PAGE, "toml")[0])
        async with boxes(tmp_path, "ci-1") as place:
            for command in [line for line in commands(PAGE) if ".json" in line and "devbox" not in line]:
                await place.follow(command)
            plan, report = place.document("plan.json"), place.document("fleet.json")
            assert (plan["dry_run"], report["exit_code"]) == (True, ExitCode.PARTIAL)
            outcomes = {host["alias"]: host["outcome"] for host in report["hosts"]}  # type: ignore[attr-defined]
            assert outcomes == {"ci-gone": "failed", "ci-1": "changed"}
            assert (place.home / ".codex" / "AGENTS.md").read_text().startswith("You work on ci-1")

    run(go(), limit=LIMIT)


@pytest.mark.codex
def test_a_box_for_a_pull_request_gives_its_patch_back(tmp_path: Path) -> None:
    async def go() -> None:
        manifest = blocks(PAGE, "toml")[1].replace("https://github.com/example/price.git", f"file://{repository}")
        assert f"file://{repository}" in manifest
        (tmp_path / "pull-request.toml").write_text(manifest)
        (tmp_path / "pull-request.sh").write_text(blocks(PAGE, "sh")[0])
        async with boxes(tmp_path, "pr-42") as place:
            (command,) = [line for line in commands(PAGE) if "pull-request.sh" in line]
            await place.follow(command)
        assert '+if [ "$quantity" -ge 10 ]; then' in (tmp_path / "pr-42.patch").read_text()

    repository = make_repository(tmp_path / "origin")
    run(go(), limit=LIMIT)
    git("apply", "../pr-42.patch", folder=repository)
    assert subprocess.run(["sh", "test.sh"], cwd=repository, check=False).returncode == 0
    assert (repository / "NOTES.md").exists()
