"""Accounts whose environment, start-up files, git or files are odd: provisioned all the same, and only once."""

import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.base.required import missing
from tests.support.base.until import wait_until
from tests.support.codex.launch_words import connected, nonce
from tests.support.provision.gits import commit, new_repository
from tests.support.provision.provision_bench import provision
from tests.support.sshd.account_sshd import ORDINARY_ID, AccountSshd

from remora.adapters.machine.system_clock import SystemClock
from remora.core.errors import Code
from remora.core.server.probes import FolderState
from remora.core.settings import DEFAULT_LIMITS, Limits
from remora.flows.provision.steps.codex import CodexStep
from remora.flows.provision.steps.config import ConfigStep
from remora.flows.provision.steps.file import FileStep
from remora.flows.provision.steps.path import PathStep
from remora.flows.provision.steps.project import SetupStep
from remora.flows.provision.steps.repository import RepositoryStep
from remora.flows.provision.steps.step import Step
from remora.flows.server.shell import ProbeRequest, open_shell
from remora.testing.memory_packages import MemoryPackages
from remora.testing.memory_secrets import MemorySecrets
from remora.wire.manifest.document import CodexTable, PathTable, ProjectTable
from remora.wire.reports.provision import HostProvision

pytestmark = [pytest.mark.sshd, pytest.mark.shells]

CODEX = CodexTable(version="0.10.0")
NOTE = FileStep("~/notes/one.txt", b"one\n", "0600")


def codex_step() -> CodexStep:
    program = Path(shutil.which("true") or missing("true is not installed")).read_bytes()
    return CodexStep(CODEX, MemoryPackages({"0.10.0": {"bin/codex": program}}))


def start_up(sshd: AccountSshd, text: str, *, file: str = ".profile") -> None:
    (sshd.home / file).write_text(text)


def assert_provisioned_once(sshd: AccountSshd, *steps: Step, begins: str = "changed") -> None:
    """The first run does something to every step, and the second finds nothing to do."""
    first = brought(sshd, *steps)
    assert [(step.outcome, step.error) for step in first.steps] == [(begins, None)] * len(steps)
    second = brought(sshd, *steps)
    assert [(step.outcome, step.error) for step in second.steps] == [("unchanged", None)] * len(steps)


def brought(sshd: AccountSshd, *steps: Step) -> HostProvision:
    return run(provision(sshd, steps, limits=Limits(provision_retries=1)))


# -- the machine


@pytest.mark.parametrize(
    ("hidden", "named"),
    [(("stat", "od"), "od, stat"), (("awk",), "awk"), (("sha256sum", "openssl", "shasum"), "sha256sum")],
)
def test_f41_a_host_without_the_programs_that_all_needs_is_told_which(hidden: Sequence[str], named: str) -> None:
    found = [place for name in hidden if (place := shutil.which(name)) is not None]
    with AccountSshd("/bin/bash", hidden=found) as sshd:
        host = brought(sshd, codex_step(), NOTE)
        assert host.error is not None
        assert host.error.code == Code.TOOL_MISSING
        assert f": {named}." in host.error.message
        assert [step.outcome for step in host.steps] == ["skipped", "skipped"]
        assert os.listdir(sshd.home) == []  # noqa: PTH208


@pytest.mark.parametrize("home", ["it's my $HOME `x` h\u00f6me", "h*[a]?", "-rf", "a\\nb"])
def test_f37_a_home_may_have_any_name(home: str) -> None:
    with AccountSshd("/bin/bash", home=home) as sshd:
        start_up(sshd, "PATH=$HOME/bin:$PATH\n")
        steps = codex_step(), PathStep(CODEX, PathTable()), ConfigStep({"model": "gpt-5"}), NOTE
        assert_provisioned_once(sshd, *steps)


# -- the environment


@pytest.mark.parametrize("name", ["TMPDIR", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"])
@pytest.mark.parametrize("value", ["~/not expanded", "relative"])
def test_f37_a_folder_that_is_not_named_from_the_root_on_counts_for_nothing(name: str, value: str) -> None:
    with AccountSshd("/bin/bash", environment={"XDG_RUNTIME_DIR": ""}) as sshd:
        start_up(sshd, f"export {name}='{value}'\n")
        assert_provisioned_once(sshd, NOTE)
        assert sorted(os.listdir(sshd.home)) == [".local", ".profile", "notes"]  # noqa: PTH208


def test_f37_the_folder_of_an_account_that_is_not_there_is_missing() -> None:
    async def work(sshd: AccountSshd) -> FolderState:
        async with (
            connected(sshd) as host,
            open_shell(host, clock=SystemClock(), limits=DEFAULT_LIMITS, nonce=nonce) as shell,
        ):
            return (await shell.probe(ProbeRequest(folder="~nobody-of-that-name/src"))).folder.state

    with AccountSshd("/bin/bash") as sshd:
        assert run(work(sshd)) is FolderState.MISSING


def test_f30_variables_that_change_what_programs_do_change_nothing() -> None:
    with AccountSshd("/bin/bash") as sshd:
        start_up(
            sshd,
            "export POSIXLY_CORRECT=1 GREP_OPTIONS=--color=always QUOTING_STYLE=c BLOCK_SIZE=1G TIME_STYLE=iso\n"
            "export CDPATH=.:/tmp ENV=$HOME/.env BASH_ENV=$HOME/.env IFS=/ LC_ALL=de_DE.UTF-8\numask 777\n",
        )
        start_up(sshd, "echo noise\n", file=".env")
        assert_provisioned_once(sshd, codex_step(), NOTE)


@pytest.mark.parametrize("file", [".bashrc", ".profile"])
def test_f29_where_sh_is_bash_the_options_and_functions_of_start_up_files_are_not_ours(file: str) -> None:
    with AccountSshd("/bin/bash", sh="/bin/bash") as sshd:
        functions = "".join(
            f"{name}() {{ echo not this {name}; }}; export -f {name}\n" for name in ("rm", "cd", "printf")
        )
        start_up(sshd, f"{functions}set -o noclobber -o nounset -f; export SHELLOPTS\n", file=file)
        assert_provisioned_once(sshd, codex_step(), NOTE)


def test_f47_where_sh_is_bash_a_set_up_may_take_longer_than_tmout(tmp_path: Path) -> None:
    project = ProjectTable(repository=str(new_repository(tmp_path / "origin")), folder="~/src/app", setup="sleep 3")
    with AccountSshd("/bin/bash", sh="/bin/bash") as sshd:
        start_up(sshd, "TMOUT=1; readonly TMOUT; export TMOUT\n")
        assert_provisioned_once(sshd, RepositoryStep(project), SetupStep(project, MemorySecrets("")))


@pytest.mark.parametrize(
    "mention", ["# ~/.local/bin", "[ ! -d ~/.local/bin ] || PATH=~/.local/bin:$PATH\nPATH=/usr/bin:/bin"]
)
def test_f40_a_start_up_file_that_only_speaks_of_the_folder_gets_its_line_in_the_same_run(mention: str) -> None:
    with AccountSshd("/bin/bash") as sshd:
        start_up(sshd, f"{mention}\n")
        assert_provisioned_once(sshd, codex_step(), PathStep(CODEX, PathTable(allow_shell_edit=True)))
        assert (sshd.home / ".profile").read_text().count("# remora: codex") == 1


def test_f40_a_wrapper_that_leaves_something_in_the_background_keeps_nobody_waiting() -> None:
    with AccountSshd("/bin/bash") as sshd:
        wrapper = sshd.home / "bin/codex"
        wrapper.parent.mkdir()
        wrapper.write_text("#!/bin/sh\nsleep 1000 &\necho codex-cli 0.10.0\n")
        wrapper.chmod(0o755)
        start_up(sshd, "PATH=$HOME/bin:$PATH\n")
        installed = CodexStep(CodexTable(version="installed"), MemoryPackages({}))
        assert_provisioned_once(sshd, installed, begins="unchanged")
        wait_until(lambda: not sshd.session_processes(), what="all that it started to be gone")


# -- git


@contextmanager
def closed_origin() -> Iterator[str]:
    """An origin that wants a password."""

    class Closed(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_request(self, *about: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Closed) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/app.git"
        finally:
            server.shutdown()
            serving.join()


def test_f47_git_asks_nobody_through_a_program_of_its_configuration() -> None:
    with closed_origin() as origin, AccountSshd("/bin/bash") as sshd:
        start_up(sshd, f"[core]\n\taskPass = {sshd.home}/ask\n", file=".gitconfig")
        start_up(sshd, f"#!/bin/sh\ntouch {sshd.home}/asked\nexec sleep 1000\n", file="ask")
        (sshd.home / "ask").chmod(0o755)
        (step,) = brought(sshd, RepositoryStep(ProjectTable(repository=origin, folder="~/app"))).steps
        assert step.error is not None
        assert step.error.code == Code.REPOSITORY_FAILED
        assert "terminal prompts disabled" in (step.error.seen or "")
        assert not (sshd.home / "asked").exists()


@pytest.mark.parametrize("how", ["traces", "warnings"])
def test_f47_what_git_says_beside_its_answers_is_no_work_of_somebody(how: str, tmp_path: Path) -> None:
    origin = new_repository(tmp_path / "origin")
    with AccountSshd("/bin/bash") as sshd:
        if how == "traces":
            start_up(sshd, "export GIT_TRACE=1\n")
        else:
            (sshd.home / ".config/git/attributes").mkdir(parents=True)
            start_up(sshd, "[trace2]\n\tnormalTarget = 1\n", file=".gitconfig")
        step = RepositoryStep(ProjectTable(repository=str(origin), folder="~/app", ref="main"))
        assert_provisioned_once(sshd, step)
        newest = commit(origin, "README", "second")
        after = brought(sshd, step).steps[0]
        assert (after.outcome, after.error, after.notices) == ("changed", None, [])
        assert newest[:10] in (sshd.home / "app/.git/refs/heads/main").read_text()


# -- files


@pytest.mark.skipif(os.getuid() != 0, reason="an account that exists here only")
def test_f47_an_ordinary_account_writes_files_that_nobody_may_write() -> None:
    with AccountSshd("/bin/bash", ordinary=True) as sshd:
        config = sshd.home / ".codex/config.toml"
        config.parent.mkdir()
        config.write_text("[features]\n")
        config.chmod(0o400)
        for path in (config, config.parent):
            os.chown(path, ORDINARY_ID, ORDINARY_ID)
        assert_provisioned_once(sshd, ConfigStep({"model": "gpt-5"}), FileStep("~/key", b"content\n", "0400"))
        assert config.stat().st_mode & 0o777 == (sshd.home / "key").stat().st_mode & 0o777 == 0o400
        (sshd.home / "key").chmod(0o600)
        (sshd.home / "key").write_text("other\n")
        assert brought(sshd, FileStep("~/key", b"content\n", "0400")).outcome == "changed"


@pytest.mark.parametrize("leads_to", ["dotfiles/agents/AGENTS.md", "../later/AGENTS.md"])
def test_f47_a_link_whose_folders_are_not_there_yet_stays_a_link(leads_to: str) -> None:
    with AccountSshd("/bin/bash") as sshd:
        (sshd.home / ".codex").mkdir()
        link = sshd.home / ".codex/AGENTS.md"
        link.symlink_to(leads_to)
        assert_provisioned_once(sshd, FileStep("AGENTS.md", b"Be brief.\n", "0644"))
        assert link.is_symlink()
        assert link.read_text() == "Be brief.\n"
