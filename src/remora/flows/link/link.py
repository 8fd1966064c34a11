"""A link: one supervised connection to one host, and a local socket that stays whatever happens to it."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any

from remora.core.errors import Code, RemoraError, TimeLimit, Unreachable, own_failure
from remora.core.link.events import (
    Active,
    AttemptFailed,
    CameUp,
    ConnectionLost,
    ConnectRequested,
    Due,
    Ended,
    Event,
    Wanted,
)
from remora.core.link.faults import REPORT_LOGGED, link_missing
from remora.core.link.links import HostIdentity, LinkName, Liveness, SessionName
from remora.core.link.reconnect import Effect, LinkState
from remora.core.server.launch_plan import LaunchRequest, refuse_folder
from remora.core.server.probes import FolderFacts
from remora.core.settings import ReconnectPolicy
from remora.flows.forward.egresses import Egresses
from remora.flows.forward.host_ports import HostPorts
from remora.flows.forward.listeners import Doors, Guest, show_in
from remora.flows.kit.lent_person import LentDialogue
from remora.flows.kit.news import News
from remora.flows.kit.timeout import dismiss, within, within_or_none
from remora.flows.kit.unattended import UnattendedDialogue
from remora.flows.link.reach import Reach
from remora.flows.link.supervise import Supervisor
from remora.flows.link.targets import Aim
from remora.flows.link.wake import watch_machine
from remora.ports import ByteStream, Dialogue, Far, LocalSockets, Near
from remora.wire.reports import error_body, notice_bodies
from remora.wire.reports.links import LinkBody


class Link:
    """The link called `name`. It dials when it is asked for, and keeps what `policy` promises.

    `socket_path` is where its door is: it speaks what the app server's control socket speaks, from the start of
    :meth:`run` to its end, live or not. Several aliases of one machine may share a link, each with a door of its own.
    Beside each is a side door, to the relay itself: a session that a program has there outlives this link.
    """

    def __init__(
        self,
        name: LinkName,
        aim: Aim,
        sockets: LocalSockets,
        *,
        socket_path: str,
        launch: LaunchRequest,
        policy: ReconnectPolicy,
        own: SessionName | None = None,
    ) -> None:
        self.name = name
        self.policy = policy
        self._world = world = aim.world
        self._clock = world.clock
        limits = world.limits
        self._session = LinkState(
            policy, reconnect_total=limits.reconnect_total, dials_per_minute=limits.dials_per_minute
        )
        self._dialogue = LentDialogue()
        self._host_ports = HostPorts(name.alias, world, self._note_change)
        self._supervisor = Supervisor(
            [aim],
            world,
            launch,
            self._dialogue,
            own=own,
            host_ports=self._host_ports,
            tell=self._tell,
            changed=self._note_change,
        )
        self.egresses = Egresses(name.alias, self._host_ports, world)
        """The ways out that the host has through this link."""
        self._doors = Doors(sockets, self._visit, aside=self._visit_aside)
        self._doors.paths[name] = socket_path
        self._aims = {name: aim}
        self._guests = 0
        self._counting = False
        self._breaks = 0
        self._since = self._clock.wall()
        self._changes = News()
        self._rescheduled = asyncio.Event()
        self._dial_now = False
        self._waiters: list[asyncio.Future[None]] = []
        self._stopping = asyncio.Event()
        self._gone = asyncio.Event()
        self._running = False
        self._failure: RemoraError | None = None
        """Why it ended by itself."""

    # -- what it is

    @property
    def liveness(self) -> Liveness:
        """What the link does now."""
        return self._session.liveness

    @property
    def identity(self) -> HostIdentity | None:
        """What machine it leads to; `None` before the first connection."""
        learned = self._supervisor.learned
        return learned.identity if learned is not None else None

    @property
    def aliases(self) -> tuple[LinkName, ...]:
        """Its names, the first one first."""
        return tuple(self._doors.paths)

    def body(self, name: LinkName | None = None) -> LinkBody:
        """The link as it is now, under the name asked for."""
        name = name or self.name
        session, supervisor = self._session, self._supervisor
        body = LinkBody(
            host=name.alias,
            aliases=[other.alias for other in self.aliases],
            ssh_config=name.ssh_config,
            liveness=session.liveness.value,
            since=self._since,
            socket=self._doors.paths.get(name, ""),
            policy=self.policy.value,
            stalled_since=supervisor.stalled_since,
            next_attempt=self._wall(session.deadline),
            error=None if session.error is None else error_body(session.error),
            clients=self._guests,
            breaks=self._breaks,
            active_threads=supervisor.board.active,
            waiting_approvals=supervisor.board.waiting,
            egresses=self.egresses.bodies,
        )
        if supervisor.learned is not None:
            supervisor.learned.describe(body)
        if supervisor.without_relay is not None:
            body.notices = [*body.notices, *notice_bodies([supervisor.without_relay])]
        if supervisor.way is not None:
            body.byte_path = supervisor.way.byte_path.value
        return body

    async def refresh(self) -> None:
        """Learn what changes on the host without a word: its ready marker. Only over a live link.

        What was known stays where the host does not tell. Raises nothing that a host does.
        """
        await self._supervisor.read_marker()

    async def changed(self, seen: int) -> int:
        """Wait until the link differs from version `seen`; give the version of now. Versions only grow, from 1."""
        return await self._changes.since(seen)

    # -- its life

    async def run(self) -> None:
        """Hold the doors and obey the session until :meth:`stop`. Raises nothing that a host does.

        Raises ``runtime-folder-unusable`` when the door cannot be held. However it ends, nothing of the link is left.
        """
        self._running = True
        tasks: list[asyncio.Future[Any]] = []
        try:
            await self._doors.open(self.name)
            waking = watch_machine(self._clock, self._world.network, self._tell)
            works: list[Coroutine[Any, Any, object]] = [self._obey(), waking, self._stopping.wait()]
            tasks.extend(asyncio.ensure_future(work) for work in works)
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
        except RemoraError as error:
            self._failure = error
            raise
        except Exception as error:
            self._failure = own_failure("remora", error, next_step=REPORT_LOGGED)
            self._failure.belongs_to(self.name.alias)
            raise
        finally:
            try:
                await self._end(tasks)
            finally:
                self._gone.set()

    async def bring_up(self, dialogue: Dialogue, *, accepts_change: bool = False) -> bool:
        """A person wants it: dial now if it is not live, asking through `dialogue`; whether anything changed.

        With `accepts_change` it may come up at another machine than before; what was attached there ends. Raises what
        stopped the attempt; the link then goes on as its policy says.
        """
        if self.liveness is Liveness.LIVE:
            return False
        with self._dialogue.lent(dialogue), self._supervisor.accepting(accepts_change):
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                self._tell(ConnectRequested())
                if self.liveness is Liveness.STOPPED:
                    raise self._stopped()
                await waiter
            finally:
                self._waiters = [other for other in self._waiters if other is not waiter]
        return True

    async def stop(self, *, stop_server: bool = False, force: bool = False) -> str:
        """End the link for good; what became of the app server: ``left``, ``stopped`` or ``absent``.

        With `stop_server` a server that we started is stopped before: raises ``server-busy`` when a turn runs and
        `force` is not given, ``server-not-ours``, or what keeps the host from being reached; the link then goes on.
        On return nothing of the link is left here, its doors included.
        """
        outcome = await self._stop_server(force=force) if stop_server else "left"
        self._stopping.set()
        self._tell(Ended())
        if self._running:
            await self._gone.wait()
        return outcome

    async def _stop_server(self, *, force: bool) -> str:
        try:
            with self._supervisor.starting_nothing():
                await self.bring_up(UnattendedDialogue())
        except RemoraError as error:
            if error.code is not Code.SERVER_ABSENT:
                raise
            return "absent"
        return await self._supervisor.stop_server(force=force)

    async def add_alias(self, name: LinkName, aim: Aim, socket_path: str) -> None:
        """Another name for the same machine, or another meaning of one: it is dialled, too, from now on.

        A new name gets a door of its own into this link. Raises as :meth:`run`.
        """
        self._aims[name] = aim
        self._supervisor.aims = list(self._aims.values())
        if name in self.aliases:
            return
        self._doors.paths[name] = socket_path
        try:
            await self._doors.open(name)
        except BaseException:
            await self._doors.close(name)
            self._forget_aim(name)
            raise
        self._note_change()

    def set_policy(self, policy: ReconnectPolicy) -> None:
        """Reconnect by this policy from now on."""
        self.policy = policy
        self._session.policy = policy
        self._note_change()

    async def remove_alias(self, name: LinkName) -> None:
        """Close the door of one name, and dial it no more; not the only one."""
        self._forget_aim(name)
        await self._doors.close(name)
        if name == self.name and self.aliases:
            self.name = self.aliases[0]
        self._note_change()

    def _forget_aim(self, name: LinkName) -> None:
        if len(self._aims) > 1:
            self._aims.pop(name, None)
            self._supervisor.aims = list(self._aims.values())

    # -- what it is for

    async def open_server(self) -> ByteStream:
        """One connection to the app server's control socket, as its bytes. Waits while the link is down."""
        return await self._enter(lambda way: way.open_server())

    async def open_port(self, port: int) -> ByteStream:
        """One connection to a TCP port of the host's loopback. Waits while the link is down."""
        return await self._enter(lambda way: way.open_port(port))

    def carry_port(self, port: int, near: Near, *, left: Callable[[], None]) -> Far | None:
        """The same for `near`, without waiting; `None` while the link is down, and where it has no relay.

        `left` is called once, when the client has gone.
        """
        way = self._supervisor.way
        if way is None:
            return None

        def gone() -> None:
            self._count_soon(-1)
            left()

        far = way.carry_port(port, near, served=self._supervisor.served, left=gone)
        if far is not None:
            self._count_soon(+1)
        return far

    def flush(self) -> None:
        """Let go what was told to connections that are carried; while the link is down it waits."""
        if self._supervisor.way is not None:
            self._supervisor.way.flush()

    async def find_folder(self, folder: str | None) -> FolderFacts:
        """What `folder` is on the host. Raises ``folder-missing`` for one where nobody can work."""
        seconds = self._world.limits.request
        late = TimeLimit(
            Code.TIME_LIMIT,
            f"The host did not resolve the folder within {seconds:g} seconds.",
            next_step="Check the link with: remora status",
            host=self.name.alias,
        )
        facts = await within(self._clock, seconds, self._ask_folder(folder), error=late)
        refuse_folder(facts)
        return facts

    async def _ask_folder(self, folder: str | None) -> FolderFacts:
        self._tell(Wanted())
        return await (await self._way()).find_folder(folder)

    async def _enter(self, open_stream: Callable[[Reach], Awaitable[ByteStream]]) -> ByteStream:
        """A stream that counts as a guest until it is closed. A guest is what keeps the link from being idle."""
        self._count(+1)
        try:
            self._tell(Wanted())
            stream = await self._open(open_stream)
        except BaseException:
            self._count(-1)
            raise
        return Guest(stream, served=self._supervisor.served, left=partial(self._count, -1))

    async def _open(self, open_stream: Callable[[Reach], Awaitable[ByteStream]]) -> ByteStream:
        while True:
            way = await self._way()
            try:
                return await open_stream(way)
            except Unreachable:
                if self._supervisor.way is way:
                    raise  # else the link broke in that moment: wait for it like everybody

    async def _way(self) -> Reach:
        while self._supervisor.way is None:
            if self.liveness is Liveness.STOPPED:
                raise self._stopped()
            await self._changes.since(self._changes.version)
        return self._supervisor.way

    def _count(self, step: int) -> None:
        self._guests += step
        self._note_change()

    def _count_soon(self, step: int) -> None:
        """As :meth:`_count`; many that come and go at the same moment are one change."""
        self._guests += step
        if not self._counting:
            self._counting = True
            asyncio.get_running_loop().call_soon(self._note_guests)

    def _note_guests(self) -> None:
        self._counting = False
        self._note_change()

    async def _visit(self, client: ByteStream) -> None:
        await show_in(client, self.open_server)

    async def _visit_aside(self, client: ByteStream) -> None:
        await show_in(client, partial(self._enter, lambda way: way.open_relay()))

    # -- the loop that obeys

    async def _obey(self) -> None:
        """Do what the session says, one attempt at a time, until it has ended."""
        while self.liveness is not Liveness.STOPPED:
            if self._dial_now:
                self._dial_now = False
                await self._supervisor.attempt()
                continue
            self._rescheduled.clear()
            await self._wait(self._session.deadline)
            self._tell(Due())

    async def _wait(self, deadline: float | None) -> None:
        """Until something happens that may move the deadline, or the deadline comes."""
        waiting: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._rescheduled.wait())]
        if deadline is not None:
            left = max(deadline - self._clock.monotonic(), 0)
            waiting.append(asyncio.ensure_future(self._clock.sleep(left)))
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await dismiss(*waiting)

    def _tell(self, event: Event) -> Effect:
        """Tell the session; begin what it says, and let everybody know."""
        session = self._session
        before, deadline = session.liveness, session.deadline
        effect = session.take(event, now=self._clock.monotonic(), chance=self._world.random.random())
        if effect is Effect.DIAL:
            self._dial_now = True
        elif effect is Effect.PROBE:
            self._supervisor.probe()
        if isinstance(event, ConnectionLost):
            self._breaks += 1
        if session.liveness is not before:
            self._since = self._clock.wall()
        if effect is not Effect.NONE or session.liveness is not before or session.deadline != deadline:
            self._rescheduled.set()
            self._note_change()
        self._answer_waiters(event)
        return effect

    def _answer_waiters(self, event: Event) -> None:
        """Tell those who asked how their attempt ended; one that begins anew at once has not ended."""
        error: RemoraError | None = None
        match event:
            case AttemptFailed(reason) | ConnectionLost(reason, _) if not self._dial_now and not self._session.promised:
                error = reason
            case Ended():
                error = self._stopped()
            case CameUp():
                pass
            case _:
                return
        for waiter in self._waiters:
            if not waiter.done() and error is not None:
                waiter.set_exception(error)
            elif not waiter.done():
                waiter.set_result(None)

    def _note_change(self) -> None:
        """Whoever watches learns it; the session learns whether somebody uses the link."""
        active = self._guests > 0 or self._host_ports.wanted or bool(self._supervisor.board.active)
        self._session.take(Active(active), now=self._clock.monotonic(), chance=0.0)
        self._changes.tell()

    # -- the end

    async def _end(self, tasks: "list[asyncio.Future[Any]]") -> None:
        self._tell(Ended())
        limits = self._world.limits
        try:
            with suppress(RemoraError):
                await within_or_none(self._clock, limits.stop, self._supervisor.leave())  # else its lease ends it
        finally:
            await dismiss(*tasks)
            await self._doors.close_all()

    def _stopped(self) -> RemoraError:
        return self._failure or link_missing(self.name.alias, "was ended")

    def _wall(self, moment: float | None) -> float | None:
        return None if moment is None else self._clock.wall() + moment - self._clock.monotonic()
