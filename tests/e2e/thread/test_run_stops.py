"""A stopped turn leaves nothing on the host without a word: the real app server of every generation."""

import os
import signal
from collections.abc import Callable
from contextlib import aclosing, suppress
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.base.runs import Person, of, report_of, run_to_end, told_by
from tests.support.base.until import until
from tests.support.codex.binaries import VERSIONS
from tests.support.codex.generations import WITH_SOCKETS, ask, cautious, generations
from tests.support.codex.local_app_server import LocalAppServer

from remora.adapters.machine.system_clock import SystemClock
from remora.core.approval.request import ApprovalRequest, Decision
from remora.core.errors import RemoraError
from remora.core.settings import DEFAULT_LIMITS
from remora.demo.scripted_model import CallTool, RunCommand, Say, ScriptedModel, Step
from remora.flows.kit.stop_request import InterruptSwitch
from remora.flows.server.thread_client import ThreadClient
from remora.flows.thread.thread_open import Opening
from remora.flows.thread.turn_stop import stop_thread
from remora.wire.reports.run import ApprovalRequested, CommandStarted, RunEvent, RunReport, TurnStarted, Warned


class Cancelling(Person):
    """Cancels once something is so."""

    def __init__(self, so: Callable[[], bool]) -> None:
        super().__init__("cancel")
        self._so = so

    async def decide(self, request: ApprovalRequest) -> Decision:
        await until(self._so)
        return await super().decide(request)


pytestmark = pytest.mark.codex

LIVES_ON = "setsid sh -c 'echo $$ > detached; exec sleep 600' >/dev/null 2>&1 & echo $$ > main; exec sleep 600"
DEAF = "trap '' TERM INT HUP; echo $$ > main; while :; do sleep 600; done"


def is_alive(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def running(words: str) -> int:
    """How many processes of this machine have exactly this command line."""
    found = 0
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found += process.read_bytes().replace(b"\0", b" ").decode(errors="replace").strip() == words
    return found


async def thread_states(server: LocalAppServer) -> list[str]:
    async with server.connect() as other:
        loaded = (await other.rpc.request("thread/loaded/list", {}))["data"]
        threads = [(await other.rpc.request("thread/read", {"threadId": each}))["thread"] for each in loaded]
        return [thread["status"]["type"] for thread in threads]


async def waiting(server: LocalAppServer) -> None:
    """Until a thread waits for an answer."""
    async with server.connect() as other:
        while True:
            (loaded,) = (await other.rpc.request("thread/loaded/list", {}))["data"]
            thread = (await other.rpc.request("thread/read", {"threadId": loaded}))["thread"]
            if "waitingOnApproval" in thread["status"].get("activeFlags", []):
                return


async def pid_in(file: Path) -> int:
    def written() -> int | None:
        return int(file.read_text()) if file.exists() and file.read_text().endswith("\n") else None

    pid = await until(written)
    assert pid is not None
    return pid


async def interrupted(server: LocalAppServer, *files: str) -> tuple[RunReport, list[int]]:
    """A run that is interrupted when its command has written its process ids to `files`."""
    switch = InterruptSwitch()
    pids: list[int] = []

    async def stop_it(event: RunEvent) -> None:
        if isinstance(event, CommandStarted):
            pids.extend([await pid_in(server.folder / file) for file in files])
            switch.interrupt()

    events = await run_to_end(server.connect, ask(), interrupt=switch, on_event=stop_it)
    return report_of(events), pids


@generations
def test_the_command_of_an_interrupted_turn_ends_with_it_whatever_signals_it_ignores(version: str) -> None:
    async def go(model: ScriptedModel) -> None:
        async with LocalAppServer(version, model.codex_config()) as server:
            report, (main,) = await interrupted(server, "main")
            assert not is_alive(main)
            assert (report.outcome, report.exit_code, report.goes_on) == ("interrupted", 130, False)
            assert (report.unfinished, report.still_running) == (None, [])

    with ScriptedModel([RunCommand(DEAF), Say("Never said.")]) as model:
        run(go(model))


@generations
def test_what_a_command_has_detached_is_named_with_its_process_and_is_not_killed(version: str) -> None:
    async def go(model: ScriptedModel) -> None:
        async with LocalAppServer(version, model.codex_config()) as server:
            report, (main, detached) = await interrupted(server, "main", "detached")
            try:
                assert not is_alive(main)
                assert is_alive(detached)
                assert (report.outcome, report.exit_code, report.goes_on) == ("interrupted", 130, True)
                assert [(each.pid, each.command.strip()) for each in report.still_running] == [(detached, "sleep 600")]
                assert report.unfinished is not None
                assert report.unfinished.code == "processes-left"
                assert f"kill {detached}" in report.unfinished.next
            finally:
                os.kill(detached, signal.SIGKILL)

    with ScriptedModel([RunCommand(LIVES_ON), Say("Never said.")]) as model:
        run(go(model))


@pytest.mark.parametrize("version", WITH_SOCKETS)
def test_what_a_killed_server_leaves_of_a_turn_is_named_with_its_processes(version: str) -> None:
    async def go(model: ScriptedModel) -> None:
        async with LocalAppServer(version, model.codex_config()) as server:
            pids: list[int] = []

            async def kill_it(event: RunEvent) -> None:
                if isinstance(event, CommandStarted) and not pids:
                    pids.extend([await pid_in(server.folder / file) for file in ("main", "detached")])
                    await server.stop()
                    await server.start()

            report = report_of(await run_to_end(server.connect, ask(), on_event=kill_it))
            living = [pid for pid in pids if is_alive(pid)]
            try:
                assert pids[1] in living, "it was detached"
                assert (report.outcome, report.goes_on) == ("interrupted", True)
                assert report.exit_code == 1
                assert {each.pid for each in report.still_running} == set(living)
                assert report.unfinished is not None
                assert report.unfinished.code == "processes-left"
                assert all(str(pid) in report.unfinished.next for pid in living)
                assert report.error is not None
                assert "with its app server" in report.error.message
            finally:
                for pid in living:
                    os.kill(pid, signal.SIGKILL)

    with ScriptedModel([RunCommand(LIVES_ON), Say("Never said.")]) as model:
        run(go(model))


@generations
def test_a_consumer_that_goes_away_in_mid_command_ends_turn_and_command(version: str) -> None:
    async def go(model: ScriptedModel) -> None:
        async with LocalAppServer(version, model.codex_config()) as server:
            async with aclosing(told_by(server.connect, ask())) as events:
                async for event in events:
                    if isinstance(event, CommandStarted):
                        assert is_alive(await pid_in(server.folder / "main"))
                        break
            assert not is_alive(await pid_in(server.folder / "main"))

    with ScriptedModel([RunCommand(DEAF), Say("Never said.")]) as model:
        run(go(model))


@generations
def test_a_consumer_that_goes_away_at_an_approval_leaves_nothing_waiting(version: str) -> None:
    async def go(model: ScriptedModel) -> None:
        async with LocalAppServer(version, model.codex_config()) as server:
            async with aclosing(told_by(server.connect, cautious(), approvals=Person(None))) as events:
                async for event in events:
                    if isinstance(event, ApprovalRequested):
                        break
            if not server.is_attached:
                assert await thread_states(server) == ["idle"]
            assert not (server.folder / "granted").exists()

    with ScriptedModel([RunCommand("touch granted", escalate=True, justification="I want it"), Say("Not.")]) as model:
        run(go(model))


@pytest.mark.parametrize("version", VERSIONS[2:])
def test_sub_agents_and_their_commands_end_with_the_turn_that_began_them(version: str) -> None:
    sleep = f"sleep 601.{os.getpid()}"

    async def go(model: ScriptedModel) -> None:
        async with LocalAppServer(version, model.codex_config()) as server:
            switch = InterruptSwitch()

            async def stop_it(event: RunEvent) -> None:
                if isinstance(event, CommandStarted) and not switch.count:  # the child's command is told, too
                    await until(lambda: running(sleep) == 2, what="the commands of both agents")
                    switch.interrupt()

            report = report_of(await run_to_end(server.connect, ask(), interrupt=switch, on_event=stop_it))
            assert (report.outcome, report.goes_on) == ("interrupted", False)
            assert running(sleep) == 0
            assert await thread_states(server) == ["idle", "idle"]

    steps: list[Step] = [
        CallTool("spawn_agent", {"message": "Do it, too."}, namespace="multi_agent_v1"),
        RunCommand(sleep),
        Say("Never said."),
    ]
    with ScriptedModel(steps) as model:
        run(go(model))


@pytest.mark.parametrize("version", WITH_SOCKETS)
def test_a_goal_of_the_thread_starts_no_other_turn_after_one_that_was_stopped(version: str) -> None:
    async def go(model: ScriptedModel) -> None:
        async with LocalAppServer(version, model.codex_config()) as server:
            switch = InterruptSwitch()

            async def stop_it(event: RunEvent) -> None:
                if isinstance(event, TurnStarted):
                    async with server.connect() as other:
                        goal = {"threadId": event.thread_id, "objective": "All tests pass.", "status": "active"}
                        await other.rpc.request("thread/goal/set", goal)
                    switch.interrupt()

            events = await run_to_end(server.connect, ask(), interrupt=switch, on_event=stop_it)
            assert (report_of(events).outcome, report_of(events).goes_on) == ("interrupted", False)
            assert any("goal" in warning.message for warning in of(Warned, events))
            assert await thread_states(server) == ["idle"]

    with ScriptedModel([RunCommand("sleep 600"), Say("Never said.")]) as model:
        run(go(model))


@generations
def test_a_decision_to_cancel_ends_the_commands_of_the_turn_too(version: str) -> None:
    sleep = f"sleep 600.{os.getpid()}"

    async def go(model: ScriptedModel) -> None:
        async with LocalAppServer(version, model.codex_config()) as server:
            person = Cancelling(lambda: running(sleep) == 1)
            events = await run_to_end(server.connect, cautious(), approvals=person)
            assert report_of(events).outcome == "interrupted"
            assert running(sleep) == 0

    steps: list[Step] = [
        RunCommand(sleep, wait_ms=250),
        RunCommand("touch granted", escalate=True, justification="I want it"),
        Say("Never said."),
    ]
    with ScriptedModel(steps) as model:
        run(go(model))


@pytest.mark.parametrize("version", WITH_SOCKETS)
@pytest.mark.parametrize("asks", [False, True], ids=["runs", "asks"])
def test_a_turn_whose_client_was_killed_can_be_stopped_by_another(version: str, asks: bool) -> None:
    async def go(model: ScriptedModel) -> None:
        async with LocalAppServer(version, model.codex_config()) as server:
            async with server.connect() as other:
                threads = ThreadClient(other.rpc)
                request = cautious() if asks else ask()
                opened = await Opening(request).open(other.rpc, str(server.folder))
                thread = opened.thread
                await threads.start_turn(thread.thread_id, request.inputs, message_id="m", safety=opened.terms.params)
                await until(lambda: asks or running(sleep) == 1)
            if asks:
                await waiting(server)
            with pytest.raises(RemoraError, match="working on another prompt") as busy:
                await run_to_end(server.connect, ask(thread=thread.thread_id))
            assert f"remora threads interrupt devbox/{thread.thread_id}" in busy.value.next_step
            async with server.connect() as mine:
                limits = DEFAULT_LIMITS
                report = await stop_thread(
                    mine.rpc, "devbox", thread.thread_id[:13], clock=SystemClock(), limits=limits
                )
                again = await stop_thread(mine.rpc, "devbox", thread.thread_id, clock=SystemClock(), limits=limits)
            assert (report.ok, report.exit_code, report.was_active, report.still_running) == (True, 0, True, [])
            assert (again.ok, again.was_active) == (True, False)
            assert running(sleep) == 0
            assert await thread_states(server) == ["idle"]

    sleep = f"sleep 602.{os.getpid()}"
    with ScriptedModel([RunCommand(sleep, escalate=asks, justification="I want it"), Say("Never said.")]) as model:
        run(go(model))
