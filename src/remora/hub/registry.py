"""The links that the hub holds: one for each machine, under as many names as people use."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

from remora.core.egress import EgressRequest
from remora.core.errors import RemoraError, Stage, Verdict
from remora.core.link_faults import link_missing
from remora.core.links import LinkName, Liveness, ReconnectPolicy
from remora.flows.news import News
from remora.hub.forwards import Forwards
from remora.hub.held import HeldLink, Link, by_name
from remora.hub.places import HubPlaces
from remora.ports import Clock, Dialogue, LocalSockets
from remora.wire.control import Connect, Connected, Disconnect, Disconnected
from remora.wire.reports.links import EgressBody, ForwardBody, LinkBody

T = TypeVar("T")

MakeLink = Callable[[LinkName, Connect, str], Link]
"""A link by this name, as the request wants it, with its local socket at this path; it does not run yet."""

_log: Final = logging.getLogger(__name__)
_WORTH_KEEPING: Final = frozenset({Stage.HOST_KEY, Stage.AUTHENTICATION})
"""Where a person can help a link that never came up: it stays, and says what it needs."""
_PASSING: Final = frozenset({Verdict.RETRY, Verdict.NEEDS_HUMAN})
"""What may keep a link down that was there before."""


class Registry:
    """Holds links. Requests for one name wait for each other; those for different names do not."""

    def __init__(self, make_link: MakeLink, *, places: HubPlaces, sockets: LocalSockets, clock: Clock) -> None:
        self._make_link = make_link
        self._places = places
        self._clock = clock
        self._links: dict[LinkName, HeldLink] = {}
        self._turns: dict[LinkName, asyncio.Lock] = {}
        self._settling: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        """For each host key: one link at a time finds out whether its machine has a link already."""
        self._closing: dict[LinkName, asyncio.Task[None]] = {}
        self._work: set[asyncio.Task[Any]] = set()
        self._told: dict[HeldLink, tuple[str, str | None]] = {}
        self._dropping: dict[HeldLink, asyncio.Task[None]] = {}
        self._forwards = Forwards(sockets)
        self.news = News()
        self.idle_since: float | None = clock.monotonic()
        """Since when there is no link; `None` while there is one."""

    def bodies(self) -> list[LinkBody]:
        """All links, as they are now."""
        return [self._body(held, held.name) for held in by_name(set(self._links.values()))]

    def body(self, name: LinkName) -> LinkBody | None:
        """One link under one of its names. It is not live yet while it is not settled which link the name gets."""
        held = self._links.get(name)
        if held is None or name not in held.link.aliases:
            return None
        body = self._body(held, name)
        if body.liveness == Liveness.LIVE and not held.settled and self._turn(name).locked():
            body.liveness = Liveness.CONNECTING.value
        return body

    async def refresh(self, patience: float) -> None:
        """Let live links learn what their hosts do not tell by themselves; whoever takes longer tells the next time."""
        tasks = [self._keep(asyncio.create_task(held.link.refresh())) for held in set(self._links.values())]
        if tasks:
            await asyncio.wait(tasks, timeout=patience)

    def has_clients(self) -> bool:
        """Whether anybody is attached to a link, or to one of its ports, here or on the host."""
        return any(
            body.clients or any(each.clients for each in body.forwards) or any(each.clients for each in body.egresses)
            for body in self.bodies()
        )

    async def connect(self, request: Connect, dialogue: Dialogue) -> Connected:
        """Have a live link. Goes on when the caller does not wait for it any more."""
        task = self._keep(asyncio.create_task(self._connect(request, dialogue)))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if request.hold:
                task.add_done_callback(lambda done: self._abandoned(LinkName(request.alias, request.ssh_config), done))
            raise

    async def disconnect(self, request: Disconnect) -> Disconnected:
        """Have no link under this name. Goes on when the caller does not wait for it any more."""
        return await asyncio.shield(self._keep(asyncio.create_task(self._disconnect(request))))

    async def unhold(self, name: LinkName) -> None:
        """One who held the link has left: it ends unless somebody else wants it."""
        held = self._links.get(name)
        if held is not None and held.unhold(name):
            await self.disconnect(Disconnect(alias=name.alias, ssh_config=name.ssh_config))

    async def find_folder(self, name: LinkName, folder: str | None) -> str:
        """What `folder` is called on the host."""
        return await self._require(name).link.find_folder(folder)

    async def open_forward(self, name: LinkName, port: int, local_port: int | None) -> tuple[ForwardBody, bool]:
        """See :meth:`Forwards.open`."""
        opened = await self._forwards.open(self._require(name), port, local_port)
        self.news.tell()
        return opened

    async def open_egress(self, name: LinkName, request: EgressRequest) -> tuple[EgressBody, bool]:
        """See :meth:`remora.flows.egresses.Egresses.open`."""
        return await self._require(name).link.egresses.open(request)

    async def stop_forward(self, name: LinkName, port: int | None) -> tuple[list[ForwardBody], list[EgressBody]]:
        """See :meth:`Forwards.stop`, and the same for what leads the other way; without a link there is none."""
        held = self._links.get(name)
        if held is None:
            return [], []
        stopped = await self._forwards.stop(held, port), await held.link.egresses.stop(port)
        self.news.tell()
        return stopped

    def forwards(self) -> tuple[list[ForwardBody], list[EgressBody]]:
        """All forwarded ports, and those that lead the other way."""
        links = by_name(set(self._links.values()))
        return self._forwards.of(), [body for held in links for body in held.link.egresses.bodies]

    async def close(self) -> None:
        """Stop all links; the servers on the hosts go on."""
        for task in self._work - set(self._dropping.values()):
            task.cancel()
        await asyncio.gather(*self._work, *map(self._drop, set(self._links.values())), return_exceptions=True)

    async def _connect(self, request: Connect, dialogue: Dialogue) -> Connected:
        name = LinkName(request.alias, request.ssh_config)
        async with self._turn(name):
            await self._until_gone(name)
            known = self._links.get(name)
            held = known or self._add(name, request)
            if request.again and (known is not None or request.host.reconnect is ReconnectPolicy.NEVER):
                held.want(name, hold=False)
                return Connected(changed=known is None, link=self._body(held, name))
            try:
                changed = await held.link.bring_up(dialogue)
            except RemoraError as error:
                if known is None and (request.hold or not _is_worth_keeping(error, again=request.again)):
                    await self._drop(held)
                elif request.again:
                    held.want(name, hold=False)
                raise held.failure or error from None
            held = await self._settle(name, held, dialogue)
            if self._links.get(name) is not held:
                raise link_missing(name.alias, "was dropped while it was made")
            held.want(name, hold=request.hold)
            self.news.tell()
            return Connected(changed=changed or known is None, link=self._body(held, name))

    async def _disconnect(self, request: Disconnect) -> Disconnected:
        name = LinkName(request.alias, request.ssh_config)
        held = self._links.get(name)
        if held is None:
            return Disconnected(changed=False, server="left")
        server = "left"
        if len(held.names) > 1 and not request.stop_server:
            self._forget(held, name)
            self._closing[name] = self._keep(asyncio.create_task(held.link.remove_alias(name)))
            await self._until_gone(name)
        else:
            server = await held.link.stop(stop_server=request.stop_server, force=request.force)
            await self._drop(held)
        return Disconnected(changed=True, server=server)

    async def _until_gone(self, name: LinkName) -> None:
        """Wait while a link ends that had this name, or lets go of it: its door has to be closed first."""
        held = self._links.get(name)
        if held in self._dropping:
            await asyncio.shield(self._dropping[held])
        if (closing := self._closing.get(name)) is not None:
            await asyncio.shield(closing)
            self._closing.pop(name, None)

    def _add(self, name: LinkName, request: Connect) -> HeldLink:
        held = HeldLink(name, self._make_link(name, request, str(self._places.door(name))))
        self._links[name] = held
        self.idle_since = None
        held.begin(changed=lambda: self._changed(held), ended=lambda failure: self._ended(held, failure))
        return held

    async def _settle(self, name: LinkName, held: HeldLink, dialogue: Dialogue) -> HeldLink:
        """The link to use for `name` once `held` is live: one to the same machine that was there before gets the name.

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
                    await self._give_name(name, held, twin)
                    return twin
            if twin is not None:
                tried.add(twin)
                with suppress(RemoraError):
                    await twin.link.bring_up(dialogue)
                    tried.discard(twin)
        return held

    def _twin(self, held: HeldLink, tried: set[HeldLink]) -> HeldLink | None:
        """A settled link to the machine of `held`; not one that ends, nor one that was `tried` and does not come up."""
        mine = held.link.identity
        for other in by_name(set(self._links.values()) - {held} - tried - self._dropping.keys()):
            theirs = other.link.identity
            if not other.settled or mine is None or theirs is None or not mine.is_same_place(theirs):
                continue
            if other.link.body().liveness == Liveness.LIVE and mine.runs_beside(theirs):
                continue
            return other
        return None

    async def _give_name(self, name: LinkName, held: HeldLink, twin: HeldLink) -> None:
        """End `held`; its name leads to `twin` from now on."""
        twin.names.add(name)
        self._links[name] = twin
        await self._drop(held)
        if self._links.get(name) is not twin:
            return
        try:
            await twin.link.add_alias(name, str(self._places.door(name)))
        except RemoraError:
            self._forget(twin, name)
            raise
        _log.info("%s is the same machine as %s and shares its link", name.alias, twin.name.alias)

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
        for name in set(held.names):
            self._forget(held, name)
        self._told.pop(held, None)
        del self._dropping[held]
        _log.info("%s: link dropped", held.name.alias)

    def _forget(self, held: HeldLink, name: LinkName) -> None:
        held.forget(name)
        if self._links.get(name) is held:
            del self._links[name]
        if held.name == name and held.names:
            held.name = min(held.names, key=lambda other: other.alias)
        if not self._links:
            self.idle_since = self._clock.monotonic()
        self.news.tell()

    def _changed(self, held: HeldLink) -> None:
        body = held.link.body()
        state = body.liveness, None if body.error is None else body.error.code
        if self._told.get(held) != state:
            self._told[held] = state
            why = "" if body.error is None else f" [{body.error.code}] {body.error.message}"
            _log.info("%s: %s%s", held.name.alias, body.liveness, why)
        self.news.tell()

    def _ended(self, held: HeldLink, failure: BaseException | None) -> None:
        """A link ended by itself, which is a fault of ours when it says why."""
        if failure is not None:
            _log.error("%s: the link failed", held.name.alias, exc_info=failure)
        if any(other is held for other in self._links.values()):
            self._keep(asyncio.create_task(self._drop(held)))

    def _body(self, held: HeldLink, name: LinkName) -> LinkBody:
        body = held.link.body(name)
        body.forwards = self._forwards.of(held)
        return body

    def _require(self, name: LinkName) -> HeldLink:
        held = self._links.get(name)
        if held is None:
            raise link_missing(name.alias)
        return held

    def _turn(self, name: LinkName) -> asyncio.Lock:
        return self._turns.setdefault(name, asyncio.Lock())

    def _abandoned(self, name: LinkName, connecting: "asyncio.Task[Connected]") -> None:
        """Who wanted to hold the link left before it was there."""
        if not connecting.cancelled() and connecting.exception() is None:
            self._keep(asyncio.create_task(self.unhold(name)))

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
