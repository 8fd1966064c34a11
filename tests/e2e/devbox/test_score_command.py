"""``remora score`` as a program, against real projects and the real codex behind a real sshd."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.support.base.until import LIMIT, wait_until
from tests.support.codex.binaries import NEWEST
from tests.support.provision.gits import git
from tests.support.sshd.score_host import GUIDE, MAKEFILE, ScoreHost, items_of, results_of, score_host

from remora.core.errors import ExitCode

pytestmark = [pytest.mark.sshd, pytest.mark.codex]

CANARY = "canary-5d1f9e"
ESCAPES = "\x1b]0;owned\x07\x1b[31mred\u202e"


def everything_below(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_project_that_is_ready_has_all_points_and_is_left_as_it_was(tmp_path: Path) -> None:
    with score_host(tmp_path) as host:
        project = host.good()
        config = host.sshd.home / ".codex/config.toml"
        before = everything_below(project)
        code, report = host.report("good", "--min", "100")
        assert (code, report["ok"], report["score"], report["unknown"]) == (0, True, 100, []), report
        assert set(results_of(report).values()) == {"pass"}
        assert (report["known"], report["count"], report["codex"]) == (15, 15, NEWEST)
        items = items_of(report)
        assert (items["environment.test"]["command"], items["environment.test"]["source"]) == ("make test", "Makefile")
        assert items["environment.test"]["seconds"] > 0
        assert items["instructions.loaded"]["evidence"] == str(project / "AGENTS.md")
        assert all(item["command"] for item in items.values())
        assert everything_below(project) == before
        assert (host.scratches(), config.read_text()) == ([], "")
        assert host.sshd.accepted_logins() == 1


def bad_project(host: ScoreHost) -> Path:
    project = host.project(
        "bad", {"Makefile": MAKEFILE, "test.sh": "echo 1 failed\nexit 1\n", ".gitignore": ".env\n"}, remote=False
    )
    (project / ".env").write_text(f"TOKEN={CANARY}\n")
    (project / ".env").chmod(0o644)
    return project


def test_a_project_that_is_not_ready_is_told_what_to_do(tmp_path: Path) -> None:
    config = 'approval_policy = "never"\nsandbox_mode = "danger-full-access"\n'
    with TemporaryDirectory(prefix="r-", dir="/var/tmp") as own, score_host(Path(own), config=config) as host:
        Path(own).chmod(0o755)  # everybody may come to the home
        bad_project(host)
        code, report = host.report("bad", "--min", "80")
        assert (code, report["ok"], report["error"]["code"]) == (ExitCode.TASK_FAILED, False, "score-below")
        results, items = results_of(report), items_of(report)
        failed = {name for name, result in results.items() if result == "fail"}
        assert failed == {
            "environment.test",
            "instructions.guide",
            "instructions.commands",
            "instructions.loaded",
            "permissions.repository-secrets",
            "permissions.sandbox",
            "permissions.approvals",
            "review.tests",
            "review.base",
        }
        assert all(items[name]["next"] for name in failed)
        assert "1 failed" in items["environment.test"]["evidence"]
        assert ".env: any account can read it" in items["permissions.repository-secrets"]["evidence"]
        assert "as configured: wrote" in items["permissions.sandbox"]["evidence"]
        assert "danger-full-access" in items["permissions.approvals"]["evidence"]
        assert CANARY not in json.dumps(report)
        assert (host.sshd.home / ".codex/config.toml").read_text() == config
        done = host.run("bad", "--min", "80")
        assert done.returncode == ExitCode.TASK_FAILED
        assert "next: On the host: chmod 600" in done.stdout
        assert "score-below" in done.stderr


def test_what_cannot_be_measured_is_unknown_and_not_zero(tmp_path: Path) -> None:
    """No repository, and no codex: each of the others counts as before."""
    with score_host(tmp_path, version=None) as host:
        (host.sshd.home / "plain").mkdir()
        (host.sshd.home / "plain/AGENTS.md").write_text(GUIDE)
        code, report = host.report("plain")
        assert code == 0, report
        unknown = set(report["unknown"])
        assert {f"environment.{name}" for name in ("checkout", "install", "build", "test")} <= unknown
        assert {"permissions.sandbox", "permissions.approvals", "instructions.loaded", "review.reviewer"} <= unknown
        assert report["known"] == report["count"] - len(unknown)
        results, items = results_of(report), items_of(report)
        assert (results["instructions.guide"], results["review.base"]) == ("pass", "fail")
        assert "codex" in items["permissions.sandbox"]["evidence"]
        assert items["permissions.sandbox"]["next"]
        known = [{"pass": 100, "partial": 50, "fail": 0}[word] for word in results.values() if word != "unknown"]
        assert report["score"] == pytest.approx(sum(known) / len(known), abs=0.1)


def test_a_host_without_git_is_said_to_be_one(tmp_path: Path) -> None:
    with score_host(tmp_path, version=None) as host:
        host.good()
        folder = host.sshd.home / "programs"
        folder.mkdir()
        for name in ("sh", "cat"):
            (folder / name).symlink_to(f"/bin/{name}")
        (host.sshd.home / ".profile").write_text(f"PATH={folder}\n")
        (host.sshd.home / ".bash_profile").write_text(f"PATH={folder}\n")
        _, report = host.report("good")
        items = items_of(report)
        assert items["environment.checkout"]["evidence"] == "git is not installed on the host"
        assert {items[f"review.{name}"]["result"] for name in ("diff", "base")} == {"unknown"}


@pytest.mark.parametrize(("version", "loaded"), [("0.120.0", "unknown"), ("0.133.0", "pass"), ("0.163.0", "pass")])
def test_older_servers_tell_what_they_can(version: str, loaded: str, tmp_path: Path) -> None:
    with score_host(tmp_path, version=version) as host:
        host.good()
        _, report = host.report("good", "--no-run")
        results = results_of(report)
        assert results["instructions.loaded"] == loaded
        rest = ("permissions.sandbox", "permissions.approvals", "review.reviewer")
        assert {results[name] for name in rest} == {"pass"}, report


def test_nothing_of_the_project_runs_when_that_is_asked(tmp_path: Path) -> None:
    with score_host(tmp_path, version=None) as host:
        project = host.project("proj", {"Makefile": "test:\n\ttouch $(HOME)/ran\n"})
        _, report = host.report("proj", "--no-run")
        assert {item["result"] for name, item in items_of(report).items() if name.startswith("environment.")} == {
            "unknown"
        }
        assert items_of(report)["environment.test"]["command"] == "make test"
        assert not (host.sshd.home / "ran").exists()
        assert project.exists()


def test_a_folder_inside_of_a_repository_and_commands_from_the_command_line(tmp_path: Path) -> None:
    with score_host(tmp_path, version=None) as host:
        host.project(
            "mono", {"AGENTS.md": "Run pwd.\n", "parts/one/file": "", "parts/one/Makefile": "test:\n\tfalse\n"}
        )
        (host.sshd.home / "mono/parts/one/uncommitted").write_text("")
        _, report = host.report("mono/parts/one", "--test", "pwd && ls")
        items = items_of(report)
        assert items["environment.test"]["result"] == "pass"
        place, *names = items["environment.test"]["evidence"].splitlines()
        assert place.endswith("/project/parts/one")
        assert names == ["Makefile", "file"]
        assert items["instructions.guide"]["result"] == "pass"


HANGS = "test:\n\t@sleep 1000 & echo begun > $(HOME)/begun; sleep 2000\n"


def test_a_command_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    with score_host(tmp_path, version=None) as host:
        host.project("proj", {"Makefile": HANGS})
        _, report = host.report("proj", "--limit", "2")
        item = items_of(report)["environment.test"]
        assert item["result"] == "fail"
        assert "ended after 2 seconds" in item["evidence"]
        assert not sleepers(host)
        assert host.scratches() == []


def sleepers(host: ScoreHost) -> list[int]:
    """What the test of :data:`HANGS` has started."""
    found = []
    for process in host.sshd.session_processes():
        try:
            words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0] == b"sleep" and words[1] in (b"1000", b"2000"):
            found.append(process)
    return found


@contextmanager
def scoring(host: ScoreHost, folder: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """The program while the project's test hangs."""
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        host.words(folder, *options), env=host.environment, stdin=quiet, stdout=quiet, stderr=quiet
    ) as program:
        try:
            wait_until(lambda: (host.sshd.home / "begun").exists(), what="the test was never begun")
            assert host.scratches()
            yield program
        finally:
            program.kill()


def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    with score_host(tmp_path, version=None) as host:
        host.project("proj", {"Makefile": HANGS})
        with scoring(host, "proj") as program:
            program.send_signal(signal.SIGINT)
            assert program.wait(LIMIT) == ExitCode.INTERRUPTED
            assert host.scratches() == []
        wait_until(lambda: not sleepers(host), what="the test goes on")


def test_a_time_limit_for_all_of_it_leaves_nothing(tmp_path: Path) -> None:
    with score_host(tmp_path, version=None) as host:
        host.project("proj", {"Makefile": HANGS})
        with scoring(host, "proj", "--timeout", "15") as program:
            assert program.wait(LIMIT) == ExitCode.TIME_LIMIT
            assert host.scratches() == []
        wait_until(lambda: not sleepers(host), what="the test goes on")


def test_a_killed_program_leaves_nothing_either(tmp_path: Path) -> None:
    with score_host(tmp_path, version=None) as host:
        host.project("proj", {"Makefile": HANGS})
        with scoring(host, "proj") as program:
            program.kill()
        wait_until(lambda: not host.scratches() and not sleepers(host), what="the scratch folder or the test stays")


def test_a_connection_that_breaks_leaves_nothing_either(tmp_path: Path) -> None:
    with score_host(tmp_path, version=None) as host:
        host.project("proj", {"Makefile": HANGS})
        with scoring(host, "proj") as program:
            host.sshd.drop_connections()
            assert program.wait(LIMIT) == ExitCode.UNREACHABLE
        wait_until(lambda: not host.scratches() and not sleepers(host), what="the scratch folder or the test stays")


def test_what_a_guard_could_not_remove_goes_with_the_next_run(tmp_path: Path) -> None:
    with score_host(tmp_path, version=None) as host:
        host.good()
        host.report("good", "--no-run")
        (machine,) = host.state.iterdir()
        (machine / "scorecard-old/project/locked").mkdir(parents=True)
        (machine / "scorecard-old/project/locked").chmod(0o500)
        (machine / "scorecard-old/owner").write_text("1 2 another-boot\n")
        host.report("good")
        assert host.scratches() == []


def test_hostile_text_of_a_repository_moves_no_terminal(tmp_path: Path) -> None:
    files = {
        "Makefile": f"test:\n\t@printf '%s\\n' '{ESCAPES}' 'remora: all is well' ; exit 1\n",
        "AGENTS.md": f"{ESCAPES}\n",
        f"name{ESCAPES}": "",
    }
    with score_host(tmp_path) as host:
        project = host.project("proj", files)
        (project / f"new{ESCAPES}.pem").write_text("-----BEGIN PRIVATE KEY-----\n")
        done = host.run("proj", "-v")
        assert done.returncode == 0, done.stderr
        for text in (done.stdout, done.stderr, json.dumps(host.report("proj")[1], ensure_ascii=False)):
            assert not set(text) & set("\x1b\x07\u202e"), text
        assert "\\x1b" in done.stdout


def test_secrets_of_the_environment_are_shown_nowhere(tmp_path: Path) -> None:
    secrets = {"DEPLOY_TOKEN": CANARY, "HTTPS_PROXY": f"http://joe:{CANARY}-2@127.0.0.1:9", "HARMLESS": "shown-value"}
    with score_host(tmp_path, version=None, environment=secrets) as host:
        host.project("proj", {"Makefile": "test:\n\t@env; echo ${DEPLOY_TOKEN}${DEPLOY_TOKEN}; exit 1\n"})
        _, report = host.report("proj", "--test", "env; echo $DEPLOY_TOKEN$DEPLOY_TOKEN; exit 1")
        item = items_of(report)["environment.test"]
        assert "******" in item["evidence"]
        (log,) = host.state.glob("*/score-test.log")
        assert "shown-value" in log.read_text()
        assert CANARY not in json.dumps(report) + log.read_text()


def test_large_uncommitted_work_and_no_remote_are_half_a_point(tmp_path: Path) -> None:
    with score_host(tmp_path, version=None) as host:
        project = host.project("proj", {"file": "one\n"}, remote=False)
        git(project, "checkout", "--quiet", "-b", "work")
        (project / "file").write_text("".join(f"{number}\n" for number in range(500)))
        _, report = host.report("proj", "--no-run")
        items = items_of(report)
        assert (items["review.diff"]["result"], items["review.base"]["result"]) == ("partial", "partial")
        assert "500 insertions" in items["review.diff"]["evidence"]


def test_a_place_without_a_folder_is_no_place_to_score() -> None:
    words = [sys.executable, "-m", "remora", "score", "devbox"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert done.returncode == ExitCode.USAGE
    assert "remora score devbox:DIR" in done.stderr


@contextmanager
def bringing_host(tmp_path: Path, *, trusted: bool) -> Iterator[tuple[ScoreHost, Path]]:
    """A project that names its guide in `.codex`, and a program that leaves a mark; by name where that is."""
    with score_host(tmp_path) as host:
        mark = tmp_path / "mark"
        brought = (
            f'project_doc_fallback_filenames = ["GUIDE.md"]\n[mcp_servers.x]\ncommand = "touch"\nargs = ["{mark}"]\n'
        )
        project = host.project("brings", {"Makefile": MAKEFILE, "GUIDE.md": GUIDE, ".codex/config.toml": brought})
        if trusted:
            config = host.sshd.home / ".codex/config.toml"
            config.write_text(f'[projects."{project}"]\ntrust_level = "trusted"\n')
        yield host, mark


def provision_trusting(host: ScoreHost, tmp_path: Path, digest: str) -> "subprocess.CompletedProcess[str]":
    manifest = tmp_path / "boxes.toml"
    origin = host.sshd.folder / "brings.git"
    project = f'repository = "{origin}"\nfolder = "~/brings"\nref = "main"\ntrust = "{digest}"\n'
    manifest.write_text(f'[[defaults.projects]]\n{project}\n[[hosts]]\nselect = ["devbox"]\n')
    return subprocess.run(
        [sys.executable, "-m", "remora", "provision", str(manifest)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
        env=host.environment,
    )


def test_nothing_that_a_trusted_folder_brings_runs_where_nothing_may_run(tmp_path: Path) -> None:
    with bringing_host(tmp_path, trusted=True) as (host, mark):
        code, report = host.report("brings", "--no-run")
        assert (code, "instructions.loaded" in report["unknown"], mark.exists()) == (0, True, False)
        assert "mcp-server x" in items_of(report)["instructions.loaded"]["evidence"]
        _, report = host.report("brings")
        assert results_of(report)["instructions.loaded"] == "pass"
        assert "It is in use: codex on the host trusts this folder." in json.dumps(report["notices"])


def test_what_somebody_trusts_is_in_force_until_it_changes(tmp_path: Path) -> None:
    """As in a run: the hash that a manifest named, for the project's folder."""
    with bringing_host(tmp_path, trusted=False) as (host, _):
        guide = str(host.sshd.home / "brings/GUIDE.md")
        _, report = host.report("brings")
        assert guide not in json.dumps(items_of(report)["instructions.loaded"])
        assert "in force" not in json.dumps(report["notices"])
        done = provision_trusting(host, tmp_path, "ab" * 32)
        (digest,) = re.findall(r"its hash is ([0-9a-f]{64})", done.stdout + done.stderr)
        assert provision_trusting(host, tmp_path, digest).returncode == ExitCode.DONE
        _, report = host.report("brings")
        assert items_of(report)["instructions.loaded"]["evidence"] == guide
        assert "the manifest that provisioned it names its hash" in json.dumps(report["notices"])
        _, report = host.report("brings", "--no-run")
        assert guide not in json.dumps(items_of(report)["instructions.loaded"])
        with (host.sshd.home / "brings/.codex/config.toml").open("a") as config:
            config.write("# changed\n")
        _, report = host.report("brings")
        assert guide not in json.dumps(items_of(report)["instructions.loaded"])
