"""What runs on a host, under each shell as its /bin/sh, and with the programs of macOS and no ``/proc``."""

import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import pytest
from tests.support.base.bsd_tools import NOT_THERE, bsd_programs
from tests.support.base.loop import run
from tests.support.base.required import missing
from tests.support.codex.fake_launches import LIMITS, becomes, codex_in, launch
from tests.support.codex.launch_words import connected, facts_of
from tests.support.link.links import SshdResolver, world_of
from tests.support.provision.gits import new_repository
from tests.support.provision.provision_bench import provision
from tests.support.sshd.account_sshd import AccountSshd

from remora.core.server.launch_plan import LaunchMode, LaunchRequest
from remora.core.server.probes import FolderState
from remora.core.settings import Limits
from remora.core.thread.remains import read_look
from remora.core.trust.repository import Repository
from remora.flows.link.server_stop import end_server
from remora.flows.provision.steps.codex import CodexStep
from remora.flows.provision.steps.config import ConfigStep
from remora.flows.provision.steps.file import FileStep
from remora.flows.provision.steps.path import PathStep
from remora.flows.provision.steps.project import SetupStep
from remora.flows.provision.steps.repository import RepositoryStep
from remora.flows.provision.steps.server import ServerStep
from remora.flows.provision.steps.step import Step
from remora.flows.server.shell import ProbeRequest, shipped
from remora.testing.memory_packages import MemoryPackages
from remora.testing.memory_secrets import MemorySecrets
from remora.wire.appserver.repository import look_words, read_repository
from remora.wire.manifest.document import CodexTable, PathTable, ProjectTable, ServerTable

pytestmark = [pytest.mark.sshd, pytest.mark.shells]


@dataclass(frozen=True)
class System:
    """What ``/bin/sh`` is, and the programs beside it."""

    sh: str
    login_shell: str = "bash"
    programs: Mapping[str, str] = field(default_factory=dict)
    hidden: Sequence[str] = ()
    processes: bool = True

    @contextmanager
    def host(self) -> Iterator[AccountSshd]:
        with AccountSshd(
            found(self.login_shell),
            sh=found(self.sh),
            programs=self.programs,
            hidden=[place for name in self.hidden if (place := shutil.which(name))],
            processes=self.processes,
        ) as sshd:
            yield sshd


def found(program: str) -> str:
    return shutil.which(program) or missing(f"{program} is not installed")


SYSTEMS = {
    "busybox": System("busybox"),
    "mksh": System("mksh"),
    "zsh": System("zsh"),
    "macos": System("bash", "zsh", bsd_programs(), NOT_THERE, processes=False),
    "bsd": System("dash", "bash", bsd_programs(), NOT_THERE, processes=False),
}
"""By the shell or the system. ``posh`` reads every text (test_texts), and cannot be ``/bin/sh``: it has no ``-s``."""


@pytest.fixture(params=SYSTEMS)
def system(request: pytest.FixtureRequest) -> System:
    return SYSTEMS[request.param]


@pytest.fixture
def sshd(system: System) -> Iterator[AccountSshd]:
    with system.host() as server:
        yield server


def outcomes(sshd: AccountSshd, *steps: Step) -> list[tuple[str, object]]:
    host = run(provision(sshd, steps, limits=Limits(provision_retries=1)))
    return [(step.outcome, step.error) for step in host.steps] or [("", host.error)]


async def test_a_host_is_looked_at(sshd: AccountSshd) -> None:
    (sshd.home / "it's").mkdir()
    (sshd.home / "link").symlink_to("it's")
    codex_in(sshd)
    async with connected(sshd) as host:
        facts = await facts_of(host, ProbeRequest(folder="~/link"))
        assert facts.home == str(sshd.home)
        assert facts.folder.state is FolderState.OK
        assert [one.path for one in facts.candidates] == [str(sshd.home / ".local/bin/codex")]
        assert facts.os == "Linux"
        assert facts.socket.path.endswith(".sock")


def test_a_host_is_provisioned_once(system: System, sshd: AccountSshd, tmp_path: Path) -> None:
    (sshd.home / "dotfiles").mkdir()
    (sshd.home / ".codex").mkdir()
    (sshd.home / ".codex/AGENTS.md").symlink_to("../dotfiles/agents/AGENTS.md")
    for name in (".profile", ".zprofile"):
        (sshd.home / name).write_text("PATH=$HOME/.local/bin:$PATH\n")
    codex = CodexTable(version="0.10.0")
    project = ProjectTable(repository=str(new_repository(tmp_path / "origin")), folder="~/src/app", setup="echo made")
    steps: list[Step] = [
        CodexStep(
            codex, MemoryPackages({"0.10.0": {"bin/codex": Path(found("true")).read_bytes(), "more": b"x" * 99}})
        ),
        PathStep(codex, PathTable()),
        ConfigStep({"model": "gpt-5"}),
        FileStep("AGENTS.md", b"Be brief.\n", "0644"),
        RepositoryStep(project),
    ]
    if (
        system.processes
    ):  # the script is read from /dev/fd, which is a part of /proc here, and a place of its own elsewhere
        steps.append(SetupStep(project, MemorySecrets("")))
    assert outcomes(sshd, *steps) == [("changed", None)] * len(steps)
    assert outcomes(sshd, *steps) == [("unchanged", None)] * len(steps)
    assert (sshd.home / "dotfiles/agents/AGENTS.md").read_text() == "Be brief.\n"
    assert (sshd.home / ".local/bin/codex").resolve().name == "codex"


def test_an_app_server_is_started_found_again_and_ended(sshd: AccountSshd) -> None:
    codex_in(sshd)
    mode, _, pid = launch(sshd, limits=LIMITS)
    assert mode is LaunchMode.DETACHED
    assert launch(sshd, limits=LIMITS)[::2] == (LaunchMode.ADOPTED, pid)
    assert outcomes(sshd, ServerStep(ServerTable(start=True))) == [("unchanged", None)]

    async def end() -> str:
        async with connected(sshd) as host:
            return await end_server(host, LaunchRequest(), world_of(SshdResolver(sshd)))

    assert run(end()) == "stopped"
    assert becomes(sshd, 0)


def test_what_commands_leave_is_looked_for(system: System, sshd: AccountSshd, tmp_path: Path) -> None:
    (tmp_path / "config").write_text(sshd.ssh_config())
    begins = "nohup sh -c 'echo >begun; exec sleep 1000' >/dev/null 2>&1 </dev/null &"
    left = f"CODEX_THREAD_ID=thread {begins} until [ -e begun ]; do sleep 1; done; "  # else the look may come before it
    looks = shlex.join(("/bin/sh", "-c", shipped("remains"), "remora", "thread"))
    asked = subprocess.run(
        ["ssh", "-F", tmp_path / "config", "devbox", left + looks],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    look = read_look(asked.stdout)
    assert look is not None, asked
    assert "sleep 1000" in asked.stdout
    assert ("environ" in asked.stdout.splitlines()) is system.processes


def test_a_repository_is_looked_at_and_a_change_that_was_taken_back_is_seen(sshd: AccountSshd, tmp_path: Path) -> None:
    (tmp_path / "config").write_text(sshd.ssh_config())
    real = sshd.home / "it's"
    (real / ".codex/rules").mkdir(parents=True)
    (sshd.home / "link").symlink_to(real)
    folder = sshd.home / "link"
    config = real / ".codex/config.toml"
    config.write_text('[mcp_servers.x]\ncommand = "./run me"\n')
    (real / "run me").write_text("true\n")
    named = [f"{folder}/{name}" for name in ("run", "run me")]
    folders = [f"{folder}/.codex"]
    looks = shlex.join(("/bin/sh", "-c", shipped("look"), "remora-look", *look_words(folders, named)))

    def looked() -> Repository:
        asked = subprocess.run(
            ["ssh", "-F", tmp_path / "config", "devbox", looks], capture_output=True, text=True, check=True, timeout=60
        )
        return read_repository(asked.stdout, folders, str(folder), named)

    first = looked()
    assert (first.problem, first.places) == (None, (str(real),))
    assert [file.path for file in first.files] == ["config.toml"]
    assert [(file.path, file.sha256) for file in first.named] == [(named[1], sha256(b"true\n").hexdigest())]
    assert set(named) <= first.may_name
    assert looked() == first
    before = config.read_bytes()
    config.unlink()
    config.write_bytes(before)
    second = looked()
    assert second.digest == first.digest
    assert second.stamp != first.stamp
    (real / "run me").write_text("false\n")
    assert looked().digest != first.digest
