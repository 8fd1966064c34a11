"""`remora provision` against a real sshd: it changes once, tells what it would do and what failed, and fits cron."""

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.support.base.program import remora
from tests.support.base.until import LIMIT, wait_until
from tests.support.sshd.system_sshd import SystemSshd

from remora.core.errors import ExitCode

pytestmark = pytest.mark.sshd

MANIFEST = """
[defaults]
variables.project = "price"
config.model = "gpt-5"
instructions = { source = "AGENTS.md", template = true }

[[defaults.files]]
path = "~/notes/{{ alias }}.txt"
content = "{{ project }}"
mode = "0600"

[[hosts]]
select = ["devbox", "gone"]
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A laptop with a manifest, and an environment as bare as cron's."""

    folder: Path
    sshd: SystemSshd
    environment: dict[str, str]

    def provision(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        """Run it on the manifest."""
        return remora("provision", str(self.folder / "box.toml"), *words, environment=self.environment)

    def report(self, *words: str) -> tuple[int, dict[str, Any]]:
        """The exit code and the one document."""
        done = self.provision("--json", *words)
        assert done.stderr == b""
        assert done.stdout.count(b"\n") == 1
        document: dict[str, Any] = json.loads(done.stdout)
        return done.returncode, document

    def contents(self) -> dict[str, bytes]:
        """Every file of the host's home."""
        home = self.sshd.home
        return {str(path.relative_to(home)): path.read_bytes() for path in home.rglob("*") if path.is_file()}

    @property
    def logs(self) -> list[Path]:
        """The logs on the laptop."""
        return sorted((self.folder / "state" / "remora" / "log" / "provision").glob("*.log"))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """devbox is a real sshd, gone is nobody."""
    (tmp_path / "box.toml").write_text(MANIFEST)
    (tmp_path / "AGENTS.md").write_text("This is {{ alias }}.\n")
    with SystemSshd(tmp_path) as sshd:
        config = tmp_path / "ssh_config"
        config.write_text(sshd.ssh_config("devbox") + "Host gone\n  HostName 127.0.0.1\n  Port 1\n")
        environment = {"REMORA_SSH_CONFIG": str(config), "XDG_STATE_HOME": str(tmp_path / "state"), "TERM": "dumb"}
        yield Place(tmp_path, sshd, environment)


def outcomes(host: dict[str, Any]) -> set[str]:
    return {step["outcome"] for step in host["steps"]}


def test_a_dry_run_changes_nothing_and_says_what_would_travel(place: Place) -> None:
    before = place.contents()
    code, plan = place.report("--dry-run", "--host", "devbox")
    assert (code, plan["dry_run"], plan["hosts"][0]["outcome"]) == (ExitCode.DONE, True, "would-change")
    sends = {step["name"]: step["bytes"] for step in plan["hosts"][0]["steps"]}
    assert sends["instructions"] == len("This is devbox.\n")
    assert place.report("--dry-run")[1]["hosts"][1]["outcome"] == "failed"
    assert place.contents() == before
    assert not list(place.sshd.home.iterdir())
    assert place.logs == []


def test_the_first_run_changes_and_the_second_changes_and_sends_nothing(place: Place) -> None:
    code, first = place.report("--host", "devbox")
    assert code == ExitCode.DONE
    assert outcomes(first["hosts"][0]) == {"changed"}
    assert first["hosts"][0]["dials"] == 1
    notes = place.sshd.home / "notes" / "devbox.txt"
    assert (notes.read_text(), stat.S_IMODE(notes.stat().st_mode)) == ("price", 0o600)
    assert (place.sshd.home / ".codex" / "AGENTS.md").read_text() == "This is devbox.\n"
    (log,) = place.logs
    assert first["hosts"][0]["log"] == str(log)
    assert stat.S_IMODE(log.stat().st_mode) == 0o600

    before = place.contents()
    code, second = place.report("--host", "devbox")
    assert code == ExitCode.DONE
    assert outcomes(second["hosts"][0]) == {"unchanged"}
    assert (second["hosts"][0]["bytes"], second["hosts"][0]["digest"]) == (0, first["hosts"][0]["digest"])
    assert place.contents() == before
    assert place.logs == [log]
    said = place.provision("--host", "devbox").stdout.decode()
    assert "devbox is as described; nothing changed, nothing was sent" in said


def test_one_host_that_is_away_does_not_stop_the_other(place: Place) -> None:
    code, report = place.report()
    assert code == report["exit_code"] == ExitCode.PARTIAL
    assert [(host["alias"], host["outcome"]) for host in report["hosts"]] == [("devbox", "changed"), ("gone", "failed")]
    gone = report["hosts"][1]
    assert gone["error"]["code"] == "connection-refused"
    assert gone["error"]["next"]
    assert outcomes(gone) == {"skipped"}
    said = place.provision("-q").stdout.decode()
    assert "✗ gone" in said.replace("x gone", "✗ gone")
    assert place.provision("--fail-fast", "--jobs", "1").returncode == ExitCode.PARTIAL


def test_a_run_that_is_interrupted_is_finished_by_the_next(place: Place) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "remora", "provision", str(place.folder / "box.toml"), "--host", "devbox"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **place.environment},
    ) as running:
        wait_until(lambda: place.sshd.accepted_logins() > 0, what="a login")
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=LIMIT)
    assert running.returncode in {ExitCode.INTERRUPTED, ExitCode.DONE}
    assert b"Traceback" not in said
    assert place.report("--host", "devbox")[0] == ExitCode.DONE
    code, last = place.report("--host", "devbox")
    assert (code, outcomes(last["hosts"][0])) == (ExitCode.DONE, {"unchanged"})


def test_two_runs_at_once_do_no_harm(place: Place) -> None:
    words = [sys.executable, "-m", "remora", "provision", str(place.folder / "box.toml"), "--host", "devbox", "--json"]
    environment = {**os.environ, **place.environment}
    running = [
        subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment) for _ in range(3)
    ]
    reports = [json.loads(process.communicate(timeout=LIMIT)[0]) for process in running]
    assert [report["exit_code"] for report in reports] == [ExitCode.DONE] * 3
    changes = [
        step["name"] for report in reports for step in report["hosts"][0]["steps"] if step["outcome"] == "changed"
    ]
    assert sorted(changes) == ["config", "file:~/notes/devbox.txt", "instructions"]
