"""Projects on a real sshd: repositories that lose no work, set-up scripts that run once, and smoke tests."""

import asyncio
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from tests.support.gits import commit, git, new_repository
from tests.support.loop import run
from tests.support.provisioning import provision
from tests.support.system_sshd import SystemSshd

from remora.core.errors import Code
from remora.core.provisioning import Finding
from remora.core.secrets import Secret
from remora.core.settings import Limits
from remora.flows.provision.step import Step, Tell, Workbench
from remora.flows.provision.steps.config import ConfigStep
from remora.flows.provision.steps.file import FileStep
from remora.flows.provision.steps.project import SetupStep, SmokeStep
from remora.flows.provision.steps.repository import RepositoryStep
from remora.wire.manifest import ProjectTable, SecretSource
from remora.wire.reports.provision import HostProvision, ProvisionProgress, StepBody, StepMoved

_CANARY = 'canary-7f3a \' "$HOME"\nsecond line'
_QUICK = Limits(provision_retries=1)


class Secrets:
    """A :class:`remora.ports.SecretReader` that knows one secret."""

    def __init__(self) -> None:
        self.read_times = 0

    async def read(self, *, environment: str | None, file: str | None, command: Sequence[str] | None) -> Secret:
        self.read_times += 1
        return Secret(_CANARY)


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[SystemSshd]:
    state = {"XDG_RUNTIME_DIR": str(tmp_path), "GIT_CONFIG_GLOBAL": "/dev/null", "LC_ALL": "C.UTF-8"}
    with SystemSshd(tmp_path, options=["MaxSessions 1"], environment=state) as server:
        yield server


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    return new_repository(tmp_path / "origin")


def project(origin: Path, **changes: object) -> ProjectTable:
    fields: dict[str, object] = {"repository": str(origin), "folder": "~/src/app", "ref": "main", **changes}
    return ProjectTable(**fields)  # type: ignore[arg-type]


def steps_of(table: ProjectTable, secrets: Secrets | None = None) -> list[Step]:
    steps: list[Step] = [RepositoryStep(table)]
    if table.setup is not None:
        steps.append(SetupStep(table, secrets or Secrets()))
    if table.smoke is not None:
        steps.append(SmokeStep(table))
    return steps


def provisioned(
    sshd: SystemSshd, table: ProjectTable, *, progress: list[ProvisionProgress] | None = None, dry_run: bool = False
) -> HostProvision:
    return run(provision(sshd, steps_of(table), limits=_QUICK, progress=progress, dry_run=dry_run))


def outcomes(host: HostProvision) -> list[str]:
    return [step.outcome for step in host.steps]


def failed_step(host: HostProvision, code: Code) -> StepBody:
    failed = next(step for step in host.steps if step.outcome == "failed")
    assert failed.error is not None
    assert failed.error.code == code, failed.error
    return failed


def tree(sshd: SystemSshd) -> Path:
    return sshd.home / "src/app"


def head(sshd: SystemSshd) -> str:
    return git(tree(sshd), "rev-parse", "HEAD")


@pytest.mark.parametrize("ref", ["main", "HEAD", "v1", "commit"])
def test_a_ref_is_cloned_once(sshd: SystemSshd, origin: Path, ref: str) -> None:
    first = git(origin, "rev-parse", "HEAD")
    git(origin, "tag", "-a", "-m", "one", "v1")
    table = project(origin, ref=first if ref == "commit" else ref)
    assert outcomes(provisioned(sshd, table)) == ["changed"]
    assert head(sshd) == first
    assert [path.name for path in tree(sshd).parent.iterdir()] == ["app"]
    if ref in ("main", "HEAD"):
        assert git(tree(sshd), "symbolic-ref", "--short", "HEAD") == "main"
    again = provisioned(sshd, table)
    assert outcomes(again) == ["unchanged"], again
    assert again.bytes == 0


@pytest.mark.parametrize("ref", ["commit", "v1"])
def test_commits_and_tags_need_no_word_with_the_origin(sshd: SystemSshd, origin: Path, ref: str) -> None:
    git(origin, "tag", "v1")
    table = project(origin, ref=git(origin, "rev-parse", "HEAD") if ref == "commit" else ref)
    provisioned(sshd, table)
    origin.rename(origin.with_name("away"))
    assert outcomes(provisioned(sshd, table)) == ["unchanged"]


def test_a_branch_that_moved_is_followed(sshd: SystemSshd, origin: Path) -> None:
    provisioned(sshd, project(origin))
    second = commit(origin, "README", "second")
    (tree(sshd) / "notes").write_text("nobody tracks me")
    plan = provisioned(sshd, project(origin), dry_run=True)
    assert outcomes(plan) == ["would-change"]
    assert outcomes(provisioned(sshd, project(origin))) == ["changed"]
    assert head(sshd) == second
    assert (tree(sshd) / "notes").read_text() == "nobody tracks me"


def test_a_ref_named_in_full_such_as_a_pull_request_is_followed(sshd: SystemSshd, origin: Path) -> None:
    ref = "refs/pull/42/head"
    git(origin, "update-ref", ref, git(origin, "rev-parse", "HEAD"))
    assert outcomes(provisioned(sshd, project(origin, ref=ref))) == ["changed"]
    assert outcomes(provisioned(sshd, project(origin, ref=ref))) == ["unchanged"]
    pushed = commit(origin, "README", "pushed to the pull request")
    git(origin, "update-ref", ref, pushed)
    git(origin, "reset", "--quiet", "--hard", "HEAD~1")
    assert outcomes(provisioned(sshd, project(origin, ref=ref))) == ["changed"]
    assert head(sshd) == pushed


def test_another_branch_is_switched_to_and_the_old_one_stays(sshd: SystemSshd, origin: Path) -> None:
    provisioned(sshd, project(origin))
    own = commit(tree(sshd), "work", "of an agent")
    git(origin, "checkout", "--quiet", "-b", "topic")
    there = commit(origin, "README", "topic")
    assert outcomes(provisioned(sshd, project(origin, ref="topic"))) == ["changed"]
    assert head(sshd) == there
    assert git(tree(sshd), "rev-parse", "main") == own


def test_a_branch_that_is_ahead_holds_all_that_is_wished(sshd: SystemSshd, origin: Path) -> None:
    provisioned(sshd, project(origin))
    own = commit(tree(sshd), "work", "of an agent")
    host = provisioned(sshd, project(origin))
    assert outcomes(host) == ["unchanged"]
    assert "origin does not have" in host.steps[0].notices[0]
    assert head(sshd) == own


@pytest.mark.parametrize("work", ["changed", "staged", "apart", "stray", "in the way"])
def test_work_on_the_host_is_never_lost(sshd: SystemSshd, origin: Path, work: str) -> None:
    provisioned(sshd, project(origin))
    here = tree(sshd)
    if work in ("changed", "staged"):
        (here / "README").write_text("by an agent")
        if work == "staged":
            git(here, "add", "README")
    elif work == "apart":
        commit(here, "work", "of an agent")
    elif work == "stray":
        git(here, "checkout", "--quiet", "--detach")
        commit(here, "work", "of an agent")
    else:
        (here / "new").write_text("by an agent")
    before = head(sshd), git(here, "status", "--porcelain")
    commit(origin, "new" if work == "in the way" else "README", "moved on")
    host = provisioned(sshd, project(origin))
    failed_step(host, Code.REPOSITORY_CHANGED)
    assert (head(sshd), git(here, "status", "--porcelain")) == before


@pytest.mark.parametrize("kind", ["files", "another repository", "a file", "inside another"])
def test_a_folder_that_is_something_else_is_left_alone(
    sshd: SystemSshd, origin: Path, tmp_path: Path, kind: str
) -> None:
    here = tree(sshd)
    here.parent.mkdir(parents=True)
    if kind == "a file":
        here.write_text("mine")
    elif kind == "another repository":
        git(here.parent, "clone", "--quiet", str(new_repository(tmp_path / "other")), "app")
    else:
        if kind == "inside another":
            git(here.parent, "init", "--quiet")
        here.mkdir()
        (here / "mine").write_text("mine")
    before = sorted(here.parent.rglob("*"))
    failed_step(provisioned(sshd, project(origin)), Code.REPOSITORY_CHANGED)
    assert sorted(here.parent.rglob("*")) == before


@pytest.mark.parametrize("what", ["origin", "ref"])
def test_what_is_not_there_cannot_be_cloned_and_leaves_nothing(sshd: SystemSshd, origin: Path, what: str) -> None:
    table = project(origin, ref="nowhere") if what == "ref" else project(origin.with_name("missing"))
    failed = failed_step(provisioned(sshd, table), Code.REPOSITORY_FAILED)
    assert failed.error is not None
    assert ("nowhere" if what == "ref" else "missing") in failed.error.seen
    assert not list(tree(sshd).parent.iterdir())


def test_f47_a_clone_that_was_killed_is_begun_again(sshd: SystemSshd, origin: Path) -> None:
    host = provisioned(sshd, project(origin))
    left = tree(sshd).rename(tree(sshd).parent / next_name(sshd))
    (left / ".git/HEAD").write_text("half")
    host = provisioned(sshd, project(origin))
    assert outcomes(host) == ["changed"]
    assert [path.name for path in tree(sshd).parent.iterdir()] == ["app"]


def next_name(sshd: SystemSshd) -> str:
    """What a clone under way is called on this machine."""
    return f".app.remora-{Path('/etc/machine-id').read_text().strip() or 'machine'}"


# -- scripts

_SETUP = 'echo "$MODE" >>"$HOME/ran"\nprintf %s "${TOKEN-none}" >"$HOME/token"\npwd >"$HOME/where"'


def test_f47_a_setup_runs_once_for_a_commit_a_script_and_an_environment(sshd: SystemSshd, origin: Path) -> None:
    def ran() -> list[str]:
        return (sshd.home / "ran").read_text().split()

    table = project(origin, setup=_SETUP, environment={"MODE": "one"}, smoke="test -f README")
    assert outcomes(provisioned(sshd, table)) == ["changed"] * 3
    assert outcomes(provisioned(sshd, table)) == ["unchanged"] * 3
    assert (sshd.home / "where").read_text().strip() == str(tree(sshd))
    assert ran() == ["one"]
    commit(origin, "README", "second")
    assert outcomes(provisioned(sshd, table)) == ["changed"] * 3, "another commit"
    other = project(origin, setup=_SETUP, environment={"MODE": "two"}, smoke="test -f README")
    assert outcomes(provisioned(sshd, other)) == ["unchanged", "changed", "changed"], "another environment"
    longer = project(origin, setup=f"{_SETUP}\ntrue", environment={"MODE": "two"}, smoke="test -f README")
    assert outcomes(provisioned(sshd, longer)) == ["unchanged", "changed", "changed"], "another script"
    assert ran() == ["one", "one", "two", "two"]


def test_a_secret_is_in_the_environment_of_the_setup_and_nowhere_else(sshd: SystemSshd, origin: Path) -> None:
    spy = 'printf %s "$TOKEN" >"$HOME/token"\nps -eo args >"$HOME/processes"'
    table = project(
        origin,
        setup=spy,
        smoke='printf %s "${TOKEN-none}" >"$HOME/smoke-token"',
        secrets={"TOKEN": SecretSource(environment="ANY")},
    )
    progress: list[ProvisionProgress] = []
    host = provisioned(sshd, table, progress=progress)
    assert outcomes(host) == ["changed"] * 3, host
    assert (sshd.home / "token").read_text() == _CANARY
    assert (sshd.home / "smoke-token").read_text() == "none"
    assert "sshd" in (sshd.home / "processes").read_text()
    (sshd.home / "token").unlink()
    for file in sshd.folder.parent.rglob("*"):
        assert not file.is_file() or b"canary-7f3a" not in file.read_bytes(), file
    assert "canary" not in repr((host, progress))


def test_f46_a_setup_that_fails_is_told_logged_and_tried_again(sshd: SystemSshd, origin: Path) -> None:
    table = project(origin, setup='echo getting there\ntest -f "$HOME/mended"\necho never', smoke="true")
    progress: list[ProvisionProgress] = []
    host = provisioned(sshd, table, progress=progress)
    assert outcomes(host) == ["changed", "failed", "skipped"]
    failed = failed_step(host, Code.STEP_FAILED)
    assert failed.error is not None
    assert "getting there" in failed.error.seen
    assert any(isinstance(step, StepMoved) and "getting there" in step.line for step in progress)
    (log,) = sshd.home.rglob("setup*.log")
    assert log.read_text() == "getting there\n"
    (sshd.home / "mended").touch()
    assert outcomes(provisioned(sshd, table)) == ["unchanged", "changed", "changed"]


def test_a_smoke_test_has_to_pass(sshd: SystemSshd, origin: Path) -> None:
    table = project(origin, smoke="echo it does not build >&2; exit 3")
    failed = failed_step(provisioned(sshd, table), Code.STEP_FAILED)
    assert failed.error is not None
    assert "does not build" in failed.error.seen
    assert "status 3" in failed.error.seen


def test_a_script_may_name_its_interpreter_and_reads_nothing(sshd: SystemSshd, origin: Path) -> None:
    script = '#!/usr/bin/env bash\nlist=(a b c)\nread -r word || true\necho "${list[2]}$word" >"$HOME/said"'
    assert outcomes(provisioned(sshd, project(origin, setup=script))) == ["changed", "changed"]
    assert (sshd.home / "said").read_text() == "c\n"


def test_a_setup_that_hangs_is_ended_with_all_it_started(sshd: SystemSshd, origin: Path) -> None:
    table = project(origin, setup="sleep 300 & sleep 300", setup_limit=1.0)
    failed_step(provisioned(sshd, table), Code.TIME_LIMIT)
    assert not sshd.session_processes()


def test_a_setup_sees_the_environment_of_the_login_shell(sshd: SystemSshd, origin: Path) -> None:
    (sshd.home / ".bash_profile").write_text("export FROM_PROFILE=here PATH=$PATH:$HOME/own\n")
    setup = 'env | sort >"$HOME/env"'
    assert outcomes(provisioned(sshd, project(origin, setup=setup))) == ["changed", "changed"]
    seen = dict(line.partition("=")[::2] for line in (sshd.home / "env").read_text().splitlines())
    assert seen["FROM_PROFILE"] == "here"
    assert seen["PATH"].endswith(f":{sshd.home}/own")
    assert seen["LC_ALL"] == "C.UTF-8"
    assert not [name for name in seen if name.startswith(("remora", "GIT_TERMINAL"))]


# -- broken off, and on two machines


class Cut:
    """A step whose run is broken off right before or after it is applied, once: the client or its connection dies."""

    def __init__(self, step: Step, sshd: SystemSshd, moment: str) -> None:
        self.name = step.name
        self.title = step.title
        self.reading = step.reading
        self.judge = step.judge
        self._step = step
        self._sshd = sshd
        self._moment = moment
        self.done = False

    async def apply(self, finding: Finding, bench: Workbench, tell: Tell) -> None:
        if self._moment == "before":
            self._cut()
        if self._moment == "during":
            asyncio.get_running_loop().call_later(0.05, self._cut)
        await self._step.apply(finding, bench, tell)
        self._cut()

    def _cut(self) -> None:
        if not self.done:
            self.done = True
            for pid in self._sshd.session_processes():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("moment", ["before", "during", "after"])
@pytest.mark.parametrize("number", range(5))
def test_f47_killed_at_any_boundary_the_next_run_comes_to_the_same_end(
    sshd: SystemSshd, origin: Path, number: int, moment: str
) -> None:
    table = project(origin, setup='echo set-up >>"$HOME/ran"', smoke='echo smoke >>"$HOME/ran"')
    config, file = ConfigStep({"model": "gpt-6"}), FileStep("AGENTS.md", b"be kind\n" * 8000, "0644")
    steps: list[Step] = [config, file, *steps_of(table)]
    cut = Cut(steps[number], sshd, moment)
    first = run(provision(sshd, [*steps[:number], cut, *steps[number + 1 :]], limits=_QUICK))
    assert cut.done
    assert not first.ok
    second = run(provision(sshd, steps, limits=_QUICK))
    assert second.ok, second
    assert outcomes(run(provision(sshd, steps))) == ["unchanged"] * 5
    assert (sshd.home / ".codex/config.toml").read_text() == 'model = "gpt-6"\n'
    assert (sshd.home / ".codex/AGENTS.md").read_bytes() == b"be kind\n" * 8000
    assert head(sshd) == git(origin, "rev-parse", "HEAD")
    ran = (sshd.home / "ran").read_text().split()
    assert set(ran) == {"set-up", "smoke"}
    assert len(ran) <= 3, "only what was cut off runs again"
    assert [path.name for path in tree(sshd).parent.iterdir()] == ["app"]
    assert not [path for path in (sshd.home / ".codex").iterdir() if ".remora-" in path.name]


def test_f47_two_operators_at_once_clone_and_set_up_once(sshd: SystemSshd, origin: Path) -> None:
    table = project(origin, setup='echo set-up >>"$HOME/ran"; sleep 0.5')

    async def both() -> list[HostProvision]:
        return list(await asyncio.gather(*(provision(sshd, steps_of(table)) for _ in range(2))))

    assert sorted(host.outcome for host in run(both())) == ["changed", "unchanged"]
    assert (sshd.home / "ran").read_text() == "set-up\n"


def another_machine(folder: Path) -> Path:
    """An sshd that believes to be on another machine, with this one's file systems."""
    identity, program = folder / "machine-id", folder / "sshd-elsewhere"
    identity.write_text("0123456789abcdef0123456789abcdef\n")
    mount = f"mount --bind {identity} /etc/machine-id"
    program.write_text(f'#!/bin/sh\nexec unshare -m /bin/sh -c \'{mount} && exec /usr/sbin/sshd "$@"\' sshd "$@"\n')
    program.chmod(0o755)
    return program


@pytest.mark.skipif(os.getuid() != 0, reason="another machine id needs a mount")
def test_f61_machines_that_share_a_home_keep_apart_what_they_have_proven(
    sshd: SystemSshd, origin: Path, tmp_path: Path
) -> None:
    """The folder is shared, what runs on each machine is not: one machine's smoke test proves nothing of the other."""
    table = project(origin, smoke='cat /etc/machine-id >>"$HOME/ran"')
    assert outcomes(provisioned(sshd, table)) == ["changed", "changed"]
    environment = {"XDG_RUNTIME_DIR": str(tmp_path), "GIT_CONFIG_GLOBAL": "/dev/null"}
    with SystemSshd(tmp_path, program=str(another_machine(tmp_path)), environment=environment) as other:
        other.home.rmdir()
        other.home.symlink_to(sshd.home)
        assert outcomes(provisioned(other, table)) == ["unchanged", "changed"]
        assert outcomes(provisioned(other, table)) == ["unchanged", "unchanged"]
    assert outcomes(provisioned(sshd, table)) == ["unchanged", "unchanged"]
    assert len(set((sshd.home / "ran").read_text().split())) == 2
