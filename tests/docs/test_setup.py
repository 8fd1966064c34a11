"""What `scripts/setup` installs: what the demo or the tests need, and nothing that the demo does not."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.base.documents import ROOT

_NEEDED = ("bash", "cat", "cksum", "command", "dirname", "env", "id", "mkdir", "pwd", "rm", "tee", "true")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose `.venv` is filled already, on a machine that has few programs and an apt-get that only notes."""
    here = tmp_path / "checkout"
    (here / "scripts").mkdir(parents=True)
    (here / ".venv/bin").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    shutil.copy(ROOT / "scripts/setup", here / "scripts")
    shutil.copy(ROOT / "pyproject.toml", here)
    (here / ".venv/bin/python").symlink_to(sys.executable)
    state = subprocess.run(["sh", "-c", "cksum <pyproject.toml; pwd"], cwd=here, capture_output=True, check=True).stdout
    for stamp in (".setup-dev", ".setup-dev-demo"):
        (here / ".venv" / stamp).write_bytes(state)
    for name in _NEEDED:
        if found := shutil.which(name):
            (tmp_path / "bin" / name).symlink_to(found)
    for name in ("apt-get", "sudo"):
        note = tmp_path / "bin" / name
        note.write_text(f'#!/bin/sh\necho "{name} $*" >>{tmp_path}/asked\n')
        note.chmod(0o755)
    return here


def set_up(checkout: Path, *words: str) -> tuple[str, str]:
    """What it said, and what apt-get and sudo were asked for."""
    asked = checkout.parent / "asked"
    environment = {**os.environ, "PATH": str(checkout.parent / "bin")}
    done = subprocess.run(
        [checkout / "scripts/setup", *words], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stderr, asked.read_text() if asked.exists() else ""


def test_for_the_demo_only_an_ssh_client_is_installed(checkout: Path) -> None:
    said, asked = set_up(checkout, "--demo")
    assert "setup: installing openssh-client\n" in said
    assert "openssh-client" in asked
    assert not any(name in asked for name in ("openssh-server", "zsh", "fish", "npm", "tmux"))


def test_where_an_ssh_client_is_nothing_is_installed_for_the_demo(checkout: Path) -> None:
    (checkout.parent / "bin/ssh").symlink_to("/bin/true")
    assert set_up(checkout, "--demo") == ("", "")


def test_what_is_installed_for_the_tests_is_said(checkout: Path) -> None:
    said, asked = set_up(checkout)
    assert "setup: installing openssh-client" in said
    assert "npm" in said
    assert "npm" in asked
