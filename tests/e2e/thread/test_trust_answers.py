"""Who may put in force what a repository brings, against the real server of every generation."""

import json
from pathlib import Path

import pytest
from tests.support.codex.generations import WITH_SOCKETS, generations
from tests.support.model.trust_scene import Person, Scene, notices, play, ready, trust
from tests.support.provision.gits import git

from remora.core.errors import Code, ExitCode, RemoraError
from remora.demo.scripted_model import RunCommand, Say, Step

pytestmark = pytest.mark.codex


@generations
def test_where_nobody_may_answer_one_notice_names_what_it_brings_and_its_hash(version: str, tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        events = await scene.run()
        told = trust(events)
        assert (told.trusted_by, told.folder, told.problem) == (None, str(scene.repository.folder), None)
        brings = {(each.what, each.name) for each in told.brings}
        assert {("mcp-server", "x"), ("hook", "PreToolUse"), ("safety", "sandbox_mode"), ("setting", "model")} <= brings
        (server,) = [each.detail for each in told.brings if each.what == "mcp-server"]
        assert server == f"touch {scene.repository.marks}/mcp-server"
        (notice,) = notices(events)
        assert f"--trust-folder {told.hash}" in notice
        assert scene.repository.effects == []

    play(version, tmp_path, act)


@generations
def test_a_yes_is_for_this_content_and_for_remora_s_threads_only(version: str, tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        untouched = scene.config.read_bytes()
        person = Person(True)
        events = await scene.run(person=person)
        (question,) = person.asked
        assert (question.alias, question.changed, question.digest) == ("devbox", False, trust(events).hash)
        assert (trust(events).trusted_by, ready(events).model) == ("answer", "hostile")
        assert (ready(events).sandbox, ready(events).approval_policy) == ("workspace-write", "on-request")
        await scene.until_effect()
        scene.forget_effects()
        again = await scene.run()
        assert (trust(again).trusted_by, ready(again).model) == ("answer", "hostile"), "it is not asked again"
        await scene.until_effect()
        scene.forget_effects()
        scene.change()
        unattended = await scene.run()
        assert (trust(unattended).trusted_by, ready(unattended).model) == (None, "scripted")
        assert "has changed" in notices(unattended)[0]
        person = Person(False)
        await scene.run(person=person)
        assert [question.changed for question in person.asked] == [True]
        assert scene.repository.effects == []
        assert scene.config.read_bytes() == untouched

    play(version, tmp_path, act)


@generations
def test_a_no_is_not_asked_again_for_the_same_content(version: str, tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.run(False)
        person = Person()
        events = await scene.run(person=person)
        assert person.asked == []
        assert trust(events).trusted_by is None
        assert scene.repository.effects == []

    play(version, tmp_path, act)


@generations
def test_a_script_names_the_hash_and_another_one_is_refused_with_the_present_one(version: str, tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        digest = trust(await scene.run()).hash
        events = await scene.run(option=digest)
        assert (trust(events).trusted_by, ready(events).model) == ("option", "hostile")
        await scene.until_effect()
        scene.forget_effects()
        assert trust(await scene.run()).trusted_by is None, "an option is for one run"
        scene.change()
        with pytest.raises(RemoraError) as caught:
            await scene.run(option=digest)
        error = caught.value
        assert (error.code, error.exit_code) == (Code.TRUST_MISMATCH, ExitCode.DENIED)
        assert "--trust-folder" in error.next_step
        assert "touch" in error.seen
        assert scene.repository.effects == []

    play(version, tmp_path, act)


@generations
def test_what_the_host_trusts_works_until_it_changes(version: str, tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.trust_on_host()
        events = await scene.run()
        assert (trust(events).trusted_by, ready(events).model) == ("codex", "hostile")
        assert (ready(events).sandbox, ready(events).approval_policy) == ("workspace-write", "on-request")
        assert "codex on the host trusts this folder" in notices(events)[0]
        await scene.until_effect()
        again = await scene.run()
        assert trust(again).trusted_by == "codex"
        scene.change()
        scene.forget_effects()
        changed = await scene.run()
        assert (trust(changed).trusted_by, ready(changed).model) == (None, "scripted")
        assert "has changed" in notices(changed)[0]
        assert scene.repository.effects == []
        assert ready(await scene.run(True)).model == "worse"

    play(version, tmp_path, act)


@generations
def test_a_repository_that_changes_between_the_look_and_the_start_is_refused(version: str, tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        with pytest.raises(RemoraError) as caught:
            await scene.run(person=Person(True, meanwhile=scene.change))
        assert caught.value.code is Code.TRUST_MISMATCH

    play(version, tmp_path, act)


@generations
def test_what_the_host_trusts_no_longer_is_not_in_force_any_more(version: str, tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        before = scene.config.read_text()
        scene.trust_on_host()
        assert trust(await scene.run()).trusted_by == "codex"
        await scene.until_effect()
        folder = json.dumps(str(scene.repository.folder))
        for said in (before, f'{before}\n[projects.{folder}]\ntrust_level = "untrusted"\n'):
            scene.config.write_text(said)
            scene.forget_effects()
            events = await scene.run()
            assert (trust(events).trusted_by, ready(events).model) == (None, "scripted")
            assert scene.repository.effects == []
        person = Person(True)
        events = await scene.run(person=person)
        assert [each.changed for each in person.asked] == [False]
        assert (trust(events).trusted_by, ready(events).model) == ("answer", "hostile")

    play(version, tmp_path, act)


@pytest.mark.parametrize("version", WITH_SOCKETS)
def test_a_thread_goes_on_with_the_trust_that_still_holds(version: str, tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        events = await scene.run(True)
        thread = ready(events).thread_id
        await scene.server.stop()
        await scene.server.start()
        resumed = await scene.run(thread=thread)
        assert trust(resumed).trusted_by == "answer"
        scene.change()
        scene.forget_effects()
        await scene.server.stop()
        await scene.server.start()
        assert trust(await scene.run(thread=thread)).trusted_by is None
        assert scene.repository.effects == []

    play(version, tmp_path, act)


@generations
@pytest.mark.parametrize(
    "fault",
    ["link", "folder is a link", "pipe", "large", "many", "byte order mark", "newer TOML"],
    ids=lambda fault: fault.replace(" ", "-"),
)
def test_what_nobody_can_vouch_for_is_never_trusted(version: str, fault: str, tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        codex = scene.repository.folder / ".codex"
        match fault:
            case "link":
                (codex / "rules/more.rules").symlink_to("/etc/hostname")
            case "folder is a link":
                codex.rename(tmp_path / "elsewhere")
                codex.symlink_to(tmp_path / "elsewhere")
            case "pipe":
                import os

                os.mkfifo(codex / "rules/pipe")
            case "large":
                (codex / "hooks.json").write_text("x" * 40_000)
            case "many":
                for number in range(300):
                    (codex / f"file-{number}").touch()
            case "byte order mark":
                (codex / "config.toml").write_text(f"\ufeff{(codex / 'config.toml').read_text()}")
            case "newer TOML":
                (codex / "config.toml").write_text(f"{(codex / 'config.toml').read_text()}tools = {{\n}}\n")
        person = Person()
        events = await scene.run(person=person)
        assert person.asked == []
        assert (trust(events).trusted_by, trust(events).hash) == (None, None)
        assert trust(events).problem
        assert scene.repository.effects == []

    play(version, tmp_path, act)


def test_a_codex_that_obeys_rules_without_trust_is_not_given_a_prompt(tmp_path: Path) -> None:
    """0.120 reads the rules of a repository that has no config.toml, trusted or not."""
    steps: list[Step] = [RunCommand(f"touch {tmp_path}/marks/rule"), Say("Done.")]

    async def act(scene: Scene) -> None:
        folder = scene.repository.folder
        git(folder, "rm", "--quiet", ".codex/config.toml", ".codex/hooks.json")
        with pytest.raises(RemoraError) as caught:
            await scene.run(sandbox=None)
        assert (caught.value.code, caught.value.exit_code) == (Code.REPOSITORY_INSEPARABLE, ExitCode.DENIED)
        assert scene.repository.effects == []
        (folder / ".codex/config.toml").write_text("")
        await scene.run(sandbox=None)
        assert scene.repository.effects == []

    play("0.120.0", tmp_path, act, steps)


@generations
def test_skills_alone_are_nothing_to_ask_about(version: str, tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        folder = scene.repository.folder
        git(folder, "rm", "-r", "--quiet", ".codex")
        skill = folder / ".codex/skills/one"
        skill.mkdir(parents=True)
        (skill / "SKILL.md").write_text("---\nname: one\ndescription: does one thing\n---\nbody\n")
        person = Person()
        events = await scene.run(person=person)
        assert person.asked == []
        assert ready(events).trust is None

    play(version, tmp_path, act)
