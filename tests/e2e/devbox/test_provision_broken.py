"""A whole manifest with its real steps, broken at every step boundary on a real sshd: the end is always the same."""

import asyncio
import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.base.until import until_none
from tests.support.link.links import SshdResolver, world_of
from tests.support.provision.packages import make_package, packages_in
from tests.support.provision.provision_bench import AnotherStep, Hook, marker_at, nothing, provision
from tests.support.sshd.system_sshd import SystemSshd

from remora.core.devbox.provision_step import Finding
from remora.core.server.markers import Readiness
from remora.core.settings import Limits
from remora.flows.kit.unattended import NoTrustMemory
from remora.flows.provision.step_list import steps_for
from remora.flows.provision.steps.step import Step, Tell, Workbench
from remora.testing.memory_secrets import MemorySecrets
from remora.wire.manifest.document import (
    CodexSource,
    CodexTable,
    FileTable,
    HostTables,
    InstructionsTable,
    PathTable,
    ProjectTable,
    SecretSource,
)
from remora.wire.manifest.host_spec import HostSpec
from remora.wire.reports.provision import HostProvision

pytestmark = pytest.mark.sshd

VERSION = "0.163.0"
CANARY = "canary-of-set-up"


class Hooked(AnotherStep):
    """A step whose moments somebody hears of."""

    def __init__(self, step: Step, hook: Hook) -> None:
        super().__init__(step)
        self._hook = hook

    async def apply(self, finding: Finding, bench: Workbench, tell: Tell) -> None:
        await self._hook("before")
        await super().apply(finding, bench, tell)
        await self._hook("after")


class Box:
    """A host and what it is to be."""

    def __init__(self, folder: Path, sshd: SystemSshd) -> None:
        self.sshd = sshd
        self._packages = packages_in(folder / "kept")
        (sshd.home / "bin").mkdir()
        (sshd.home / ".bashrc").write_text('PATH="$HOME/bin:$PATH"\n')
        origin = folder / "origin"
        git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com", "-C", str(origin)]
        origin.mkdir()
        (origin / "README.md").write_text("a project\n")
        for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "first"]):
            subprocess.run([*git, *words], check=True)
        project = ProjectTable(
            repository=f"file://{origin}",
            folder="~/src/app",
            ref="main",
            secrets={"TOKEN": SecretSource(environment="X")},
            setup='test -n "$TOKEN" && echo made >made && echo done',
            smoke="test -f made",
        )
        tables = HostTables(
            codex=CodexTable(version=VERSION, source=CodexSource.FILE, file=str(make_package(folder, VERSION))),
            path=PathTable(folder="~/bin"),
            config={"model": "gpt-5"},
            instructions=InstructionsTable(content="Be brief.\n"),
            files=[FileTable(path="~/notes/one.txt", content="one\n", mode="0600")],
            projects=[project],
        )
        self.spec = HostSpec("devbox", tables, "sha256:" + "2" * 64)

    def steps(self, at: str = "", hook: Hook = nothing) -> list[Step]:
        steps = steps_for(self.spec, packages=self._packages, secrets=MemorySecrets(CANARY), trust=NoTrustMemory())
        return [Hooked(step, hook) if step.name == at else step for step in steps]

    async def bring(self, steps: list[Step]) -> HostProvision:
        world = world_of(SshdResolver(self.sshd), limits=Limits(provision_retries=1, provision_lock=20.0))
        return await provision(self.sshd, steps, world=world, digest=self.spec.digest)

    def state(self) -> dict[str, str]:
        """What the home holds, but for what has a time in it or a name made up anew."""
        home = self.sshd.home
        files = (path for path in home.rglob("*") if ".git" not in path.parts and ".local/state" not in str(path))
        return {str(path.relative_to(home)): _content(path) for path in files}


def _content(path: Path) -> str:
    if path.is_symlink():
        return f"-> {path.readlink()}"
    mode = oct(path.stat().st_mode)
    return f"{mode} {hashlib.sha256(path.read_bytes()).hexdigest()}" if path.is_file() else mode


NAMES = (
    "codex",
    "path",
    "config",
    "instructions",
    "file:~/notes/one.txt",
    "project:~/src/app",
    "setup:~/src/app",
    "smoke:~/src/app",
)


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    with SystemSshd(
        tmp_path, options=["MaxSessions 1"], environment={"XDG_RUNTIME_DIR": str(tmp_path), "CODEX_HOME": ""}
    ) as sshd:
        yield Box(tmp_path, sshd)


def assert_is_done(box: Box) -> None:
    """The box is as its manifest says, and a further run finds so."""
    again = run(box.bring(box.steps()))
    assert [(step.name, step.outcome, step.bytes) for step in again.steps] == [(name, "unchanged", 0) for name in NAMES]
    assert (again.outcome, again.dials) == ("unchanged", 1)
    home = box.sshd.home
    assert (home / "src/app/made").read_text() == "made\n"
    assert (home / "notes/one.txt").read_text() == "one\n"
    assert (home / "bin/codex").is_symlink()
    assert run(marker_at(box.sshd)).readiness is Readiness.READY
    left = [path for path in home.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]
    assert left == [], "the secret of the set-up stays nowhere"


def test_f47_a_first_run_changes_all_and_the_second_nothing(box: Box) -> None:
    first = run(box.bring(box.steps()))
    assert [(step.name, step.outcome, step.error) for step in first.steps] == [
        (name, "changed", None) for name in NAMES
    ]
    before = box.state()
    assert_is_done(box)
    assert box.state() == before


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("name", NAMES)
def test_f47_a_client_that_is_gone_at_a_step_leaves_what_the_next_run_finishes(
    box: Box, name: str, moment: str
) -> None:
    running: asyncio.Future[HostProvision] | None = None

    async def go_away(now: str) -> None:
        if now == moment and running is not None:
            running.cancel()
            await asyncio.Event().wait()

    async def first() -> None:
        nonlocal running
        running = asyncio.ensure_future(box.bring(box.steps(name, go_away)))
        await asyncio.wait({running})
        assert running.cancelled()
        await until_none(box.sshd.session_commands, what="the host to be rid of the first run")

    run(first())
    second = run(box.bring(box.steps()))
    assert {step.outcome for step in second.steps} <= {"changed", "unchanged"}
    assert second.outcome != "failed"
    assert_is_done(box)


@pytest.mark.parametrize("name", NAMES)
def test_f47_a_connection_that_breaks_at_a_step_is_dialled_anew_and_the_run_goes_on(box: Box, name: str) -> None:
    broken = False

    async def cut(now: str) -> None:
        nonlocal broken
        if not broken:
            broken = True
            box.sshd.drop_connections()

    host = run(box.bring(box.steps(name, cut)))
    assert [(step.name, step.outcome, step.error) for step in host.steps] == [(one, "changed", None) for one in NAMES]
    assert host.dials == 2
    assert_is_done(box)
