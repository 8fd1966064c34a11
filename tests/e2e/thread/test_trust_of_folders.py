"""A repository gives itself nothing: the exploits of a hostile one, against the real server of every generation."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.base.runs import of, report_of, run_to_end
from tests.support.codex.generations import generations
from tests.support.codex.local_app_server import LocalAppServer
from tests.support.model.hostile_repository import Hostile, configure_hostile, hostile_repository
from tests.support.provision.gits import git, new_repository

from remora.demo.scripted_model import RunCommand, Say, ScriptedModel, Step
from remora.flows.thread.run_request import RunRequest
from remora.wire.appserver import scored_server
from remora.wire.appserver.calls import SandboxMode
from remora.wire.reports.run import RunEvent, ThreadReady, Warned

pytestmark = pytest.mark.codex


def at_top(work: Path) -> Hostile:
    return hostile_repository(work / "clone", work / "marks")


def below(work: Path) -> Hostile:
    clone = at_top(work)
    return Hostile(clone.folder / "sub/deep", clone.marks)


def nested(work: Path) -> Hostile:
    new_repository(work / "outer")
    return hostile_repository(work / "outer/inner", work / "marks")


def without_git(work: Path) -> Hostile:
    configure_hostile(work / "plain", work / "marks")
    return Hostile(work / "plain", work / "marks")


def under_a_parent(work: Path) -> Hostile:
    configure_hostile(work / "parent", work / "marks")
    (work / "parent/child").mkdir()
    return Hostile(work / "parent/child", work / "marks")


def through_links(work: Path) -> Hostile:
    configure_hostile(work / "elsewhere", work / "marks")
    new_repository(work / "linked")
    (work / "linked/.codex").symlink_to(work / "elsewhere/.codex")
    (work / "name").symlink_to(work / "linked")
    return Hostile(work / "name", work / "marks")


def work_tree(work: Path) -> Hostile:
    clone = at_top(work)
    git(clone.folder, "worktree", "add", "--quiet", str(work / "tree"))
    return Hostile(work / "tree", clone.marks)


def submodule(work: Path) -> Hostile:
    clone = at_top(work)
    above = new_repository(work / "above")
    git(above, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(clone.folder), "module")
    return Hostile(above / "module", clone.marks)


def oddly_named(work: Path) -> Hostile:
    return hostile_repository(work / 'a"].b [x]\n"c', work / "marks")


PLACES: list[Callable[[Path], Hostile]] = [
    at_top,
    below,
    nested,
    without_git,
    under_a_parent,
    through_links,
    work_tree,
    submodule,
    oddly_named,
]


async def run_in(server: LocalAppServer, folder: Path, *, sandbox: SandboxMode | None = None) -> list[RunEvent]:
    server.folder = folder
    request = RunRequest(prompt="please", message_id="message-1", folder=str(folder), sandbox=sandbox)
    return await run_to_end(server.connect, request)


def in_force(events: list[RunEvent]) -> tuple[str | None, str | None, str | None]:
    (ready,) = of(ThreadReady, events)
    return ready.sandbox, ready.approval_policy, ready.model


@generations
def test_no_repository_is_trusted_as_a_side_effect_and_none_has_an_effect(version: str, tmp_path: Path) -> None:
    async def go(model: ScriptedModel) -> None:
        async with LocalAppServer(version, model.codex_config()) as server:
            config = server.home / "config.toml"
            before = config.read_bytes()
            for number, place in enumerate(PLACES):
                work = tmp_path / str(number)
                work.mkdir()
                repository = place(work)
                for sandbox in (SandboxMode.WORKSPACE_WRITE, SandboxMode.DANGER_FULL_ACCESS, None):
                    events = await run_in(server, repository.folder, sandbox=sandbox)
                    asked = sandbox or SandboxMode.READ_ONLY
                    assert in_force(events) == (asked.value, "on-request", "scripted"), place.__name__
                    assert report_of(events).outcome == "completed"
                    assert repository.effects == [], place.__name__
                    assert config.read_bytes() == before, place.__name__

    with ScriptedModel([Say("Done.")]) as model:
        run(go(model))


@generations
@pytest.mark.parametrize("setting", ["workspace-write", "danger-full-access"])
def test_what_the_account_itself_configured_is_in_force_without_trust(
    version: str, setting: str, tmp_path: Path
) -> None:
    steps: list[Step] = [RunCommand("touch made-here; true"), Say("Done.")]

    async def go(model: ScriptedModel) -> None:
        own = f'sandbox_mode = "{setting}"\napproval_policy = "never"\n'
        async with LocalAppServer(version, own + model.codex_config()) as server:
            config = server.home / "config.toml"
            before = config.read_bytes()
            repository = at_top(tmp_path)
            events = await run_in(server, repository.folder)
            assert in_force(events) == (setting, "never", "scripted")
            assert repository.effects == []
            assert config.read_bytes() == before

    with ScriptedModel(steps) as model:
        run(go(model))


@generations
def test_a_home_that_nobody_named_may_only_be_read(version: str, tmp_path: Path) -> None:
    steps: list[Step] = [RunCommand("touch made-here; true"), Say("Done.")]

    async def go(model: ScriptedModel) -> None:
        own = 'sandbox_mode = "workspace-write"\napproval_policy = "never"\n'
        async with LocalAppServer(version, own + model.codex_config()) as server:
            server.folder = tmp_path
            request = RunRequest(prompt="please", message_id="message-1")
            events = await run_to_end(server.connect, request)
            assert in_force(events)[0] == "read-only"
            assert any("Name a folder" in warned.message for warned in of(Warned, events))
            assert not (tmp_path / "made-here").exists()
            said = replace(request, sandbox=SandboxMode.WORKSPACE_WRITE, message_id="message-2")
            await run_to_end(server.connect, said)
            assert (tmp_path / "made-here").exists()

    with ScriptedModel(steps) as model:
        run(go(model))


@generations
def test_the_sandbox_that_was_asked_for_holds_in_a_folder_without_trust(version: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    steps: list[Step] = [RunCommand("touch inside; true"), RunCommand(f"touch {outside}; true"), Say("Done.")]

    async def go(model: ScriptedModel) -> None:
        strict = "[sandbox_workspace_write]\nexclude_tmpdir_env_var = true\nexclude_slash_tmp = true\n"
        async with LocalAppServer(version, model.codex_config() + strict) as server:
            repository = at_top(tmp_path)
            await run_in(server, repository.folder, sandbox=SandboxMode.WORKSPACE_WRITE)
            assert (repository.folder / "inside").exists()
            assert not outside.exists()

    with ScriptedModel(steps) as model:
        run(go(model))


@generations
def test_the_scorecard_s_look_at_a_folder_trusts_nothing(version: str, tmp_path: Path) -> None:
    async def go(model: ScriptedModel) -> None:
        own = 'sandbox_mode = "workspace-write"\n'
        async with LocalAppServer(version, own + model.codex_config()) as server, server.connect() as link:
            before = (server.home / "config.toml").read_bytes()
            repository = at_top(tmp_path)
            await link.rpc.request("thread/start", scored_server.look_at_folder(str(repository.folder), None))
            await link.rpc.request("config/read", {"cwd": str(repository.folder)})
            assert repository.effects == []
            assert (server.home / "config.toml").read_bytes() == before

    with ScriptedModel([]) as model:
        run(go(model))
