"""One link in the hub: what runs it, what it is called, and who wants it."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from remora.core.errors import RemoraError
from remora.core.link.egress import EgressRequest
from remora.core.link.links import HostIdentity, LinkName
from remora.core.link.meanings import Meaning, MeantName
from remora.core.server.probes import FolderFacts
from remora.core.settings import Limits, ReconnectPolicy
from remora.flows.link.targets import Aim
from remora.ports import ByteStream, Dialogue, Far, Near
from remora.wire.reports.links import EgressBody, LinkBody


class LinkEgresses(Protocol):
    """What the hub needs of :class:`remora.flows.forward.egresses.Egresses`."""

    @property
    def bodies(self) -> list[EgressBody]: ...

    async def open(self, request: EgressRequest) -> tuple[EgressBody, bool]: ...
    async def stop(self, port: int | None = None) -> list[EgressBody]: ...


class SupervisedLink(Protocol):
    """What the hub needs of :class:`remora.flows.link.link.Link`."""

    @property
    def identity(self) -> HostIdentity | None: ...
    @property
    def aliases(self) -> tuple[LinkName, ...]: ...
    @property
    def egresses(self) -> LinkEgresses: ...

    async def run(self) -> None: ...
    async def bring_up(self, dialogue: Dialogue, *, accepts_change: bool = False) -> bool: ...
    def body(self, name: LinkName | None = None) -> LinkBody: ...
    async def refresh(self) -> None: ...
    async def changed(self, seen: int) -> int: ...
    async def add_alias(self, name: LinkName, aim: Aim, socket_path: str) -> None: ...
    def set_policy(self, policy: ReconnectPolicy) -> None: ...
    async def remove_alias(self, name: LinkName) -> None: ...
    async def open_port(self, port: int) -> ByteStream: ...
    def carry_port(self, port: int, near: Near, *, left: Callable[[], None]) -> Far | None: ...
    def flush(self) -> None: ...
    async def find_folder(self, folder: str | None) -> FolderFacts: ...
    async def stop(self, *, stop_server: bool = False, force: bool = False) -> str: ...


@dataclass(slots=True)
class LinkCaller:
    """Whose link it is: what the latest caller of this link brought, and what no caller of another link changes."""

    agent: str | None
    """The socket of their SSH agent."""
    limits: Limits

    def renew(self, *, agent: str | None, limits: Limits) -> None:
        """Somebody asks for the link again; one without an SSH agent takes none away."""
        self.agent = agent or self.agent
        self.limits = limits


class HeldLink:
    """A link that the hub runs until :meth:`let_go`. `ended` is called when it ends by itself, `changed` at news."""

    def __init__(self, name: MeantName, link: SupervisedLink, meaning: Meaning, caller: LinkCaller) -> None:
        self.link = link
        self.caller = caller
        self.manner = meaning.manner
        """What all who use it get; names of another manner do not share it."""
        self.names: dict[MeantName, Meaning] = {name: meaning}
        self.attended = False
        self._first = name
        self.settled = False
        """Whether it is known that its machine has no other link; a link that is not may still be given up."""
        self._kept: set[MeantName] = set()
        self._holders: Counter[MeantName] = Counter()
        self._tasks: list[asyncio.Task[None]] = []
        self.failure: RemoraError | None = None
        """Why it could not even begin."""

    @property
    def name(self) -> MeantName:
        """The name by which people know it."""
        return next(iter(self.names), self._first)

    @property
    def is_held(self) -> bool:
        """Whether anybody wants it for as long as they are there."""
        return any(count > 0 for count in self._holders.values())

    def begin(self, *, changed: Callable[[], None], ended: Callable[[BaseException | None], None]) -> None:
        """Run it."""
        running = asyncio.create_task(self.link.run())
        running.add_done_callback(lambda task: self._note_end(task, ended))
        self._tasks = [running, asyncio.create_task(self._follow(changed))]

    def want(self, name: MeantName, *, hold: bool) -> None:
        """Somebody wants it under this name: until they let go of it, or for good."""
        if hold:
            self._holders[name] += 1
        else:
            self._kept.add(name)

    def unhold(self, name: MeantName) -> bool:
        """One who held it has left; whether nobody wants it under this name any more."""
        self._holders[name] -= 1
        return self._holders[name] <= 0 and name not in self._kept

    def forget(self, name: MeantName) -> None:
        """Nobody wants it under this name."""
        self.names.pop(name, None)
        self._kept.discard(name)
        del self._holders[name]

    async def let_go(self) -> None:
        """End what runs it. The link has been stopped before."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _note_end(self, task: "asyncio.Task[None]", ended: Callable[[BaseException | None], None]) -> None:
        failure = None if task.cancelled() else task.exception()
        if isinstance(failure, RemoraError):
            self.failure, failure = failure, None
        if not task.cancelled():
            ended(failure)

    async def _follow(self, changed: Callable[[], None]) -> None:
        seen = 0
        while True:
            seen = await self.link.changed(seen)
            changed()


def by_name(links: Iterable[HeldLink]) -> list[HeldLink]:
    """In the order in which people read them."""
    return sorted(links, key=lambda held: (held.name.name.alias, held.name.name.ssh_config or "", held.name.mark))
