"""Ending a turn with all that it started, and proof of it: what the server ends, and what the host still runs."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

from remora.core.errors import AppServerProblem, Code, ExitCode, RemoraError
from remora.core.server.scripts import script
from remora.core.settings import Limits
from remora.core.text import decode
from remora.core.thread.remains import HostProcess, Look, Remains, left_between, read_look, remains_problem
from remora.core.thread.threads import is_whole_id, may_begin_id
from remora.flows.kit.timeout import within_or_none
from remora.flows.server.rpc import RpcClient
from remora.flows.server.shell import open_shell, shipped
from remora.flows.server.thread_client import ThreadClient
from remora.ports import Clock, RemoteHost, World
from remora.wire.appserver import calls, turn_stop
from remora.wire.appserver.calls import UnknownMethod
from remora.wire.appserver.turn_stop import LoadedThread
from remora.wire.appserver.turns import TurnState, read_turn
from remora.wire.reports import error_body
from remora.wire.reports.run import process_bodies
from remora.wire.reports.threads import ThreadInterrupted

_TRIES: Final = 100
"""How often a server is asked to interrupt that says there is nothing to interrupt yet."""
_PAUSE: Final = 0.05
_ROUNDS: Final = 4
"""Looks at what goes on: a process that was killed takes a moment to be gone, a turn of a sub-agent to end."""
_ROUND_PAUSE: Final = 0.15
_ENTERED: Final = "remora_emit end look\n"
_LOADED: Final = 200
"""Loaded threads that are asked whose sub-agents they are."""


class TurnStop:
    """Stops the turn of one thread over one connection. What fails on the way is in the :class:`Remains`.

    `ours` says whether a command, by its item, belongs to the turn; the others of the thread were left running by
    earlier turns on purpose. Servers that cannot list them end all of them.
    """

    def __init__(
        self, rpc: RpcClient, thread_id: str, *, clock: Clock, limits: Limits, ours: Callable[[str], bool]
    ) -> None:
        self._rpc = rpc
        self._thread_id = thread_id
        self._clock = clock
        self._limits = limits
        self._ours = ours
        self._before: Look | None = None
        self._goal_paused = False

    async def interrupt(self, turn_id: str) -> None:
        """Ask the server to stop the turn; its end comes as an event. Nothing that the thread has planned follows."""
        await asyncio.gather(self._interrupt(self._thread_id, turn_id), self.prepare())

    async def prepare(self) -> None:
        """See what there is before anything is ended, and keep the thread from beginning another turn."""
        await asyncio.gather(self._pause_goal(), self._look_before(), return_exceptions=True)  # a lost link shows later

    async def settle(self) -> Remains:
        """End what the turn started, and tell what is left. Call it when the turn has ended, or may have."""
        return await self._in_time(self._settle(ends=True))

    async def look(self) -> Remains:
        """Tell what is left of a turn that ended with its server, or was ended by somebody else. Ends nothing."""
        return await self._in_time(self._settle(ends=False))

    async def _in_time(self, work: Coroutine[Any, Any, Remains]) -> Remains:
        found = None
        with suppress(RemoraError):
            found = await within_or_none(self._clock, self._limits.stop, work)
        return found or Remains(goal_paused=self._goal_paused)

    async def _settle(self, *, ends: bool) -> Remains:
        remains = Remains()
        for attempt in range(_ROUNDS):
            if attempt:
                await self._clock.sleep(_ROUND_PAUSE)
            threads = await self._family()
            if ends:
                await asyncio.gather(
                    *(self._stop_again(thread.thread_id) for thread in threads if thread.active),
                    *(self._end_commands(thread.thread_id) for thread in threads),
                )
            left = await self._look_after()
            idle = not any(thread.active for thread in threads)
            remains = Remains(idle, left is not None, left or (), self._goal_paused)
            if remains.nothing or (idle and left is None):
                break
        return remains

    async def _interrupt(self, thread_id: str, turn_id: str) -> None:
        """Until it is taken: right after ``turn/start`` was answered, servers say there is nothing to interrupt."""
        for _ in range(_TRIES):
            try:
                return await ThreadClient(self._rpc).interrupt(thread_id, turn_id)
            except RemoraError as error:
                if error.code is not Code.REQUEST_REFUSED:
                    return None  # the link is gone, which shows by itself
            await self._clock.sleep(_PAUSE)
        return None

    async def _pause_goal(self) -> None:
        """A goal would start the next turn as soon as this one has ended."""
        goal = await self._unless_refused(self._rpc.request("thread/goal/get", turn_stop.of_thread(self._thread_id)))
        if turn_stop.has_active_goal(goal):
            pausing = self._rpc.request("thread/goal/set", turn_stop.pause_goal(self._thread_id))
            self._goal_paused = await self._unless_refused(pausing) is not None

    async def _look_before(self) -> None:
        self._before = await self._look()

    async def _look_after(self) -> tuple[HostProcess, ...] | None:
        after = await self._look()
        return None if after is None else left_between(self._before, after)

    async def _look(self) -> Look | None:
        """A look by the server itself: it is on the host already, behind whatever link."""
        if not is_whole_id(self._thread_id):
            return None
        words = ("/bin/sh", "-c", shipped("remains"), "remora", self._thread_id)
        asked = turn_stop.execute(words, seconds=self._limits.stop)
        answer = await self._unless_refused(self._rpc.request("command/exec", asked, limit=self._limits.stop))
        return read_look(turn_stop.read_executed(answer))

    async def _family(self) -> list[LoadedThread]:
        """The thread and its sub-agents, as the server has them in memory. A thread that is not there does nothing."""
        loaded = turn_stop.read_loaded(await self._rpc.request("thread/loaded/list", {}))
        if self._thread_id not in loaded:
            return []
        asked = [self._thread_id, *(each for each in loaded[:_LOADED] if each != self._thread_id)]
        answers = await asyncio.gather(
            *(self._unless_refused(self._rpc.request("thread/read", turn_stop.of_thread(each))) for each in asked)
        )
        return turn_stop.family(self._thread_id, [turn_stop.read_loaded_thread(answer) for answer in answers])

    async def _stop_again(self, thread_id: str) -> None:
        """Interrupt whatever turn runs in this thread now."""
        params = calls.turns_list(thread_id, limit=1, items=False)
        page = await self._unless_refused(self._rpc.request("thread/turns/list", params))
        turns = map(calls.mapping, calls.sequence(calls.mapping(page).get("data")))
        for turn in (read_turn(each) for each in turns):
            await self._interrupt_once(thread_id, turn)

    async def _interrupt_once(self, thread_id: str, turn: TurnState) -> None:
        if not turn.has_ended:
            params = calls.turn_interrupt(thread_id, turn.turn_id)
            await self._unless_refused(self._rpc.request("turn/interrupt", params))

    async def _end_commands(self, thread_id: str) -> None:
        of_thread = turn_stop.of_thread(thread_id)
        try:
            answer = await self._rpc.request("thread/backgroundTerminals/list", of_thread)
        except UnknownMethod:
            await self._unless_refused(self._rpc.request("thread/backgroundTerminals/clean", of_thread))
            return
        except RemoraError as error:
            if error.code not in {Code.REQUEST_REFUSED, Code.THREAD_MISSING}:
                raise
            return
        in_family = thread_id != self._thread_id
        await asyncio.gather(
            *(
                self._unless_refused(
                    self._rpc.request("thread/backgroundTerminals/terminate", turn_stop.terminate(thread_id, terminal))
                )
                for terminal in turn_stop.read_terminals(answer)
                if in_family or self._ours(terminal.item_id)
            )
        )

    async def _unless_refused(self, work: Coroutine[Any, Any, Any]) -> Any:
        """The answer; `None` when this server has no such thing. What a lost connection raises is raised."""
        try:
            return await work
        except RemoraError as error:
            if error.code not in {Code.REQUEST_REFUSED, Code.THREAD_MISSING}:
                raise
            return None


async def stop_thread(rpc: RpcClient, alias: str, words: str, *, clock: Clock, limits: Limits) -> ThreadInterrupted:
    """Stop whatever runs in the thread that `words` mean, for whoever has no run of it."""
    thread_id = await ThreadClient(rpc).find(words)
    answer = await rpc.request("thread/read", turn_stop.of_thread(thread_id))
    stop = TurnStop(rpc, thread_id, clock=clock, limits=limits, ours=lambda item_id: True)
    await stop.prepare()
    remains = await stop.settle()
    problem = remains_problem(remains, alias, thread_id)
    return ThreadInterrupted(
        ok=problem is None,
        exit_code=int(ExitCode.DONE if problem is None else problem.exit_code),
        host=alias,
        thread_id=thread_id,
        was_active=turn_stop.read_loaded_thread(answer).active,
        goal_paused=remains.goal_paused,
        unfinished=None if problem is None else error_body(problem),
        still_running=process_bodies(remains.left),
    )


async def look_without_server(host: RemoteHost, alias: str, words: str, world: World) -> ThreadInterrupted:
    """What commands of a thread left on a host where no app server runs: no turn does, then.

    Raises ``server-absent`` for words that are not an id or its beginning: only a server knows names.
    """
    if not may_begin_id(words):
        raise AppServerProblem(
            Code.SERVER_ABSENT,
            f"No app server runs on {alias}, so no turn runs and the thread {words!r} cannot be looked up.",
            next_step="Name the thread by its id to find processes that its commands left.",
            host=alias,
        )
    limits = world.limits
    said = bytearray()
    look = f"set -- {words.lower()}\n{shipped('remains')}remora_emit end remains\n"
    async with open_shell(host, clock=world.clock, limits=limits, nonce=world.nonce) as shell:
        await shell.enter("look", {}, [_ENTERED], limit=limits.probe)
        await shell.begin(script({}, [look]), listen=said.extend)
        await shell.answer("remains", limit=limits.probe)
    seen = read_look(decode(bytes(said)))
    left = None if seen is None else left_between(None, seen)
    remains = Remains(idle=True, looked=left is not None, left=left or ())
    problem = remains_problem(remains, alias, words)
    return ThreadInterrupted(
        ok=problem is None,
        exit_code=int(ExitCode.DONE if problem is None else problem.exit_code),
        host=alias,
        thread_id=words,
        was_active=False,
        server_runs=False,
        unfinished=None if problem is None else error_body(problem),
        still_running=process_bodies(remains.left),
    )
