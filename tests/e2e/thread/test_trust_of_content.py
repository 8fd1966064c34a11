"""Which content a yes is for: changes that were taken back, named scripts, folders below and by other names."""

import copy
import json
from contextlib import suppress
from pathlib import Path

import pytest
from tests.support.codex.generations import WITH_SOCKETS, generations
from tests.support.model.hostile_repository import configure_hostile
from tests.support.model.trust_scene import Person, Scene, notices, play, ready, trust

from remora.adapters.records.trust_memory import TrustFile
from remora.core.errors import Code, RemoraError
from remora.wire.reports.run import RunEvent, TurnStarted

pytestmark = pytest.mark.codex


@generations
@pytest.mark.parametrize("how", ["in place", "another file", "another folder"])
def test_a_change_that_was_taken_back_before_the_second_look_is_seen(version: str, how: str, tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        codex = scene.repository.folder / ".codex"
        config = codex / "config.toml"

        def change_and_change_back() -> None:
            before = config.read_bytes()
            match how:
                case "in place":
                    scene.change()
                    config.write_bytes(before)
                case "another file":
                    config.rename(tmp_path / "kept")
                    config.write_bytes(before.replace(b"hostile", b"worse"))
                    (tmp_path / "kept").rename(config)
                case "another folder":
                    codex.rename(tmp_path / "kept")
                    codex.mkdir()
                    codex.rmdir()
                    (tmp_path / "kept").rename(codex)

        with pytest.raises(RemoraError) as caught:
            await scene.run(person=Person(True, meanwhile=change_and_change_back))
        assert caught.value.code is Code.TRUST_MISMATCH
        assert "changed while" in caught.value.message

    play(version, tmp_path, act)


@generations
def test_a_script_that_is_named_is_part_of_what_was_agreed_to(version: str, tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        folder = scene.repository.folder
        script = folder / "scripts/server.sh"
        script.parent.mkdir()
        script.write_text(f"#!/bin/sh\n: >{scene.repository.marks}/mcp-server\n")
        script.chmod(0o755)
        config = folder / ".codex/config.toml"
        command = f"cd {folder} && ./scripts/server.sh"
        config.write_text(f'[mcp_servers.x]\ncommand = "sh"\nargs = ["-c", {json.dumps(command)}]\n')
        person = Person(True)
        events = await scene.run(person=person)
        (question,) = person.asked
        named = [each.name for each in question.repository.brings if each.kind == "program"]
        assert named == ["scripts/server.sh"]
        assert ("program", "scripts/server.sh") in {(each.what, each.name) for each in trust(events).brings}
        await scene.until_effect()
        again = await scene.run()
        assert trust(again).trusted_by == "answer"
        scene.forget_effects()
        script.write_text(f"#!/bin/sh\n: >{scene.repository.marks}/worse\n")
        changed = await scene.run()
        assert trust(changed).trusted_by is None
        assert "has changed" in notices(changed)[0]
        assert scene.repository.effects == []

    play(version, tmp_path, act)


@generations
def test_a_folder_below_is_not_a_way_around_a_change_above_it(version: str, tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.trust_on_host()
        configure_hostile(scene.repository.folder / "sub", scene.repository.marks, reviewer=version != "0.120.0")
        assert trust(await scene.run()).trusted_by == "codex"
        scene.change()
        scene.forget_effects()
        below = await scene.run(below="sub")
        assert (trust(below).trusted_by, ready(below).model) == (None, "scripted")
        assert scene.repository.effects == []

    play(version, tmp_path, act)


@generations
def test_what_was_agreed_to_above_and_below_is_not_asked_again(version: str, tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        configure_hostile(scene.repository.folder / "sub", scene.repository.marks, reviewer=version != "0.120.0")
        await scene.run(True, below="sub")
        for below in ("", "sub", "", "sub"):
            assert trust(await scene.run(below=below)).trusted_by == "answer"

    play(version, tmp_path, act)


@pytest.mark.parametrize("version", WITH_SOCKETS)
def test_a_thread_in_a_folder_with_another_name_is_held_to_what_is_remembered(version: str, tmp_path: Path) -> None:
    """Another client began it, under a name with links in it."""
    (tmp_path / "link").symlink_to(".")

    async def act(scene: Scene) -> None:
        scene.trust_on_host()
        assert trust(await scene.run()).trusted_by == "codex"
        stranger = copy.copy(scene)
        stranger.memory = TrustFile(tmp_path / "other")
        stranger.repository = scene.repository.called(tmp_path / "link/clone")
        thread = ready(await stranger.run()).thread_id
        await scene.server.stop()
        await scene.server.start()
        scene.change()
        scene.forget_effects()
        resumed = await scene.run(thread=thread)
        assert trust(resumed).trusted_by is None
        assert scene.repository.effects == []

    play(version, tmp_path, act)


@pytest.mark.parametrize("version", WITH_SOCKETS)
@pytest.mark.parametrize("trusted", [False, True], ids=["kept out", "in force"])
def test_a_server_that_was_started_again_meanwhile_obeys_nothing_else(
    version: str, trusted: bool, tmp_path: Path
) -> None:
    """The host trusts the folder, so that codex itself would obey whatever is there when it loads the thread again."""

    async def act(scene: Scene) -> None:
        scene.trust_on_host()
        assert trust(await scene.run()).trusted_by == "codex"
        if not trusted:
            scene.change()
        scene.forget_effects()

        async def lose_the_server(event: RunEvent) -> None:
            if isinstance(event, TurnStarted):
                if trusted:
                    await scene.until_effect()
                await scene.server.stop()
                scene.change()
                scene.forget_effects()
                await scene.server.start()

        with suppress(RemoraError):
            await scene.run(on_event=lose_the_server)
        resumed = [message["params"] for message in scene.server.sent if message.get("method") == "thread/resume"]
        folder = str(scene.repository.folder)
        assert resumed
        assert all(params["config"]["projects"][folder] == {"trust_level": "untrusted"} for params in resumed)
        assert scene.repository.effects == []

    play(version, tmp_path, act)
