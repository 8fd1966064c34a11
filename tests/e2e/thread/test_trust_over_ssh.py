"""A hostile repository behind a real sshd: the program and the library, as a user runs them."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.base.loop import run
from tests.support.base.program import remora
from tests.support.base.runs import report_of
from tests.support.base.until import wait_until
from tests.support.codex.generations import WITH_SOCKETS, configure, host_with
from tests.support.link.hubs import hub_place
from tests.support.model.hostile_repository import Hostile, hostile_repository
from tests.support.screen.terminal_program import on_terminal
from tests.support.sshd.account_sshd import AccountSshd

import remora as library
from remora.core.errors import ExitCode
from remora.demo.scripted_model import Say, ScriptedModel

pytestmark = [pytest.mark.sshd, pytest.mark.codex]
NEWEST = WITH_SOCKETS[-1]


@contextmanager
def clone(version: str, tmp_path: Path) -> Iterator[tuple[AccountSshd, Hostile, str]]:
    """A host with a hostile clone in its home, and the SSH config that leads there."""
    with ScriptedModel([Say("Done.")]) as model, host_with(version) as sshd:
        config = configure(sshd, model, tmp_path)
        repository = hostile_repository(sshd.home / "clone", sshd.home / "marks", reviewer=version != "0.120.0")
        before = (sshd.home / ".codex/config.toml").read_bytes()
        yield sshd, repository, config
        assert (sshd.home / ".codex/config.toml").read_bytes() == before


@pytest.mark.parametrize("version", ["0.120.0", *WITH_SOCKETS])
def test_a_script_is_told_what_a_clone_brings_and_nothing_of_it_happens(version: str, tmp_path: Path) -> None:
    trust: dict[str, Any] = {}
    with clone(version, tmp_path) as (_, repository, config):
        for words in (["--sandbox", "workspace-write"], []):
            done = remora("run", "devbox:clone", "hi", "--json", "--ssh-config", config, *words)
            assert done.returncode == ExitCode.DONE, done.stderr
            documents = [json.loads(line) for line in done.stdout.splitlines()]
            (ready,) = [document for document in documents if document["kind"] == "thread"]
            assert (ready["sandbox"], ready["approval_policy"]) == (words[-1] if words else "read-only", "on-request")
            trust = documents[-1]["trust"]
            assert trust == ready["trust"]
            assert trust["trusted_by"] is None
            assert {"what": "mcp-server", "name": "x"}.items() <= trust["brings"][0].items()
            warned = [document["message"] for document in documents if document["kind"] == "warning"]
            assert [message for message in warned if f"--trust-folder {trust['hash']}" in message]
        assert repository.effects == []
        refused = remora("run", "devbox:clone", "hi", "--ssh-config", config, "--trust-folder", "ab" * 32)
        assert refused.returncode == ExitCode.DENIED
        assert trust["hash"] in refused.stderr.decode().replace("\n", "").replace(" ", "")
        assert repository.effects == []


def test_a_person_is_asked_once_and_enter_is_no(tmp_path: Path) -> None:
    with clone(NEWEST, tmp_path) as (_, repository, config):

        async def go(answer: str | None) -> str:
            async with on_terminal("run", "devbox:clone", "hi", environment={"REMORA_SSH_CONFIG": config}) as program:
                if answer is not None:
                    await program.screen.shows("Use it? yes or no [no]: ")
                    program.screen.type(answer)
                assert await program.ends() == ExitCode.DONE
                return program.screen.seen

        seen = run(go("\n"))
        assert "MCP server" in seen
        assert "touch" in seen
        assert "Use it?" not in run(go(None))
        assert repository.effects == []
        config_file = repository.folder / ".codex/config.toml"
        config_file.write_text(config_file.read_text().replace('"hostile"', '"worse"'))
        run(go("yes\n"))
        wait_until(lambda: "mcp-server" in repository.effects)


def test_the_library_without_a_handler_trusts_nothing(tmp_path: Path) -> None:
    with clone(NEWEST, tmp_path) as (_, repository, config):

        async def go() -> None:
            async with library.connect("devbox", ssh_config=config) as host:
                thread = await host.start_thread("clone", sandbox="workspace-write")
                for prompt in ("hi", "again"):
                    events = [event async for event in thread.run(prompt)]
                    assert report_of(events).outcome == "completed"
                resumed = await host.resume_thread(thread.thread_id, sandbox="workspace-write")
                trust = report_of([event async for event in resumed.run("hi")]).trust
                assert trust is not None
                assert trust.trusted_by is None

        run(go())
        assert repository.effects == []


@pytest.mark.parametrize("linked", [False, True], ids=["own-connection", "link"])
def test_a_folder_is_the_same_one_by_every_name(linked: bool, tmp_path: Path) -> None:
    """codex knows a folder by the name that it was given; what the host trusts there and has changed is not obeyed."""
    with ScriptedModel([Say("Done.")]) as model, host_with(NEWEST) as sshd, ExitStack() as parts:
        config = configure(sshd, model, tmp_path)
        repository = hostile_repository(sshd.home / "clone", sshd.home / "marks")
        (sshd.home / "other").symlink_to("clone")
        (sshd.home / "home").symlink_to(".")
        account = sshd.home / ".codex/config.toml"
        trusted = json.dumps(str(repository.folder))
        account.write_text(f'{account.read_text()}\n[projects.{trusted}]\ntrust_level = "trusted"\n')
        hub = parts.enter_context(hub_place(REMORA_SSH_CONFIG=config))
        if linked:
            assert hub.run("connect", "devbox").returncode == ExitCode.DONE

        def told(place: str) -> dict[str, Any]:
            done = hub.run("run", f"devbox:{place}", "hi", "--json")
            assert done.returncode == ExitCode.DONE, done.stderr
            documents = [json.loads(line) for line in done.stdout.splitlines()]
            (ready,) = [document for document in documents if document["kind"] == "thread"]
            return dict(ready)

        assert told("clone")["trust"]["trusted_by"] == "codex"
        wait_until(lambda: "mcp-server" in repository.effects)
        settings = repository.folder / ".codex/config.toml"
        settings.write_text(settings.read_text().replace('"hostile"', '"worse"'))
        for mark in repository.marks.iterdir():
            mark.unlink()
        for place in ("other", "home/other", "~/home/home/clone", f"{sshd.home}/other/./sub/.."):
            ready = told(place)
            assert (ready["trust"]["trusted_by"], ready["folder"]) == (None, str(repository.folder)), place
        assert repository.effects == []


@pytest.mark.parametrize("linked", [False, True], ids=["own-connection", "link"])
@pytest.mark.parametrize("below", ["", "/sub/deep"])
def test_a_first_thread_waits_for_the_look_where_the_host_trusts_the_folder(
    linked: bool, below: str, tmp_path: Path
) -> None:
    """What nobody can vouch for is not in force for a moment: codex itself would start it with the thread."""
    with ScriptedModel([Say("Done.")]) as model, host_with(NEWEST) as sshd, ExitStack() as parts:
        config = configure(sshd, model, tmp_path)
        repository = hostile_repository(sshd.home / "clone", sshd.home / "marks")
        (repository.folder / ".codex/rules/more.rules").symlink_to("/etc/hostname")
        account = sshd.home / ".codex/config.toml"
        trusted = json.dumps(str(repository.folder))
        account.write_text(f'{account.read_text()}\n[projects.{trusted}]\ntrust_level = "trusted"\n')
        hub = parts.enter_context(hub_place(REMORA_SSH_CONFIG=config))
        if linked:
            assert hub.run("connect", "devbox").returncode == ExitCode.DONE
        done = hub.run("run", f"devbox:clone{below}", "hi", "--json")
        trust = json.loads(done.stdout.splitlines()[-1])["trust"]
        assert (done.returncode, trust["trusted_by"], bool(trust["problem"])) == (ExitCode.DONE, None, True)
        assert repository.effects == []


def test_a_manifest_that_names_the_hash_puts_it_in_force_in_runs_from_here(tmp_path: Path) -> None:
    with ScriptedModel([Say("Done.")]) as model, host_with(NEWEST) as sshd, hub_place() as hub:
        hub.environment["REMORA_SSH_CONFIG"] = configure(sshd, model, tmp_path)
        origin = hostile_repository(sshd.home / "origin", sshd.home / "marks")
        before = (sshd.home / ".codex/config.toml").read_bytes()
        project = f'[[defaults.projects]]\nrepository = "{origin.folder}"\nfolder = "~/clone"\nref = "main"\n'

        def provisioned(more: str) -> int:
            manifest = tmp_path / "boxes.toml"
            manifest.write_text(f'{project}{more}\n[[hosts]]\nselect = ["devbox"]\n')
            done = hub.run("provision", str(manifest))
            assert done.returncode in {ExitCode.DONE, ExitCode.PARTIAL}, done
            return done.returncode

        def told() -> dict[str, Any]:
            done = hub.run("run", "devbox:clone", "hi", "--json", "--sandbox", "workspace-write")
            assert done.returncode == ExitCode.DONE, done.stderr
            trust: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])["trust"]
            return trust

        assert provisioned("") == ExitCode.DONE
        untrusted = told()
        assert untrusted["trusted_by"] is None
        assert provisioned(f'trust = "{"ab" * 32}"') == ExitCode.PARTIAL
        assert told()["trusted_by"] is None
        assert origin.effects == []
        assert provisioned(f'trust = "{untrusted["hash"]}"') == ExitCode.DONE
        assert told()["trusted_by"] == "manifest"
        assert hub.run("trust", "revoke", "devbox:~/clone").returncode == ExitCode.DONE
        assert told()["trusted_by"] is None
        assert provisioned(f'trust = "{untrusted["hash"]}"') == ExitCode.DONE
        assert told()["trusted_by"] == "manifest"
        wait_until(lambda: "mcp-server" in origin.effects)
        settings = sshd.home / "clone/.codex/config.toml"
        settings.write_text(settings.read_text().replace('"hostile"', '"worse"'))
        for mark in origin.marks.iterdir():
            mark.unlink()
        assert told()["trusted_by"] is None
        assert origin.effects == []
        assert (sshd.home / ".codex/config.toml").read_bytes() == before
