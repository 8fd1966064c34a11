"""Projects on a real sshd: set-up scripts that run once, and smoke tests."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.base.until import wait_until
from tests.support.provision.gits import commit, git
from tests.support.provision.projects import (
    CANARY,
    QUICK,
    another_machine,
    failed_step,
    head,
    origin,
    outcomes,
    project,
    provisioned,
    sshd,
    steps_of,
    tree,
)
from tests.support.provision.provision_bench import provision
from tests.support.sshd.system_sshd import SystemSshd

from remora.core.devbox.provision_step import Finding
from remora.core.errors import Code
from remora.core.settings import Limits
from remora.flows.provision.steps.config import ConfigStep
from remora.flows.provision.steps.file import FileStep
from remora.flows.provision.steps.step import Step, Tell, Workbench
from remora.wire.manifest.document import SecretSource
from remora.wire.reports.provision import HostProvision, ProvisionProgress, StepMoved

_SETUP = 'echo "$MODE" >>"$HOME/ran"\nprintf %s "${TOKEN-none}" >"$HOME/token"\npwd >"$HOME/where"'

pytestmark = pytest.mark.sshd
__all__ = ["origin", "sshd"]


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
    assert (sshd.home / "token").read_text() == CANARY
    assert (sshd.home / "smoke-token").read_text() == "none"
    assert "sshd" in (sshd.home / "processes").read_text()
    (sshd.home / "token").unlink()
    for file in (*sshd.folder.parent.rglob("*"), *sshd.runtime_folder.rglob("*")):
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


def test_what_the_smoke_test_has_proven_counts_no_more_once_another_setup_was_at_work(
    sshd: SystemSshd, origin: Path
) -> None:
    table = project(origin, setup="touch made", smoke="test -f made")
    assert outcomes(provisioned(sshd, table)) == ["changed"] * 3
    failed_step(provisioned(sshd, project(origin, setup="rm made; exit 1", smoke="test -f made")), Code.STEP_FAILED)
    assert outcomes(provisioned(sshd, table)) == ["unchanged", "changed", "changed"]
    assert outcomes(provisioned(sshd, table)) == ["unchanged"] * 3


def test_a_script_may_name_its_interpreter_and_reads_nothing(sshd: SystemSshd, origin: Path) -> None:
    script = '#!/usr/bin/env bash\nlist=(a b c)\nread -r word || true\necho "${list[2]}$word" >"$HOME/said"'
    assert outcomes(provisioned(sshd, project(origin, setup=script))) == ["changed", "changed"]
    assert (sshd.home / "said").read_text() == "c\n"


def test_a_setup_that_hangs_is_ended_with_all_it_started(sshd: SystemSshd, origin: Path) -> None:
    table = project(origin, setup="sleep 300 & sleep 300", setup_limit=1.0)
    failed_step(provisioned(sshd, table), Code.TIME_LIMIT)
    wait_until(lambda: not sshd.session_processes(), what="all that it started to be gone")


def test_a_setup_sees_the_environment_of_the_login_shell(sshd: SystemSshd, origin: Path) -> None:
    (sshd.home / ".bash_profile").write_text("export FROM_PROFILE=here PATH=$PATH:$HOME/own\n")
    setup = 'env | sort >"$HOME/env"'
    assert outcomes(provisioned(sshd, project(origin, setup=setup))) == ["changed", "changed"]
    seen = dict(line.partition("=")[::2] for line in (sshd.home / "env").read_text().splitlines())
    assert seen["FROM_PROFILE"] == "here"
    assert seen["PATH"].endswith(f":{sshd.home}/own")
    assert seen["LC_ALL"] == "C.UTF-8"
    assert not [name for name in seen if name.startswith(("remora", "GIT_TERMINAL"))]


class Cut:
    """A step whose run is broken off right before or after it is applied, once: the client or its connection dies."""

    def __init__(self, step: Step, sshd: SystemSshd, moment: str) -> None:
        self.name = step.name
        self.title = step.title
        self.reading = step.reading
        self.judge = step.judge
        self.alone = step.alone
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
    once = Limits(provision_retries=0)  # else a run whose connection broke may finish by itself
    first = run(provision(sshd, [*steps[:number], cut, *steps[number + 1 :]], limits=once))
    assert cut.done
    assert not first.ok
    second = run(provision(sshd, steps, limits=QUICK))
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


@pytest.mark.skipif(os.getuid() != 0, reason="another machine id needs a mount")
def test_f61_machines_that_share_a_home_keep_apart_what_they_have_proven(
    sshd: SystemSshd, origin: Path, tmp_path: Path
) -> None:
    """The folder is shared, what runs on each machine is not: one machine's smoke test proves nothing of the other."""
    table = project(origin, smoke='cat /etc/machine-id >>"$HOME/ran"')
    assert outcomes(provisioned(sshd, table)) == ["changed", "changed"]
    environment = {"GIT_CONFIG_GLOBAL": "/dev/null"}
    with SystemSshd(tmp_path, program=str(another_machine(tmp_path)), environment=environment) as other:
        other.home.rmdir()
        other.home.symlink_to(sshd.home)
        assert outcomes(provisioned(other, table)) == ["unchanged", "changed"]
        assert outcomes(provisioned(other, table)) == ["unchanged", "unchanged"]
    assert outcomes(provisioned(sshd, table)) == ["unchanged", "unchanged"]
    assert len(set((sshd.home / "ran").read_text().split())) == 2
