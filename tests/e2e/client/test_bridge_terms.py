"""What a program may do on a host through the bridge: where its threads work, what they write, what they trust."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGINT, SIGTERM, Signals
from typing import Any

import pytest
from tests.support.base.loop import run
from tests.support.codex.attached import AttachedHost, attached_host

from remora.demo.scripted_model import Gate, RunCommand, Say, Step, Wait

pytestmark = [pytest.mark.sshd, pytest.mark.codex]

versions = pytest.mark.parametrize("version", ["0.133.0", "0.163.0", "0.171.0"])
WRITING = {"sandbox": "workspace-write", "approvalPolicy": "never"}


@dataclass(slots=True)
class BridgeClient:
    """A program that speaks through a bridge."""

    process: asyncio.subprocess.Process
    told: list[dict[str, Any]] = field(default_factory=list)
    number: int = 0

    async def say(self, **message: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        await self.process.stdin.drain()

    async def hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), 30)
        assert line, "the bridge ended"
        message: dict[str, Any] = json.loads(line)
        self.told.append(message)
        return message

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """The whole answer."""
        self.number += 1
        await self.say(id=self.number, method=method, params=params)
        while (answer := await self.hear()).get("id") != self.number or "method" in answer:
            pass
        return answer

    async def told_of(self, method: str) -> dict[str, Any]:
        while True:
            for message in self.told:
                if message.get("method") == method:
                    return message
            await self.hear()


@asynccontextmanager
async def bridge_client(host: AttachedHost, place: str = "devbox", name: str = "tester") -> AsyncIterator[BridgeClient]:
    async with host.started(sys.executable, "-m", "remora", "bridge", place) as process:
        client = BridgeClient(process)
        capabilities = {"experimentalApi": True}
        await client.ask("initialize", clientInfo={"name": name, "version": "1"}, capabilities=capabilities)
        await client.say(method="initialized")
        yield client


def account_says(host: AttachedHost, lines: str) -> None:
    path = host.sshd.home / ".codex/config.toml"
    path.write_text(f"{lines}\n{path.read_text()}")


def bring_config(folder: Path, mark: Path) -> None:
    """What a repository may bring: an MCP server that leaves a mark, and a policy of its own."""
    (folder / ".codex").mkdir(parents=True)
    (folder / ".git").mkdir()
    server = f'[mcp_servers.x]\ncommand = "touch"\nargs = ["{mark}"]\n'
    (folder / ".codex/config.toml").write_text(f'approval_policy = "never"\nmodel = "theirs"\n{server}')


@versions
def test_a_thread_without_a_folder_works_in_that_of_the_bridge(version: str, tmp_path: Path) -> None:
    with attached_host([Say("Done.")], tmp_path, version) as host:

        async def go() -> list[str]:
            async with bridge_client(host, "devbox:~/project") as client:
                named = await client.ask("thread/start", cwd=str(host.sshd.home))
                (host.project / "inner").mkdir()
                beside = await client.ask("thread/start", cwd="inner")
                home = await client.ask("thread/start", cwd="~/project/inner")
                unnamed = await client.ask("thread/start")
                return [answer["result"]["cwd"] for answer in (named, beside, home, unnamed)]

        inner = str(host.project / "inner")
        assert run(go()) == [str(host.sshd.home), inner, inner, str(host.project)]


def test_a_folder_that_is_not_there_is_refused_with_its_reason(tmp_path: Path) -> None:
    with attached_host([], tmp_path) as host:
        done = host.hub.run("bridge", "devbox:no-such")
        assert done.returncode == 7
        assert b"folder-missing" in done.stderr

        async def go() -> dict[str, Any]:
            async with bridge_client(host) as client:
                return await client.ask("thread/start", cwd="~/no-such")

        error = run(go())["error"]
        assert error["code"] == -32602
        assert "no-such" in error["message"]


@versions
def test_without_a_folder_nothing_is_started_that_may_write_in_the_home_folder(version: str, tmp_path: Path) -> None:
    steps: list[Step] = [RunCommand("touch written"), Say("Done.")]
    with attached_host(steps, tmp_path, version) as host:
        account_says(host, 'sandbox_mode = "workspace-write"\napproval_policy = "never"')

        async def go() -> tuple[dict[str, Any], dict[str, Any], str]:
            async with bridge_client(host) as client:
                refused = await client.ask("thread/start", **WRITING)
                started = (await client.ask("thread/start"))["result"]
                prompt = [{"type": "text", "text": "please"}]
                await client.ask("turn/start", threadId=started["thread"]["id"], input=prompt)
                await client.told_of("turn/completed")
                assert client.process.stdin is not None
                client.process.stdin.close()
                assert client.process.stderr is not None
                return refused, started, (await client.process.stderr.read()).decode()

        refused, started, complaints = run(go())
        assert "remora bridge ALIAS:DIR" in refused["error"]["message"]
        assert started["sandbox"]["type"] == "readOnly"
        assert not (host.sshd.home / "written").exists()
        assert complaints == ("remora: thread/start names no folder (cwd), so it works in the home folder read-only.\n")


@versions
def test_no_later_request_makes_a_thread_in_the_home_folder_writable(version: str, tmp_path: Path) -> None:
    """Unless the program names that folder. A fork takes the account's sandbox, as a thread does after a restart."""
    steps: list[Step] = [RunCommand("touch written"), Say("Done.")]
    policy = {"type": "workspaceWrite"}
    with attached_host([*steps, *steps, *steps], tmp_path, version) as host:
        account_says(host, 'sandbox_mode = "workspace-write"\napproval_policy = "never"')
        home, written = str(host.sshd.home), host.sshd.home / "written"
        prompt = [{"type": "text", "text": "please"}]

        async def turn(client: BridgeClient, thread: str, **terms: Any) -> dict[str, Any]:
            answer = await client.ask("turn/start", threadId=thread, input=prompt, **terms)
            if "result" in answer:
                await client.told_of("turn/completed")
                client.told.clear()
            return answer

        async def go() -> None:
            async with bridge_client(host) as client:
                thread = (await client.ask("thread/start"))["result"]["thread"]["id"]
                said: dict[str, dict[str, Any]] = {
                    "turn/start": {"sandboxPolicy": policy, "input": prompt},
                    "thread/settings/update": {"sandboxPolicy": {"type": "dangerFullAccess"}},
                    "thread/resume": {"sandbox": "workspace-write"},
                    "thread/fork": {"sandbox": "danger-full-access"},
                }
                for method, terms in said.items():
                    refused = await client.ask(method, threadId=thread, **terms)
                    assert refused["error"]["message"].startswith(f"{method} names no folder (cwd)"), refused
                assert "result" in await turn(client, thread, sandboxPolicy={"type": "readOnly"})
                forked = (await client.ask("thread/fork", threadId=thread))["result"]
                assert forked["sandbox"]["type"] == "readOnly"
                assert "result" in await turn(client, forked["thread"]["id"])
                assert not written.exists()
            host.hub.run("disconnect", "devbox", "--stop-server")
            async with bridge_client(host) as client:
                resumed = (await client.ask("thread/resume", threadId=thread))["result"]
                assert resumed["sandbox"]["type"] == "readOnly"
                assert "result" in await turn(client, thread, sandboxPolicy=policy, cwd=home)
                assert written.exists()

        run(go())


def test_a_line_that_is_not_utf_8_ends_the_bridge_with_its_number(tmp_path: Path) -> None:
    with attached_host([], tmp_path) as host:

        async def go() -> tuple[int | None, str]:
            async with bridge_client(host) as client:
                assert client.process.stdin is not None
                client.process.stdin.write(b'{"id":9,"method":"thread/list","params":{"searchTerm":"caf\xe9"}}\n')
                _, complaints = await asyncio.wait_for(client.process.communicate(), 30)
                return client.process.returncode, complaints.decode()

        code, complaints = run(go())
        assert code == 2
        assert "Line 3 of standard input is not UTF-8" in complaints


@versions
@pytest.mark.parametrize("said", [{}, WRITING], ids=["account says", "client says"])
def test_a_folder_that_the_host_does_not_trust_stays_so(version: str, said: dict[str, str], tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    steps: list[Step] = [RunCommand("touch written"), Say("Done.")]
    with attached_host(steps, tmp_path, version) as host:
        account_says(host, 'sandbox_mode = "workspace-write"\napproval_policy = "on-request"')
        repository = host.sshd.home / "clone"
        bring_config(repository, mark)
        (repository / "AGENTS.md").write_text("Words for the agent of this repository.\n")

        async def go() -> dict[str, Any]:
            async with bridge_client(host) as client:
                started = (await client.ask("thread/start", cwd=str(repository), **said))["result"]
                prompt = [{"type": "text", "text": "please"}]
                await client.ask("turn/start", threadId=started["thread"]["id"], input=prompt)
                await client.told_of("turn/completed")
                return dict(started)

        started = run(go())
        assert any("Words for the agent" in json.dumps(request.body) for request in host.model.requests)
        assert started["sandbox"]["type"] == "workspaceWrite"
        assert started["model"] != "theirs"
        assert started["approvalPolicy"] == said.get("approvalPolicy", "on-request")
        assert (repository / "written").exists()
        assert not mark.exists()
        assert "trust" not in (host.sshd.home / ".codex/config.toml").read_text()


@versions
@pytest.mark.parametrize("said", [{}, {"approvalPolicy": "never"}], ids=["nothing", "policy"])
def test_a_folder_of_which_nobody_says_anything_may_only_be_read(
    version: str, said: dict[str, str], tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    with attached_host([], tmp_path, version) as host:
        repository = host.sshd.home / "clone"
        bring_config(repository, mark)

        async def go() -> dict[str, Any]:
            async with bridge_client(host, "devbox:clone") as client:
                return dict((await client.ask("thread/start", **said))["result"])

        started = run(go())
        assert started["cwd"] == str(repository)
        assert started["sandbox"]["type"] == "readOnly"
        assert started["approvalPolicy"] == said.get("approvalPolicy", "on-request")
        assert started["model"] != "theirs"
        assert not mark.exists()
        assert "trust" not in (host.sshd.home / ".codex/config.toml").read_text()


@versions
@pytest.mark.parametrize("spelling", ["{}/", "{}//", "{}/.", "/{}", "{}/inner/.."])
def test_no_spelling_of_a_folder_makes_it_trusted(version: str, spelling: str, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with attached_host([], tmp_path, version) as host:
        repository = host.sshd.home / "clone"
        bring_config(repository, mark)
        (repository / "inner").mkdir()

        async def go() -> dict[str, Any]:
            async with bridge_client(host) as client:
                return await client.ask(
                    "thread/start", cwd=spelling.format(repository), sandbox="workspace-write", config={"projects": {}}
                )

        answer = run(go())
        assert ("error" in answer) == (".." in spelling)
        assert answer.get("result", {}).get("model") != "theirs"
        assert not mark.exists()
        assert "trust" not in (host.sshd.home / ".codex/config.toml").read_text()


@versions
def test_what_a_trusted_folder_brings_is_in_force(version: str, tmp_path: Path) -> None:
    with attached_host([], tmp_path, version) as host:
        repository = host.sshd.home / "clone"
        bring_config(repository, tmp_path / "mark")
        path = host.sshd.home / ".codex/config.toml"
        path.write_text(f'{path.read_text()}\n[projects."{repository}"]\ntrust_level = "trusted"\n')

        async def go() -> dict[str, Any]:
            async with bridge_client(host) as client:
                return await client.ask("thread/start", cwd=str(repository), sandbox="workspace-write")

        assert run(go())["result"]["model"] == "theirs"


def test_an_answer_counts_only_from_the_program_that_was_asked(tmp_path: Path) -> None:
    gate = Gate()
    steps: list[Step] = [
        RunCommand("touch granted", escalate=True, justification="I want it"),
        Wait(gate),
        Say("Done."),
    ]
    with attached_host(steps, tmp_path) as host:

        async def go() -> tuple[str, str]:
            async with bridge_client(host) as client, bridge_client(host) as stranger:
                terms = {"sandbox": "workspace-write", "approvalPolicy": "on-request"}
                thread = (await client.ask("thread/start", cwd=str(host.project), **terms))["result"]["thread"]["id"]
                prompt = [{"type": "text", "text": "please"}]
                await client.ask("turn/start", threadId=thread, input=prompt)
                asked = await client.told_of("item/commandExecution/requestApproval")
                for number in (asked["id"], str(asked["id"]), asked["id"] + 1):
                    await stranger.say(id=number, result={"decision": "accept"})
                status = (await stranger.ask("thread/read", threadId=thread))["result"]["thread"]["status"]
                await client.say(id=asked["id"], result={"decision": "decline"})
                resolved = await client.told_of("serverRequest/resolved")
                assert resolved["params"]["requestId"] == asked["id"]
                gate.open()
                await client.told_of("turn/completed")
                return str(status), str(await client.told_of("item/completed"))

        status, _ = run(go())
        assert "waitingOnApproval" in status
        assert not (host.project / "granted").exists()


@pytest.mark.parametrize(("number", "code"), [(SIGTERM, 0), (SIGINT, 130)])
def test_the_bridge_ends_by_a_signal_as_the_app_server_does(number: Signals, code: int, tmp_path: Path) -> None:
    with attached_host([], tmp_path) as host:

        async def go() -> tuple[int | None, bytes, bytes]:
            async with bridge_client(host) as client:
                client.process.send_signal(number)
                written, complaints = await asyncio.wait_for(client.process.communicate(), 10)
                return client.process.returncode, written.replace(b"\n", b""), complaints

        ended, _, complaints = run(go())
        assert (ended, complaints) == (code, b"")


@pytest.mark.parametrize("version", ["0.163.0", "0.171.0"])
def test_the_account_s_own_sandbox_holds_as_a_whole_before_any_turn(version: str, tmp_path: Path) -> None:
    """The same as where the server takes it by itself: its network, its folders and its temporary folders."""
    own = {"network_access": "true", "writable_roots": '["/srv"]', "exclude_slash_tmp": "true"}
    lines = ['sandbox_mode = "workspace-write"', 'approval_policy = "never"']
    lines += [f"sandbox_workspace_write.{name} = {value}" for name, value in own.items()]
    with attached_host([], tmp_path, version) as host:
        account_says(host, "\n".join(lines))
        repository = host.sshd.home / "clone"
        bring_config(repository, tmp_path / "mark")

        async def go() -> list[dict[str, Any]]:
            async with bridge_client(host) as client:
                by_itself = await client.ask("thread/start", cwd=str(repository), config={"projects": {}})
                started = await client.ask("thread/start", cwd=str(repository))
                told = await client.told_of("thread/settings/updated")
                settings = told["params"]["threadSettings"]
                return [by_itself["result"]["sandbox"], started["result"]["sandbox"], settings["sandboxPolicy"]]

        by_itself, started, told = run(go())
        assert started == told
        assert set(by_itself["writableRoots"]) >= set(started["writableRoots"]) >= {"/srv"}
        assert {**started, "writableRoots": []} == {**by_itself, "writableRoots": []}
        assert not (tmp_path / "mark").exists()
