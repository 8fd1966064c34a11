"""Programs attached to a link: run, the library, the official SDK, forwarded ports, while connections are killed."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.base.runs import Person, report_of
from tests.support.base.until import until
from tests.support.codex.attached import ROOT, AttachedHost, attached_host
from tests.support.network.echo_socket import echo_port

import remora
from remora.demo.scripted_model import Gate, RunCommand, Say, Step, Wait
from remora.wire.reports.run import RunEvent, RunReport, TurnStarted

pytestmark = [pytest.mark.sshd, pytest.mark.codex]

INITIALIZE = {"id": 1, "method": "initialize", "params": {"clientInfo": {"name": "t", "version": "1"}}}
CUT_TURN = """
import sys
from openai_codex import {kind}, CodexConfig
config = CodexConfig(launch_args_override=("remora", "bridge", "devbox"))
"""
SYNC = """
with Codex(config) as codex:
    thread = codex.thread_start(cwd=sys.argv[1])
    for event in thread.turn("please").stream():
        print(event.method, flush=True)
    print(thread.read(include_turns=True).thread.turns[-1].items[-1].root.text)
"""
ASYNC = """
import asyncio
async def main():
    async with AsyncCodex(config) as codex:
        thread = await codex.thread_start(cwd=sys.argv[1])
        async for event in (await thread.turn("please")).stream():
            print(event.method, flush=True)
        print((await thread.read(include_turns=True)).thread.turns[-1].items[-1].root.text)
asyncio.run(main())
"""


def connect(host: AttachedHost) -> None:
    done = host.hub.run("connect", "devbox")
    assert done.returncode == 0, done.stderr


def liveness(host: AttachedHost) -> str:
    (link,) = host.hub.document("status")["links"]
    return str(link["liveness"])


def breaks(host: AttachedHost) -> int:
    (link,) = host.hub.document("status")["links"]
    return int(link["breaks"]) if link["liveness"] == "live" else 0


@pytest.mark.parametrize(("kind", "program"), [("Codex", SYNC), ("AsyncCodex", ASYNC)], ids=["sync", "async"])
def test_the_official_sdk_goes_on_when_the_connection_is_cut_in_the_middle_of_a_turn(
    kind: str, program: str, tmp_path: Path
) -> None:
    pytest.importorskip("openai_codex")
    gate = Gate()
    steps: list[Step] = [Say("One, two.", ends_turn=False, piece=2), Wait(gate), Say("And the end.", piece=2)]
    with attached_host(steps, tmp_path) as host:

        async def go() -> list[str]:
            text = CUT_TURN.format(kind=kind) + program
            async with host.started(sys.executable, "-c", text, str(host.project)) as process:
                assert process.stdout is not None
                await gate.reached()
                host.cut()
                await until(lambda: breaks(host) == 1, what="the link is made again")
                gate.open()
                written, complaints = await process.communicate()
                assert process.returncode == 0, complaints
                return written.decode().splitlines()

        lines = run(go())
        assert lines.count("turn/completed") == 1
        assert lines[-1] == "And the end."
        assert host.sshd.accepted_logins() == 2


def test_the_sdk_example_runs(tmp_path: Path) -> None:
    pytest.importorskip("openai_codex")
    with attached_host([Say("Done over there.")], tmp_path) as host:

        async def go() -> tuple[bytes, bytes]:
            example = str(ROOT / "examples/official_sdk.py")
            async with host.started(sys.executable, example, "devbox", str(host.project), "please") as process:
                return await process.communicate()

        written, complaints = run(go())
        assert written.decode().splitlines() == ["Done over there.", "Done over there."], complaints
        assert host.sshd.accepted_logins() == 1


@pytest.mark.parametrize("linked", [True, False], ids=["with a link", "without"])
def test_the_library_example_runs(linked: bool, tmp_path: Path) -> None:
    steps: list[Step] = [RunCommand("touch made-here"), Say("Done."), Say("It is done.")]
    with attached_host(steps, tmp_path) as host:
        if linked:
            connect(host)

        async def go() -> tuple[bytes, bytes]:
            example = str(ROOT / "examples/library.py")
            async with host.started(sys.executable, example, "devbox", "project", "please") as process:
                return await process.communicate()

        written, complaints = run(go())
        lines = written.decode().splitlines()
        assert (lines[0], lines[2]) == ("Done.", "It is done."), complaints
        assert host.sshd.accepted_logins() == 1


def test_a_run_on_a_live_link_needs_no_login_and_reports_the_same(tmp_path: Path) -> None:
    with attached_host([Say("Done over there.")], tmp_path) as host:
        alone = host.hub.run("run", "devbox:project", "please", "--json")
        assert host.sshd.accepted_logins() == 1
        connect(host)
        assert host.sshd.accepted_logins() == 2
        linked = host.hub.run("run", "devbox:project", "please", "--json")
        assert host.sshd.accepted_logins() == 2
        kinds = [[json.loads(line)["kind"] for line in done.stdout.splitlines()] for done in (alone, linked)]
        assert sorted(kinds[0]) == sorted(kinds[1])
        reports = [json.loads(done.stdout.splitlines()[-1]) for done in (alone, linked)]
        assert [report["byte_path"] for report in reports] == ["unix-socket", "relay"]
        for name in ("outcome", "exit_code", "final_message", "host", "folder", "changed_files"):
            assert reports[0][name] == reports[1][name], name
        missing = host.hub.document("run", "devbox:no-such", "please")
        assert missing["error"]["code"] == "folder-missing"


@pytest.mark.parametrize(
    "words",
    [
        ("-m", "remora", "run", "devbox:project", "please"),
        (str(ROOT / "examples/library.py"), "devbox", "project", "x"),
    ],
    ids=["run", "library"],
)
def test_a_link_that_rests_is_brought_back_by_who_needs_it_with_one_login(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    with attached_host([Say("Done over there."), Say("And again.")], tmp_path) as host:
        connect(host)
        host.cut()

        async def go() -> bytes:
            await until(lambda: liveness(host) == "suspended", what="the link that nobody uses rests")
            async with host.started(sys.executable, *words) as process:
                written, complaints = await process.communicate()
                assert process.returncode == 0, complaints
                return written

        assert b"Done over there." in run(go())
        assert liveness(host) == "live"
        assert host.sshd.accepted_logins() == 2


def test_a_hub_that_dies_in_the_middle_of_a_run_is_survived_by_dialling(tmp_path: Path) -> None:
    gate = Gate()
    steps: list[Step] = [Say("One, two.", ends_turn=False, piece=2), Wait(gate), Say("And the end.", piece=2)]
    with attached_host(steps, tmp_path) as host:
        connect(host)

        async def go() -> list[dict[str, object]]:
            words = (sys.executable, "-m", "remora", "run", "devbox:project", "please", "--json")
            async with host.started(*words) as process:
                await gate.reached()
                pid = host.hub.pid
                assert pid is not None
                os.kill(pid, signal.SIGKILL)
                await until(lambda: host.sshd.accepted_logins() == 2, what="the run dials itself")
                gate.open()
                written, _ = await process.communicate()
                return [json.loads(line) for line in written.splitlines()]

        events = run(go())
        kinds = [event["kind"] for event in events]
        assert kinds.count("link-lost") == kinds.count("reconnected") == 1
        assert (events[-1]["outcome"], events[-1]["byte_path"]) == ("completed", "unix-socket")
        assert [event["text"] for event in events if event["kind"] == "message"] == ["One, two.", "And the end."]


def test_the_library_keeps_its_objects_across_a_cut(tmp_path: Path) -> None:
    gate = Gate()
    steps: list[Step] = [Say("One, two.", ends_turn=False, piece=2), Wait(gate), Say("And the end."), Say("More.")]
    with attached_host(steps, tmp_path) as host:
        config = host.hub.environment["REMORA_SSH_CONFIG"]

        async def go() -> list[str]:
            async with remora.connect("devbox", ssh_config=config) as devbox, echo_port() as port:
                thread = await devbox.start_thread(cwd="project")
                forward = await devbox.forward(port)
                async with aclosing(thread.run("please")) as events:
                    running = asyncio.ensure_future(last_words(events))
                    await gate.reached()
                    host.cut()
                    await until(lambda: host.sshd.accepted_logins() == 2)
                    gate.open()
                    first = await running
                async with aclosing(thread.run("more")) as events:
                    second = await last_words(events)
                assert await echoed(forward.local_port, b"x" * 100_000) == b"x" * 100_000
                return [first, second]

        assert run(go()) == ["And the end.", "More."]
        assert host.sshd.accepted_logins() == 2


def test_a_turn_of_the_library_is_steered_and_interrupted_and_its_thread_taken_up_again(tmp_path: Path) -> None:
    gate = Gate()
    steps: list[Step] = [Say("One, two.", ends_turn=False, piece=2), Wait(gate), Say("Not reached."), Say("Again.")]
    with attached_host(steps, tmp_path) as host:
        config = host.hub.environment["REMORA_SSH_CONFIG"]

        async def go() -> tuple[str, str]:
            interrupted = ""
            async with remora.connect("devbox", ssh_config=config) as devbox:
                with pytest.raises(remora.RemoraError, match="no-such"):
                    await devbox.start_thread(cwd="no-such")
                thread = await devbox.start_thread(cwd="project", sandbox="read-only")
                with pytest.raises(remora.RemoraError, match="No turn"):
                    await thread.steer("hello")
                async with aclosing(thread.run("please")) as events:
                    async for event in events:
                        if isinstance(event, TurnStarted):
                            await gate.reached()
                            await thread.steer("and be quick")
                            thread.interrupt()
                        if isinstance(event, RunReport):
                            interrupted = event.outcome
                gate.open()
                again = await devbox.resume_thread(thread.thread_id[:20])
                assert again.thread_id == thread.thread_id
                async with aclosing(again.run("once more")) as events:
                    return interrupted, report_of([event async for event in events]).outcome

        assert run(go()) == ("interrupted", "completed")
        assert host.sshd.accepted_logins() == 1


def test_an_approval_in_the_library_is_declined_unless_a_handler_decides(tmp_path: Path) -> None:
    steps: list[Step] = [RunCommand("touch granted", escalate=True, justification="I want it"), Say("Done.")]
    with attached_host(steps, tmp_path) as host:
        config = host.hub.environment["REMORA_SSH_CONFIG"]

        async def go(approvals: Person | None) -> RunReport:
            async with remora.connect("devbox", approvals=approvals, ssh_config=config) as devbox:
                thread = await devbox.start_thread("project", sandbox="workspace-write", approval_policy="on-request")
                async with aclosing(thread.run("please")) as events:
                    return report_of([event async for event in events])

        assert [asked.decision for asked in run(go(None)).approvals] == ["decline"]
        assert not (host.project / "granted").exists()
        assert [asked.decision for asked in run(go(Person("accept"))).approvals] == ["accept"]
        assert (host.project / "granted").exists()


def test_f73_a_forwarded_port_is_an_object_and_survives_a_cut(tmp_path: Path) -> None:
    with attached_host([Say("Done.")], tmp_path) as host:

        async def go() -> None:
            async with echo_port() as port:
                opened = await asyncio.to_thread(host.hub.document, "forward", "devbox", str(port))
                (forward,) = opened["forwards"]
                assert opened["changed"]
                assert forward["remote_port"] == port
                assert forward["local_port"] != port  # taken by the echo itself
                local = forward["local_port"]
                reader, writer = await asyncio.open_connection("127.0.0.1", local)
                data = bytes(range(256)) * 20_000
                writer.write(data[:100_000])
                assert await reader.readexactly(100_000) == data[:100_000]
                host.cut()
                writer.write(data[100_000:])
                writer.write_eof()
                assert await reader.read(-1) == data[100_000:]
                writer.close()
                await writer.wait_closed()
                again = await asyncio.to_thread(host.hub.document, "forward", "devbox", str(port))
                assert (again["changed"], again["forwards"][0]["local_port"]) == (False, local)
                listed = await asyncio.to_thread(host.hub.document, "forward", "list")
                assert [body["local_port"] for body in listed["forwards"]] == [local]
                taken = await asyncio.to_thread(
                    host.hub.document, "forward", "devbox", str(port), "--local-port", str(port)
                )
                assert taken["error"]["code"] == "port-taken"
                stopped = await asyncio.to_thread(host.hub.document, "forward", "stop", "devbox", str(port))
                assert stopped["changed"]
                with pytest.raises(OSError, match=r"refused|failed"):
                    await asyncio.open_connection("127.0.0.1", local)
                await asyncio.to_thread(host.hub.document, "forward", "devbox", str(port))
                await asyncio.to_thread(host.hub.run, "disconnect", "devbox")
                gone = await asyncio.to_thread(host.hub.document, "forward", "list")
                assert gone["forwards"] == []

        run(go())


def test_the_bridge_ends_with_its_input_after_everything_was_answered(tmp_path: Path) -> None:
    with attached_host([Say("Done.")], tmp_path) as host:

        async def go() -> tuple[int | None, list[dict[str, object]], bytes]:
            async with host.started(sys.executable, "-m", "remora", "bridge", "devbox") as process:
                lines = [INITIALIZE, {"method": "initialized"}, {"id": "last", "method": "thread/list", "params": {}}]
                text = "\n\n".join(json.dumps(line) for line in lines).encode()  # blank lines; no newline at the end
                written, complaints = await process.communicate(text)
                return process.returncode, [json.loads(line) for line in written.splitlines()], complaints

        code, answers, complaints = run(go())
        assert code == 0, complaints
        assert {answer.get("id") for answer in answers} >= {1, "last"}
        assert complaints == b""


def test_a_bridge_that_needs_a_person_asks_nothing(tmp_path: Path) -> None:
    with attached_host([], tmp_path) as host:
        Path(host.sshd.known_hosts).write_text("")
        done = host.hub.run("bridge", "devbox")
        assert (done.returncode, done.stdout) == (5, b"")
        assert b"host-key-unknown" in done.stderr


async def last_words(events: AsyncGenerator[RunEvent, None]) -> str:
    """The final message of a run, once it has ended."""
    return report_of([event async for event in events]).final_message or ""


async def echoed(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    writer.write_eof()
    answer = await reader.read(-1)
    writer.close()
    await writer.wait_closed()
    return answer
