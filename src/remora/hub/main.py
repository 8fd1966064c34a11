"""The hub as a process: in the background it is its own, in the foreground a service manager's or a person's.

What it says before it is ready goes to standard error, the last line is a word of :mod:`remora.hub.shared.readiness`.
"""

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

from remora import wiring
from remora.core.errors import Code, ExitCode, LaunchProblem, RemoraError
from remora.core.link.links import session_name
from remora.core.server.launch_plan import LaunchRequest
from remora.core.settings import Settings
from remora.core.text import decode
from remora.flows.kit.pace import Pace, PacedDialler
from remora.flows.link.targets import Aim
from remora.hub.held import LinkCaller, SupervisedLink
from remora.hub.log import log_faults, start_log
from remora.hub.presence import Presence, first_of
from remora.hub.registry import Registry
from remora.hub.server import HubServer
from remora.hub.shared.lock import HubLock
from remora.hub.shared.places import HubPlaces
from remora.hub.shared.readiness import READY, TAKEN, tell_failure, tell_starter
from remora.hub.socket_repair import HealingSockets
from remora.ports import Clock, LocalSockets
from remora.wire.hub.control import Connect
from remora.wire.reports.links import HubBody

_log: Final = logging.getLogger(__name__)
_LINKS_END: Final = 5.0
"""Seconds that all links together get to say goodbye."""
_DESCRIPTORS: Final = 65536


def main(arguments: Sequence[str]) -> int:
    """Be the hub, until told to end. The exit code is for a service manager."""
    foreground = "--foreground" in arguments
    if not foreground:
        _leave_the_starter()
    os.umask(0o077)
    try:
        places = HubPlaces(wiring.runtime_folder())
        lock = HubLock(places.lock)
        if not lock.take():
            return _leave_to_the_other(foreground=foreground)
        log = wiring.hub_log()
        start_log(log, foreground=foreground)
        asyncio.run(_Hub(places, lock, log, foreground=foreground).run())
    except RemoraError as error:
        tell_failure(error, foreground=foreground)
        return int(error.exit_code)
    except OSError as error:
        problem = _in_the_way(error)
        tell_failure(problem, foreground=foreground)
        return problem.exit_code
    return 0


class _Hub:
    """One life of the hub."""

    def __init__(self, places: HubPlaces, lock: HubLock, log: Path, *, foreground: bool) -> None:
        self._places = places
        self._lock = lock
        self._foreground = foreground
        self._clock = wiring.system_clock()
        self._sockets = HealingSockets(wiring.local_sockets())
        links = _Links(self._clock, self._sockets, wiring.hub_key(places.folder))
        self._registry = Registry(links, places=places, sockets=self._sockets, clock=self._clock)
        self._told: asyncio.Future[str]
        self._server = HubServer(
            self._registry,
            HubBody(
                running=True,
                pid=os.getpid(),
                version=version("remora"),
                since=time.time(),
                socket=str(places.socket),
                log=decode(os.fsencode(log)),
            ),
            clock=self._clock,
            stop=lambda: self._tell("asked to"),
        )

    async def run(self) -> None:
        """Serve until told to end; then first no new caller comes, then the links go, then the lock."""
        loop = asyncio.get_running_loop()
        log_faults(loop)
        self._told = loop.create_future()
        self._hear_signals(loop)
        _raise_descriptor_limit()
        await _remove_dead_doors(self._places, self._sockets)
        async with self._sockets.serve(str(self._places.socket), self._server.visit):
            tell_starter(READY, foreground=self._foreground)
            _log.info("hub %s, process %d", version("remora"), os.getpid())
            presence = Presence(self._lock, self._sockets, make_folder=wiring.runtime_folder, clock=self._clock)
            watching = presence.watch(
                self._idle_for, lambda: self._registry.idle_limit, attended=self._registry.has_clients
            )
            reason = await first_of(asyncio.ensure_future(watching), asyncio.ensure_future(self._wait_told()))
            _log.info("ending: %s", reason)
        try:
            async with asyncio.timeout(_LINKS_END):
                await self._registry.close()
        except TimeoutError:
            _log.warning("some links did not close in time")
        _log.info("ended")

    async def _wait_told(self) -> str:
        return await self._told

    def _tell(self, reason: str) -> None:
        if not self._told.done():
            self._told.set_result(reason)

    def _idle_for(self) -> float:
        since = self._registry.idle_since
        return 0.0 if since is None or self._foreground else self._clock.monotonic() - since

    def _hear_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        """The first signal ends the hub in order, the second at once. A terminal that closes is no business of ours."""
        ending = [signal.SIGTERM, signal.SIGINT]
        if self._foreground:
            ending.append(signal.SIGHUP)
        else:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for number in ending:
            loop.add_signal_handler(number, self._signalled, number)

    def _signalled(self, number: signal.Signals) -> None:
        if self._told.done():
            os._exit(128 + number)
        self._tell(f"{number.name} came")


class _Links:
    """Makes links that dial at one common pace, and spare a server that several of them lead to.

    What a hub with the same `key` left at a relay when it was killed ends when the link is there again.
    """

    def __init__(self, clock: Clock, sockets: LocalSockets, key: bytes) -> None:
        self._key = key
        self._pace = Pace(clock)
        self._gates = cache(wiring.dial_gate)
        self._sockets = sockets

    def aim(self, request: Connect, caller: LinkCaller) -> Aim:
        """See :class:`~remora.hub.registry.LinkMaker`."""
        hosts = {request.alias: request.host}
        settings = Settings(limits=request.limits, hosts=hosts, short_way=request.host.short_way)
        world = wiring.default_world(
            request.ssh_config, settings=settings, gate=self._gates(request.limits), agent=lambda: caller.agent
        )
        dialler = PacedDialler(world.dialler, self._pace, per_second=request.limits.dials_per_second)
        return Aim(request.alias, replace(world, dialler=dialler), request.host.transport, request.meaning)

    def make(self, request: Connect, socket_path: str, caller: LinkCaller) -> SupervisedLink:
        """See :class:`~remora.hub.registry.LinkMaker`."""
        from remora.flows.link import link

        meant = request.meant_name
        return link.Link(
            meant.name,
            self.aim(request, caller),
            self._sockets,
            socket_path=socket_path,
            launch=LaunchRequest(codex=request.host.codex),
            policy=request.host.reconnect,
            own=session_name(self._key, meant.name, meant.mark),
        )


async def _remove_dead_doors(places: HubPlaces, sockets: LocalSockets) -> None:
    """Sockets of a hub or another program that was killed: nobody listens there, so nobody loses anything."""
    places.doors.mkdir(mode=0o700, exist_ok=True)
    for path in sorted((*places.doors.iterdir(), *filter(_is_orphan, places.folder.glob("own-*")))):
        try:
            await (await sockets.connect(str(path))).close()
        except RemoraError:
            with suppress(OSError):
                path.unlink()


def _is_orphan(door: Path) -> bool:
    """Whether the program that held a link of its own behind this door is gone; one that lives may be just opening."""
    number = door.name.split("-")[1]
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError, OverflowError):
        pass
    return False


def _raise_descriptor_limit() -> None:
    """Each link and each of its clients takes some; some systems begin with 256."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _in_the_way(error: OSError) -> LaunchProblem:
    """A place of the hub's own cannot be used: something else lies there, or the disk or a limit is at its end."""
    return LaunchProblem(
        Code.RUNTIME_FOLDER_UNUSABLE,
        f"The hub cannot use {error.filename or 'a file of its own'}: {error.strerror or error}.",
        next_step="Move that file away, or set REMORA_RUNTIME_DIR to another folder.",
        seen=str(error),
    )


def _leave_to_the_other(*, foreground: bool) -> int:
    """There is a hub: what a starter wanted, and not what somebody wanted who would be it."""
    if not foreground:
        tell_starter(TAKEN, foreground=False)
        return ExitCode.DONE
    error = LaunchProblem(
        Code.HUB_START_FAILED,
        "Another hub already runs.",
        next_step="Stop it with: remora hub stop",
    )
    tell_failure(error, foreground=True)
    return error.exit_code


def _leave_the_starter() -> None:
    """Become nobody's child and leave every folder and terminal alone; the starter made a session for us."""
    sys.stdout.flush()
    if os.fork():
        os._exit(0)
    os.chdir("/")
