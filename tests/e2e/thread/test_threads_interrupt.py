"""`remora threads interrupt` on hosts where no app server runs: it starts none, and looks all the same."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from uuid import uuid4

import pytest
from tests.support.base.program import remora
from tests.support.base.until import LIMIT
from tests.support.codex.binaries import NEWEST
from tests.support.codex.generations import configure, host_with
from tests.support.sshd.account_sshd import AccountSshd

from remora.core.errors import ExitCode
from remora.demo.scripted_model import ScriptedModel

pytestmark = [pytest.mark.sshd, pytest.mark.codex]


@pytest.fixture
def thread() -> str:
    """An id that no process of another test has in its environment."""
    return str(uuid4())


def left_by_a_command(thread: str) -> subprocess.Popen[bytes]:
    """A process as a command of that thread would have left it, once its own words run."""
    process = subprocess.Popen(["sleep", "600"], env={**os.environ, "CODEX_THREAD_ID": thread})
    deadline = time.monotonic() + LIMIT
    while b"sleep" not in Path(f"/proc/{process.pid}/cmdline").read_bytes():
        assert time.monotonic() < deadline
    return process


def servers(sshd: AccountSshd) -> list[str]:
    lines = (Path(f"/proc/{pid}/cmdline").read_bytes().decode() for pid in sshd.session_processes())
    return [line for line in lines if "app-server" in line]


@pytest.mark.parametrize("length", [36, 8], ids=["id", "beginning"])
def test_a_thread_is_looked_for_without_starting_a_server(thread: str, length: int, tmp_path: Path) -> None:
    words = thread[:length]
    with ScriptedModel([]) as model, host_with(NEWEST) as sshd:
        there = {"REMORA_SSH_CONFIG": configure(sshd, model, tmp_path)}
        done = remora("threads", "interrupt", f"devbox/{words}", "--json", environment=there)
        document = json.loads(done.stdout)
        assert done.returncode == ExitCode.DONE, document
        assert (document["server_runs"], document["was_active"], document["unfinished"]) == (False, False, None)
        with left_by_a_command(thread) as process:
            done = remora("threads", "interrupt", f"devbox/{words}", "--json", environment=there)
            process.send_signal(signal.SIGKILL)
        document = json.loads(done.stdout)
        assert done.returncode == ExitCode.TASK_FAILED, document
        assert [each["pid"] for each in document["still_running"]] == [process.pid]
        assert f"kill {process.pid}" in document["unfinished"]["next"]
        assert servers(sshd) == []
        assert not (sshd.home / ".codex/app-server-control").exists()


def test_a_name_that_only_a_server_knows_is_said_to_be_that(tmp_path: Path) -> None:
    with ScriptedModel([]) as model, host_with(NEWEST) as sshd:
        there = {"REMORA_SSH_CONFIG": configure(sshd, model, tmp_path)}
        done = remora("threads", "interrupt", "devbox/the release", "--json", environment=there)
        error = json.loads(done.stdout)["error"]
        assert (done.returncode, error["code"], error["host"]) == (ExitCode.APP_SERVER, "server-absent", "devbox")
        assert servers(sshd) == []


def test_a_host_without_codex_has_no_server_either(thread: str, tmp_path: Path) -> None:
    with AccountSshd("/bin/bash") as sshd:
        config = tmp_path / "config"
        config.write_text(sshd.ssh_config())
        done = remora("threads", "interrupt", f"devbox/{thread}", "--ssh-config", str(config))
        assert done.returncode == ExitCode.DONE, done.stderr
        assert b"No app server runs on devbox" in done.stdout


def test_a_server_that_serves_its_own_client_alone_is_told_as_that(thread: str, tmp_path: Path) -> None:
    with ScriptedModel([]) as model, host_with("0.120.0") as sshd:
        there = {"REMORA_SSH_CONFIG": configure(sshd, model, tmp_path)}
        done = remora("threads", "interrupt", f"devbox/{thread}", "--json", environment=there)
        error = json.loads(done.stdout)["error"]
        assert (done.returncode, error["code"]) == (ExitCode.APP_SERVER, "codex-unsupported")
        assert "only the client that started it" in error["message"]
        assert servers(sshd) == []
