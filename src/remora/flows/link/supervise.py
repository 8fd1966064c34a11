"""One connection after the other for one link, and everything inside it; never two at a time."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Final

from remora.core.errors import Code, RemoraError
from remora.core.host.hosts import Notice
from remora.core.link.events import AttemptFailed, Broke, CameUp, ConnectionLost, Ended, Event
from remora.core.link.faults import host_changed, link_missing
from remora.core.link.links import SessionName
from remora.core.link.reconnect import Effect
from remora.core.link.relay_faults import relay_failed
from remora.core.server.launch_plan import LaunchRequest
from remora.flows.forward.host_ports import HostPorts
from remora.flows.host.dial import connect_route
from remora.flows.kit.own_faults import log_fault
from remora.flows.kit.timeout import dismiss, within_or_none
from remora.flows.link.attendant import Attendance
from remora.flows.link.learned import Learned, learn
from remora.flows.link.reach import PlainWay, Reach, RelayWay
from remora.flows.link.server_stop import end_server, require_idle
from remora.flows.link.targets import Aim, choose
from remora.flows.relay.relay import RelaySession
from remora.flows.relay.relay_attachment import Attachment
from remora.flows.relay.relay_start import RelayPlace, reach_relay
from remora.flows.server.launch import open_app_server
from remora.flows.server.observer import Board
from remora.ports import ByteStream, Dialogue, RemoteHost, World

_MENDABLE: Final = frozenset({Code.RELAY_FAILED, Code.SERVER_GONE})
"""What can be mended on the connection that stands."""
_LAST_WORDS: Final = 0.1


class _Ordered(Exception):
    """Somebody wants the app server stopped, as the first of the orders says; the connection is needed for that."""


@dataclass(slots=True)
class _Live:
    """Whether the app server has answered on this connection."""

    seen: bool = False


class Supervisor:
    """Makes and holds the connections of one link, with `host_ports` on each.

    `tell` takes what happens; `changed` is called for the rest.
    """

    def __init__(
        self,
        aims: list[Aim],
        world: World,
        request: LaunchRequest,
        dialogue: Dialogue,
        *,
        own: SessionName | None,
        host_ports: HostPorts,
        tell: Callable[[Event], Effect],
        changed: Callable[[], None],
    ) -> None:
        self.aims = aims
        """What it may dial, the first one first; there is always one."""
        self._world = world
        self._request = request
        self._dialogue = dialogue
        self._host_ports = host_ports
        self._tell = tell
        self._changed = changed
        self._own = own
        self._relay = self._new_relay()
        self._useful = False
        self._known_here = False
        self._is_elsewhere = False
        """Whether a relay heard of our session that may be on another machine: it proves nothing before a launch."""
        self._probe = asyncio.Event()
        self._orders: asyncio.Queue[asyncio.Future[str]] = asyncio.Queue()
        self.board = Board(changed)
        self.way: Reach | None = None
        """Open while the link is live."""
        self.learned: Learned | None = None
        """From the last launch. A connection whose relay does not know us may lead elsewhere: it launches anew."""
        self.without_relay: Notice | None = None
        """Why the byte path is a plain one on a host that could have a relay."""
        self._accepts_change = False
        self.stalled_since: float | None = None
        """By the wall clock."""

    @property
    def _alias(self) -> str:
        return self.aims[0].alias

    async def attempt(self) -> None:
        """Connect and serve until the connection is gone, and tell how each ended.

        Raises nothing: a fault of ours ends this attempt, not the link, and is told and logged as one.
        """
        lost: RemoraError | None = None
        try:
            aim, route = await choose(self.aims)
            async with connect_route(route, aim.world, self._dialogue) as host:
                try:
                    lost = await self._use(host)
                finally:
                    await self._host_ports.leave()
                if lost is not None:
                    self._tell(ConnectionLost(lost, useful=self._useful))
        except RemoraError as error:
            if lost is None:
                self._tell(AttemptFailed(error))
        except Exception as error:  # noqa: BLE001 - a fault of ours must not end the link
            self._tell(AttemptFailed(log_fault(self._alias, "an attempt to connect", error)))
        finally:
            while not self._orders.empty():
                _refuse(self._orders.get_nowait(), _not_live(self._alias))

    @contextmanager
    def accepting(self, change: bool) -> Iterator[None]:
        """Inside, a person has said whether to go on at whatever machine the name leads to."""
        before, self._accepts_change = self._accepts_change, self._accepts_change or change
        try:
            yield
        finally:
            self._accepts_change = before

    @contextmanager
    def starting_nothing(self) -> Iterator[None]:
        """Inside, an attempt uses the app server that runs; where none does it fails with ``server-absent``."""
        before, self._request = self._request, replace(self._request, may_start=False)
        try:
            yield
        finally:
            self._request = before

    def served(self) -> None:
        """Somebody got something out of this connection."""
        self._useful = True

    def probe(self) -> None:
        """Find out at once whether the connection still answers."""
        self._probe.set()

    async def stop_server(self, *, force: bool) -> str:
        """Stop the app server on the live connection. What is raised says why not; then everything goes on."""
        if self.way is None:
            raise _not_live(self._alias)
        if not force:
            await require_idle(self.way, self._world)
            if self.way is None:
                raise _not_live(self._alias)
        outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._orders.put_nowait(outcome)
        return await outcome

    async def read_marker(self) -> None:
        """Learn the ready marker of now. What was known stays where the host does not tell, or is silent already."""
        way, known = self.way, self.learned
        if way is None or known is None or not known.facts.state_folder or self.stalled_since is not None:
            return
        asking = way.read_marker(known.facts.state_folder)
        with suppress(RemoraError):
            marker = await within_or_none(self._world.clock, self._world.limits.probe, asking)
            if marker is not None and self.learned is known and marker != known.facts.marker:
                self.learned = replace(known, facts=replace(known.facts, marker=marker))
                self._changed()

    async def leave(self) -> None:
        """Say farewell to the relay, if it hears us."""
        await self._relay.leave()

    # -- on one connection

    async def _use(self, host: RemoteHost) -> RemoraError | None:
        """Serve, mending what breaks behind the connection; the reason when a live connection was lost.

        `None` when it was told already. Raises when it did not become live.
        """
        known = self.learned
        launch = known is None or known.place is None or not known.fits(host.facts) or self._is_elsewhere
        self._known_here = False
        while True:
            if launch:
                await self._launch(host)
                self._known_here = True
            live = _Live()
            try:
                cause = await self._serve(host, live, launched=launch)
            except _Ordered:
                if await self._obey(host, self._orders.get_nowait()):
                    self._tell(Ended())
                    return None
                launch = False
                continue
            finally:
                self.way = None
            if not live.seen:
                if launch or cause.code not in _MENDABLE:
                    raise cause
                launch = True
            elif cause.code not in _MENDABLE or await self._is_lost(host):
                return cause
            elif self._tell(Broke(cause)) is not Effect.RELAUNCH:
                return None
            else:
                launch = cause.code is Code.SERVER_GONE

    async def _is_lost(self, host: RemoteHost) -> bool:
        """Whether the whole connection has ended: a channel's end may come a moment before that."""
        return await within_or_none(self._world.clock, _LAST_WORDS, host.wait_lost()) is not None

    async def _launch(self, host: RemoteHost) -> None:
        world = self._world
        limits = world.limits.for_greeting()
        opening = open_app_server(
            host, self._request, clock=world.clock, limits=limits, nonce=world.nonce, lasting=True
        )
        async with opening as server:
            before, now = self.learned, learn(host.facts, server, self.learned)
        if before is not None and not before.identity.is_same_host(now.identity):
            if not self._accepts_change:
                raise host_changed(self._alias, before=before.identity, now=now.identity)
            await self._break_streams()
        self.learned, self._is_elsewhere = now, False
        self.without_relay = None
        self.board.clear()

    async def _serve(self, host: RemoteHost, live: "_Live", *, launched: bool) -> RemoraError:
        learned = self.learned
        if learned is None:
            raise AssertionError("a server is launched before it is served")
        if learned.place is not None:
            try:
                stream = await self._reach_relay(host, learned.place)
            except RemoraError as error:
                if error.code is not Code.RELAY_FAILED:
                    raise
                if not launched:
                    return error
                self._do_without_relay(" ".join((error.message, *error.seen.splitlines()[-1:])))
                await self._break_streams()
            else:
                return await self._serve_relayed(host, stream, live, launched=launched)
        else:
            self._do_without_relay("the host has no Python 3.8 or newer, or no folder for the relay.")
        way = PlainWay(host, self._request, self._world, socket=learned.socket, byte_path=learned.plain_path)
        return await self._attend(host, way, None, live, proven=True)

    async def _serve_relayed(
        self, host: RemoteHost, stream: ByteStream, live: "_Live", *, launched: bool
    ) -> RemoraError:
        async with self._relay.attach(stream) as attachment:
            self.without_relay = None
            proven = launched or attachment.resumed
            if not proven and not self._known_here:
                self._is_elsewhere = True
                return relay_failed("The relay on the host no longer has this link.")
            return await self._attend(host, RelayWay(self._relay, self._world.nonce), attachment, live, proven=proven)

    async def _attend(
        self, host: RemoteHost, way: Reach, attachment: Attachment | None, live: "_Live", *, proven: bool
    ) -> RemoraError:
        def come_up() -> None:
            if self.way is None:
                self.way = way
                self._changed()
            self._host_ports.enter(host)
            if not live.seen:
                live.seen, self._useful, self._known_here = True, False, True
                self._tell(CameUp())

        def hold() -> None:
            self.way = None

        if proven:
            come_up()
        watch = Attendance(
            host,
            way,
            attachment,
            board=self.board,
            world=self._world,
            probe=self._probe,
            answered=come_up,
            doubted=hold,
            stalled=self._note_stall,
        )
        over = asyncio.ensure_future(watch.until_over())
        ordered = asyncio.ensure_future(self._orders.get())
        try:
            await asyncio.wait({over, ordered}, return_when=asyncio.FIRST_COMPLETED)
            if not over.done():
                raise _Ordered
            return over.result()
        finally:
            if ordered.done():  # who gave it waits for an answer, whatever ends this
                self._orders.put_nowait(ordered.result())
            await dismiss(over, ordered)

    async def _obey(self, host: RemoteHost, outcome: "asyncio.Future[str]") -> bool:
        """Stop the app server while nothing of ours takes a session; whether that was done."""
        try:
            ended = await end_server(host, self._request, self._world)
        except RemoraError as error:
            _refuse(outcome, error)
            return False
        except BaseException:
            _refuse(outcome, _not_live(self._alias))
            raise
        await self._dismiss_relay(host)
        if not outcome.done():
            outcome.set_result(ended)
        return True

    async def _dismiss_relay(self, host: RemoteHost) -> None:
        """There is nothing left to carry: the relay need not wait for its lease. If it does not hear, it will."""
        with suppress(RemoraError):
            if self.learned is not None and self.learned.place is not None:
                async with self._relay.attach(await self._reach_relay(host, self.learned.place)):
                    await self._relay.leave()

    async def _reach_relay(self, host: RemoteHost, place: RelayPlace) -> ByteStream:
        world = self._world
        return await reach_relay(host, place, clock=world.clock, limits=world.limits, nonce=world.nonce)

    def _do_without_relay(self, reason: str) -> None:
        self.without_relay = Notice("no-relay", f"Streams to this host end with the connection: {reason}")

    async def _break_streams(self) -> None:
        old, self._relay = self._relay, self._new_relay()
        await old.leave()

    def _note_stall(self, seconds: float | None) -> None:
        if (seconds is None) is (self.stalled_since is None):
            return
        self.stalled_since = None if seconds is None else self._world.clock.wall() - seconds
        self._changed()

    def _new_relay(self) -> RelaySession:
        world = self._world
        return RelaySession(clock=world.clock, limits=world.limits, nonce=world.nonce, own=self._own)


def _refuse(outcome: "asyncio.Future[str]", error: RemoraError) -> None:
    if not outcome.done():
        outcome.set_exception(error)
        outcome.exception()  # seen here: whoever asked may have gone


def _not_live(alias: str) -> RemoraError:
    return link_missing(alias, "is not live")
