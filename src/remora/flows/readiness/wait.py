"""Waiting until hosts are what is asked for: provisioned, ready, linked, or at rest."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final

from remora.core.errors import ExitCode, RemoraError, own_failure
from remora.core.link.links import Liveness
from remora.core.link.meanings import Meaning
from remora.core.readiness.awaited import MARKED, Awaited, Seen, not_ready
from remora.core.readiness.checks import combined_exit_code
from remora.flows.kit.side_by_side import SideBySide
from remora.flows.kit.timeout import dismiss
from remora.flows.readiness.check import check_hosts
from remora.flows.readiness.marker_watch import watch_marker
from remora.ports import Dialogue, World
from remora.wire.reports import error_body
from remora.wire.reports.check import HostCheck
from remora.wire.reports.links import LinkBody, StatusReport
from remora.wire.reports.wait import WaitMoved, WaitProgress, WaitReport, WaitResult

_LINKED: Final = frozenset({Awaited.LIVE, Awaited.IDLE})
States = AsyncGenerator[StatusReport, None]
"""All links of the hub, now and at each change; without a hub there are none."""
Resolve = Callable[[str], Awaitable[Meaning]]
"""What an alias means now."""


async def wait_for_hosts(
    aliases: Sequence[str],
    awaited: Sequence[Awaited],
    world: World,
    dialogue: Dialogue,
    *,
    states: States,
    ssh_config: str | None,
    seconds: float | None,
    codex: Mapping[str, str | None],
    resolve: Resolve,
) -> AsyncGenerator[WaitProgress, None]:
    """Wait until each of `aliases` is all of `awaited`, at most `seconds`; side by side.

    What hosts are comes as it changes, a host when it is decided, and the report, in the order asked, at the end. One
    whose provisioning has failed, or that cannot be reached for good, is decided at once. `states` is closed in the
    end; links count when they have the alias and `ssh_config`, and lead to what `resolve` says the alias means. `codex`
    is the program that each host is checked for.
    Close the iterator to stop.
    """
    waits = {alias: _Wait(alias, awaited, world, dialogue, codex.get(alias)) for alias in dict.fromkeys(aliases)}
    waiting: SideBySide[WaitMoved | WaitResult] = SideBySide()
    linked = _LINKED.intersection(awaited)
    following = [asyncio.create_task(_follow(states, waits, ssh_config, resolve))] if linked else []
    done: dict[str, WaitResult] = {}
    try:
        async with aclosing(waiting.run(wait.run(waiting.tell, seconds) for wait in waits.values())) as news:
            async for item in news:
                if isinstance(item, WaitResult):
                    done[item.host] = item
                yield item
    finally:
        await dismiss(*following)
        await states.aclose()
    hosts = [done[alias] for alias in waits]
    failed = [waits[host.host].exit_code for host in hosts if not host.ok]
    code = combined_exit_code(failed)
    yield WaitReport(ok=not failed, exit_code=int(code), awaited=[one.value for one in awaited], hosts=hosts)


async def _follow(states: States, waits: "dict[str, _Wait]", ssh_config: str | None, resolve: Resolve) -> None:
    """Tell each host's wait about its link."""
    try:
        async with aclosing(states) as coming:
            async for state in coming:
                for alias, wait in waits.items():
                    named = [link for link in state.links if alias in link.aliases and link.ssh_config == ssh_config]
                    try:
                        mark = (await resolve(alias)).mark if named else None
                    except RemoraError as error:
                        wait.give_up(error)
                        continue
                    wait.see_link(next((link for link in named if link.mark == mark), None))
    except RemoraError as error:
        for wait in waits.values():
            wait.give_up(error)
    except Exception as error:  # noqa: BLE001 - those who wait must hear of it
        for wait in waits.values():
            wait.give_up(own_failure("remora", error, next_step="Report it in remora's issue tracker."))


class _Wait:
    """One host."""

    def __init__(
        self, alias: str, awaited: Sequence[Awaited], world: World, dialogue: Dialogue, codex: str | None
    ) -> None:
        self._alias = alias
        self._awaited = awaited
        self._world = world
        self._dialogue = dialogue
        self._codex = codex
        self._seen = Seen()
        self._final: RemoraError | None = None
        self._changed = asyncio.Event()
        self.exit_code = ExitCode.DONE

    def see_link(self, link: LinkBody | None) -> None:
        """What the hub says."""
        known = {liveness.value: liveness for liveness in Liveness}
        self._seen.liveness = None if link is None else known.get(link.liveness)
        self._seen.active = None if link is None else len(link.active_threads)
        self._changed.set()

    def give_up(self, error: RemoraError) -> None:
        """Nothing will be learnt any more."""
        self._final = self._final or error
        self._changed.set()

    async def run(self, tell: Callable[[WaitMoved | WaitResult], None], seconds: float | None) -> None:
        """Wait, and tell what comes of it."""
        clock = self._world.clock
        began = clock.monotonic()
        tasks: list[asyncio.Future[Any]] = []
        if MARKED.intersection(self._awaited):
            tasks.append(asyncio.ensure_future(self._watch()))
        alarm = asyncio.ensure_future(clock.sleep(seconds)) if seconds is not None else None
        try:
            error = await self._decide(tell, alarm)
        finally:
            await dismiss(*tasks, *([alarm] if alarm is not None else []))
        took = clock.monotonic() - began
        if error is None and not self._seen.holds(self._awaited):
            error = not_ready(self._alias, self._seen, self._awaited, took)
        tell(self._result(error, took))

    async def _decide(
        self, tell: Callable[[WaitMoved | WaitResult], None], alarm: "asyncio.Future[None] | None"
    ) -> RemoraError | None:
        """Until all holds, something makes that impossible, or the alarm goes."""
        said = ""
        while not self._seen.holds(self._awaited):
            error = self._final or self._seen.failure(self._awaited)
            if error is not None:
                return error
            words = self._seen.describe(self._awaited)
            if words != said:
                said = words
                tell(WaitMoved(host=self._alias, detail=words))
            self._changed.clear()
            changing = asyncio.ensure_future(self._changed.wait())
            try:
                waiting: set[asyncio.Future[Any]] = {changing, *([alarm] if alarm is not None else [])}
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            finally:
                await dismiss(changing)
            if alarm is not None and alarm.done() and not self._changed.is_set():
                return None
        return None

    async def _watch(self) -> None:
        """Keep what is known of the marker up to date."""
        try:
            async with aclosing(watch_marker(self._alias, self._world, self._dialogue)) as markers:
                async for said in markers:
                    if isinstance(said, RemoraError):
                        self._seen.error = said
                    else:
                        self._seen.marker, self._seen.error = said, None
                    self._changed.set()
                    if Awaited.READY in self._awaited and self._seen.at_rest:
                        await self._check()
        except RemoraError as error:
            self.give_up(error)
        except Exception as error:  # noqa: BLE001 - a fault of ours at one host must not stop the others
            self.give_up(own_failure("remora", error, next_step="Report it in remora's issue tracker."))

    async def _check(self) -> None:
        """Look as ``remora check`` does, at each word of the host that nobody is at work there."""
        codex = {self._alias: self._codex}
        async with aclosing(check_hosts([self._alias], self._world, self._dialogue, codex=codex)) as progress:
            async for step in progress:
                if isinstance(step, HostCheck):
                    faults = (stage.error.message for stage in step.stages if stage.error is not None)
                    self._seen.checked, self._seen.fault = True, None if step.ok else next(faults, "the check failed")
        self._changed.set()

    def _result(self, error: RemoraError | None, seconds: float) -> WaitResult:
        seen = self._seen
        if error is not None:
            error.belongs_to(self._alias)
            self.exit_code = error.exit_code
        linked = bool(_LINKED.intersection(self._awaited))
        return WaitResult(
            host=self._alias,
            ok=error is None,
            seconds=seconds,
            marker=seen.marker,
            liveness=seen.liveness.value if linked and seen.liveness is not None else None,
            active_threads=seen.active if linked else None,
            error=None if error is None else error_body(error),
        )
