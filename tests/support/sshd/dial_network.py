"""A network that lets nobody through, or whom it likes, on a clock of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

from tests.support.codex.launch_words import nonce

from remora.adapters.files.disk_spool import DiskSpool
from remora.core.errors import AuthenticationProblem, Code, RemoraError, Unreachable
from remora.core.host.hosts import Route
from remora.core.settings import DEFAULT_LIMITS
from remora.ports import Dialogue, RemoteHost, SecretQuestion, World
from remora.testing.manual_clock import ManualClock
from remora.testing.memory_host import MemoryHost
from remora.testing.memory_resolver import MemoryResolver


def refused() -> RemoraError:
    """What a person has to mend."""
    return AuthenticationProblem(Code.AUTHENTICATION_REFUSED, "No.", next_step="Look.")


def dead() -> RemoraError:
    """What another attempt may mend."""
    return Unreachable(Code.CONNECT_TIMEOUT, "Nobody answers.", next_step="Look.")


@dataclass
class Network:
    """A :class:`remora.ports.Dialler` to nowhere. `hangs`: a dial never ends; `asks`: it wants a passphrase first."""

    fails: Callable[[], Exception | None] = dead
    hangs: bool = False
    asks: bool = False
    dials: list[float] = field(default_factory=list)
    clock: ManualClock = field(default_factory=ManualClock)
    under_way: int = 0

    @asynccontextmanager
    async def dial(self, route: Route, dialogue: Dialogue) -> AsyncIterator[RemoteHost]:
        self.dials.append(self.clock.monotonic())
        self.under_way += 1
        assert self.under_way == 1, "two attempts at once"
        try:
            if self.asks:
                await dialogue.secret(SecretQuestion(alias=route.target.alias, prompt="Passphrase:"))
            if self.hangs:
                await asyncio.Event().wait()
            if (error := self.fails()) is not None:
                raise error
            yield MemoryHost(lambda words: None)
        finally:
            self.under_way -= 1


def world_over(network: Network) -> World:
    """A world with that network, and its clock."""
    return World(
        resolver=MemoryResolver(),
        dialler=network,
        clock=network.clock,
        random=Random(3),  # noqa: S311 - spreads retries
        nonce=nonce,
        spool=lambda: DiskSpool(memory=2**20, disk=2**30),
        limits=DEFAULT_LIMITS,
    )
