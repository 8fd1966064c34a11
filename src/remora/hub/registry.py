"""The links that the hub holds: one for each machine, under as many names as people use.

A name is looked up with what it meant to whoever says it: one whose meaning has changed finds another link.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, Protocol, TypeVar

from remora.core.errors import RemoraError, Stage, Verdict
from remora.core.link.egress import EgressRequest
from remora.core.link.faults import link_missing
from remora.core.link.links import LinkName, Liveness
from remora.core.link.meanings import MeantName
from remora.core.server.probes import FolderFacts
from remora.core.settings import DEFAULT_LIMITS, ReconnectPolicy
from remora.flows.kit.news import News
from remora.flows.link.targets import Aim
from remora.hub.held import HeldLink, LinkCaller, SupervisedLink, by_name
from remora.hub.link_forwards import HubForwards
from remora.hub.names import Names
from remora.hub.shared.places import HubPlaces
from remora.ports import Clock, Dialogue, LocalSockets
from remora.wire.hub.control import Connect, Disconnect, Disconnected, LinkConnected
from remora.wire.reports.links import EgressBody, ForwardBody, LinkBody

T = TypeVar("T")

_log: Final = logging.getLogger(__name__)
_WORTH_KEEPING: Final = frozenset({Stage.HOST_KEY, Stage.AUTHENTICATION})
"""Where a person can help a link that never came up: it stays, and says what it needs."""
_PASSING: Final = frozenset({Verdict.RETRY, Verdict.NEEDS_HUMAN})
"""What may keep a link down that was there before."""


class LinkMaker(Protocol):
    """Makes what a request asks for."""

    def make(self, request: Connect, socket_path: str, caller: LinkCaller) -> SupervisedLink:
        """A link with its local socket at this path; it does not run yet."""
        ...

    def aim(self, request: Connect, caller: LinkCaller) -> Aim:
        """What another link is to dial for this request, too."""
        ...


class Registry:
    """Holds links. Requests for one name wait for each other; those for different names do not."""

    def __init__(self, maker: LinkMaker, *, places: HubPlaces, sockets: LocalSockets, clock: Clock) -> None:
        self._maker = maker
        self._places = places
        self._clock = clock
        self._names = Names()
        self._turns: dict[LinkName, asyncio.Lock] = {}
        self._settling: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        """For each host key: one link at a time finds out whether its machine has a link already."""
        self._closing: dict[LinkName, asyncio.Task[None]] = {}
        self._work: set[asyncio.Task[Any]] = set()
        self._told: dict[HeldLink, tuple[str, str | None]] = {}
        self._dropping: dict[HeldLink, asyncio.Task[None]] = {}
        self._forwards = HubForwards(sockets)
        self.news = News()
        self.idle_since: float | None = clock.monotonic()
        """Since when there is no link; `None` while there is one."""
        self.idle_limit = DEFAULT_LIMITS.hub_idle
        """How many seconds the hub stays without a link, as the last one that ended wanted it."""

    def bodies(self) -> list[LinkBody]:
        """All links, as they are now."""
        return [self._body(held, self._names.shown(held)) for held in by_name(self._names.held)]

    def named(self, name: LinkName) -> list[LinkBody]:
        """The links under one name, for each of its meanings; not live yet while another link may get the name."""
        bodies = []
        for meant, held in self._names.links.items():
            if meant.name != name or name not in held.link.aliases:
                continue
            body = self._body(held, meant)
            if body.liveness == Liveness.LIVE and not held.settled and self._turn(name).locked():
                body.liveness = Liveness.CONNECTING.value
            bodies.append(body)
        return bodies

    async def refresh(self, patience: float) -> None:
        """Let live links learn what their hosts do not tell by themselves; whoever takes longer tells the next time."""
        tasks = [self._keep(asyncio.create_task(held.link.refresh())) for held in self._names.held]
        if tasks:
            await asyncio.wait(tasks, timeout=patience)

    def has_clients(self) -> bool:
        """Whether anybody is attached to a link, or to one of its ports, here or on the host."""
        return any(
            body.clients or any(each.clients for each in body.forwards) or any(each.clients for each in body.egresses)
            for body in self.bodies()
        )

    async def connect(self, request: Connect, dialogue: Dialogue) -> LinkConnected:
        """Have a live link. Goes on when the caller does not wait for it any more."""
        task = self._keep(asyncio.create_task(self._connect(request, dialogue)))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if request.hold:
                task.add_done_callback(lambda done: self._abandoned(request.meant_name, done))
            raise

    async def disconnect(self, request: Disconnect) -> Disconnected:
        """Have no link under this name, whatever it meant. Goes on when the caller does not wait for it any more."""
        return await asyncio.shield(self._keep(asyncio.create_task(self._disconnect(request))))

    async def unhold(self, meant: MeantName) -> None:
        """One who held the link has left: it ends unless somebody else wants it."""
        held = self._names.links.get(meant)
        if held is not None and held.unhold(meant):
            await asyncio.shield(self._keep(asyncio.create_task(self._release(held, [meant]))))

    async def find_folder(self, name: LinkName, mark: str | None, folder: str | None) -> FolderFacts:
        """What `folder` is called on the host."""
        return await self._require(name, mark).link.find_folder(folder)

    async def open_forward(
        self, name: LinkName, mark: str | None, port: int, local_port: int | None
    ) -> tuple[ForwardBody, bool]:
        """See :meth:`Forwards.open`."""
        held = self._require(name, mark)
        body, is_new = await self._forwards.open(held, port, local_port)
        self.news.tell()
        return self._names.placed(held, [body])[0], is_new

    async def open_egress(self, name: LinkName, mark: str | None, request: EgressRequest) -> tuple[EgressBody, bool]:
        """See :meth:`remora.flows.forward.egresses.Egresses.open`."""
        held = self._require(name, mark)
        body, is_new = await held.link.egresses.open(request)
        return self._names.placed(held, [body])[0], is_new

    async def stop_forward(
        self, name: LinkName, mark: str | None, port: int | None, local_port: int | None
    ) -> tuple[list[ForwardBody], list[EgressBody]]:
        """See :meth:`Forwards.stop`, and the same for what leads the other way; without a link there is none.

        With `port`, and without `mark`, one link is meant: that of now, or else one that the name led to before.
        """
        forwards: list[ForwardBody] = []
        egresses: list[EgressBody] = []
        for held in self._names.of(name, mark):
            stopped = await self._forwards.stop(held, port, local_port)
            others = await held.link.egresses.stop(port) if local_port is None else []
            forwards += self._names.placed(held, stopped)
            egresses += self._names.placed(held, others)
            if (stopped or others) and self._names.is_outdated(held) and not self._is_attended(held):
                self._keep(asyncio.create_task(self._drop(held)))
            if (stopped or others) and port is not None:
                break
        self.news.tell()
        return forwards, egresses

    def forwards(self) -> tuple[list[ForwardBody], list[EgressBody]]:
        """All forwarded ports, and those that lead the other way."""
        links = by_name(self._names.held)
        forwards = [body for held in links for body in self._names.placed(held, self._forwards.of(held))]
        return forwards, [body for held in links for body in self._names.placed(held, held.link.egresses.bodies)]

    async def close(self) -> None:
        """Stop all links; the servers on the hosts go on."""
        for task in self._work - set(self._dropping.values()):
            task.cancel()
        await asyncio.gather(*self._work, *map(self._drop, self._names.held), return_exceptions=True)

    async def _connect(self, request: Connect, dialogue: Dialogue) -> LinkConnected:
        meant = request.meant_name
        alias = meant.name.alias
        async with self._turn(meant.name):
            await self._until_gone(meant.name)
            known = self._names.links.get(meant)
            held = known or self._add(meant, request)
            held.caller.renew(agent=request.agent, limits=request.limits)
            if request.again and (known is not None or request.host.reconnect is ReconnectPolicy.NEVER):
                self._want(held, meant, request)
                return LinkConnected(changed=known is None, link=self._body(held, meant))
            try:
                changed = await held.link.bring_up(dialogue, accepts_change=request.accepts_change)
            except RemoraError as error:
                if known is None and (request.hold or not _is_worth_keeping(error, again=request.again)):
                    await self._drop(held)
                elif request.again:
                    self._want(held, meant, request)
                raise held.failure or error from None
            held = await self._settle(meant, held, request, dialogue)
            if self._names.links.get(meant) is not held:
                raise link_missing(alias, "was dropped while it was created")
            held.link.set_policy(request.host.reconnect)
            self._want(held, meant, request)
            return LinkConnected(changed=changed or known is None, link=self._body(held, meant))

    async def _disconnect(self, request: Disconnect) -> Disconnected:
        name = LinkName(request.alias, request.ssh_config)
        server = "left"
        links = set(self._names.of(name))
        for held in links:
            if request.stop_server:
                server = await held.link.stop(stop_server=True, force=request.force)
                await self._drop(held)
            else:
                await self._release(held, [meant for meant in held.names if meant.name == name])
        return Disconnected(changed=bool(links), server=server)

    async def _release(self, held: HeldLink, names: Sequence[MeantName]) -> None:
        """Take `names` from the link; without any it ends."""
        if held.names.keys() <= set(names):
            await self._drop(held)
            return
        for meant in names:
            self._forget(held, meant)
            if all(other.name != meant.name for other in held.names):
                closing = self._keep(asyncio.create_task(held.link.remove_alias(meant.name)))
                self._closing[meant.name] = closing
                await self._until_gone(meant.name)

    async def _until_gone(self, name: LinkName) -> None:
        """Wait while a link ends that had this name, or lets go of it: its door has to be closed first."""
        for held in set(self._names.of(name)) & self._dropping.keys():
            await asyncio.shield(self._dropping[held])
        if (closing := self._closing.get(name)) is not None:
            await asyncio.shield(closing)
            self._closing.pop(name, None)

    def _add(self, meant: MeantName, request: Connect) -> HeldLink:
        caller = LinkCaller(request.agent, request.limits)
        held = HeldLink(meant, self._maker.make(request, self._door(meant), caller), request.meaning, caller)
        self._names.links[meant] = held
        self.idle_since = None
        held.begin(changed=lambda: self._changed(held), ended=lambda failure: self._ended(held, failure))
        return held

    def _door(self, meant: MeantName) -> str:
        """Where the door of a name is: elsewhere than that of a link that it led to before, and that is there yet."""
        taken = any(meant.name in held.link.aliases for held in self._names.links.values())
        return str(self._places.door(meant.name, meant.mark if taken else None))

    def _want(self, held: HeldLink, meant: MeantName, request: Connect) -> None:
        """Somebody wants it, under what the name means now; links that it led to before are left to who holds them."""
        held.want(meant, hold=request.hold)
        if request.again:
            self._names.current.setdefault(meant.name, meant.mark)
        else:
            self._names.current[meant.name] = meant.mark
        for other in set(self._names.of(meant.name)) - {held}:
            if self._names.is_outdated(other) and not self._is_attended(other):
                self._keep(asyncio.create_task(self._drop(other)))
        self.news.tell()

    async def _settle(self, meant: MeantName, held: HeldLink, request: Connect, dialogue: Dialogue) -> HeldLink:
        """The link to use for `meant` once `held` is live: one to the same machine that was there before gets the name.

        Only settled links get names of others, and a link gives its name away before it is settled: it has no other
        then, so none is lost however many aliases of one machine come at once.
        """
        tried: set[HeldLink] = set()
        while not held.settled:
            identity = held.link.identity
            async with self._settling["" if identity is None else identity.host_key_fingerprint]:
                twin = self._twin(held, tried)
                if twin is None:
                    held.settled = True
                elif twin.link.body().liveness == Liveness.LIVE:
                    await self._give_name(meant, held, twin, request)
                    return twin
            if twin is not None:
                tried.add(twin)
                with suppress(RemoraError):
                    if any(other.name == meant.name for other in twin.names):  # the machine has shown who it is
                        await twin.link.add_alias(meant.name, self._aim(twin, request), self._door(meant))
                    await twin.link.bring_up(dialogue)
                    tried.discard(twin)
        return held

    def _aim(self, held: HeldLink, request: Connect) -> Aim:
        held.caller.renew(agent=request.agent, limits=request.limits)
        return self._maker.aim(request, held.caller)

    def _twin(self, held: HeldLink, tried: set[HeldLink]) -> HeldLink | None:
        """A settled link to the machine of `held`; not one that ends, nor one that was `tried` and does not come up."""
        mine = held.link.identity
        for other in by_name(self._names.held - {held} - tried - self._dropping.keys()):
            theirs = other.link.identity
            if not other.settled or other.manner != held.manner:
                continue
            if mine is None or theirs is None or not mine.is_same_place(theirs):
                continue
            if other.link.body().liveness == Liveness.LIVE and mine.runs_beside(theirs):
                continue
            return other
        return None

    async def _give_name(self, meant: MeantName, held: HeldLink, twin: HeldLink, request: Connect) -> None:
        """End `held`; its name leads to `twin` from now on."""
        twin.names[meant] = request.meaning
        self._names.links[meant] = twin
        await self._drop(held)
        if self._names.links.get(meant) is not twin:
            return
        try:
            await twin.link.add_alias(meant.name, self._aim(twin, request), self._door(meant))
        except RemoraError:
            self._forget(twin, meant)
            raise
        _log.info("%s is the same machine as %s and shares its link", meant.name.alias, twin.name.name.alias)

    async def _drop(self, held: HeldLink) -> None:
        """Stop a link and forget it; once, whoever wants it."""
        if held not in self._dropping:
            self._dropping[held] = self._keep(asyncio.create_task(self._end(held)))
        await asyncio.shield(self._dropping[held])

    async def _end(self, held: HeldLink) -> None:
        await self._forwards.stop(held)
        with suppress(RemoraError):
            await held.link.stop()
        await held.let_go()
        for meant in list(held.names):
            self._forget(held, meant)
        self._told.pop(held, None)
        del self._dropping[held]
        _log.info("%s: link dropped", held.name.name.alias)

    def _forget(self, held: HeldLink, meant: MeantName) -> None:
        held.forget(meant)
        if self._names.links.get(meant) is held:
            del self._names.links[meant]
        if not self._names.meanings(meant.name):
            self._names.current.pop(meant.name, None)
        if not self._names.links:
            self.idle_since = self._clock.monotonic()
            self.idle_limit = held.caller.limits.hub_idle
        self.news.tell()

    def _changed(self, held: HeldLink) -> None:
        body = held.link.body()
        state = body.liveness, None if body.error is None else body.error.code
        if self._told.get(held) != state:
            self._told[held] = state
            why = "" if body.error is None else f" [{body.error.code}] {body.error.message}"
            _log.info("%s: %s%s", held.name.name.alias, body.liveness, why)
        was_attended, held.attended = held.attended, self._is_attended(held)
        if was_attended and not held.attended and self._names.is_outdated(held):
            self._keep(asyncio.create_task(self._drop(held)))
        self.news.tell()

    def _ended(self, held: HeldLink, failure: BaseException | None) -> None:
        """A link ended by itself, which is a fault of ours when it says why."""
        if failure is not None:
            _log.error("%s: the link failed", held.name.name.alias, exc_info=failure)
        if any(other is held for other in self._names.links.values()):
            self._keep(asyncio.create_task(self._drop(held)))

    def _body(self, held: HeldLink, meant: MeantName) -> LinkBody:
        body = held.link.body(meant.name)
        names = self._names.current_names(held) or held.names
        body.aliases = list(dict.fromkeys(each.name.alias for each in names))
        meaning = held.names[meant]
        body.leads_to, body.mark, body.machine = meaning.place, meant.mark, meaning.machine
        body.forwards = self._names.placed(held, self._forwards.of(held))
        body.egresses = self._names.placed(held, body.egresses)
        body.notices = [*body.notices, *self._names.notices(held, meant)]
        return body

    def _require(self, name: LinkName, mark: str | None) -> HeldLink:
        held = self._names.find(name, mark)
        if held is None:
            raise link_missing(name.alias)
        return held

    def _is_attended(self, held: HeldLink) -> bool:
        """Whether anybody holds it: a client, who wants it while they are there, or ports that lead through it."""
        return held.is_held or bool(held.link.body().clients or self._forwards.of(held) or held.link.egresses.bodies)

    def _turn(self, name: LinkName) -> asyncio.Lock:
        return self._turns.setdefault(name, asyncio.Lock())

    def _abandoned(self, meant: MeantName, connecting: "asyncio.Task[LinkConnected]") -> None:
        """Who wanted to hold the link left before it was there."""
        if not connecting.cancelled() and connecting.exception() is None:
            self._keep(asyncio.create_task(self.unhold(meant)))

    def _keep(self, task: "asyncio.Task[T]") -> "asyncio.Task[T]":
        self._work.add(task)
        task.add_done_callback(self._over)
        return task

    def _over(self, task: "asyncio.Task[Any]") -> None:
        """Some work has ended; nobody may be left who waits for it."""
        self._work.discard(task)
        failure = None if task.cancelled() else task.exception()
        if failure is not None and not isinstance(failure, RemoraError):
            _log.error("a request failed", exc_info=failure)


def _is_worth_keeping(error: RemoraError, *, again: bool) -> bool:
    """Whether a link that did not come up has a future."""
    if again:
        return error.verdict in _PASSING
    return error.verdict is Verdict.NEEDS_HUMAN and error.stage in _WORTH_KEEPING
