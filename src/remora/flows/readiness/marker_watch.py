"""The ready marker of a host, watched through one connection for as long as that holds."""

from collections import deque
from collections.abc import AsyncGenerator
from typing import Final

from remora.core.backoff import Backoff, may_retry
from remora.core.errors import Code, RemoraError
from remora.core.server.markers import Marker, read_marker
from remora.flows.host.dial import connect_host
from remora.flows.server.shell import open_shell, shipped
from remora.ports import Dialogue, World

_LOOK: Final = 20
"""Seconds after which the host answers though nothing has changed: so a connection that died is noticed."""
_MARGIN: Final = 20.0
_MINUTE: Final = 60.0
_FUNCTIONS: Final = ("places", "lock", "provision/marker")


async def watch_marker(alias: str, world: World, dialogue: Dialogue) -> AsyncGenerator[Marker | RemoraError, None]:
    """What the marker says, now and at each change; in between, why the host cannot be reached. Never ends by itself.

    It is dialled again, more and more slowly and at most ``limits.dials_per_minute`` times a minute. Raises what
    dialling again cannot cure: a refused login, a host key, a question that nobody may answer.
    """
    pace = _Pace(world)
    while True:
        await pace.wait()
        markers = _markers(alias, world, dialogue)
        answered = False
        try:
            async for marker in markers:
                answered = True
                pace.calm()
                yield marker
        except RemoraError as error:
            # What answered before is going down or hangs, whatever that looks like from here.
            if not (answered or may_retry(error) or error.code is Code.TIME_LIMIT):
                raise
            yield error
        finally:
            await markers.aclose()


async def _markers(alias: str, world: World, dialogue: Dialogue) -> AsyncGenerator[Marker, None]:
    """The same through one connection, until it breaks."""
    variables = {"remora_known": "", "remora_limit": "0"}
    async with (
        connect_host(alias, world, dialogue) as host,
        open_shell(host, clock=world.clock, limits=world.limits, nonce=world.nonce) as shell,
    ):
        texts = [shipped(name) for name in (*_FUNCTIONS, "provision/marker_wait")]
        answers = await shell.enter("marker", variables, texts, limit=world.limits.probe)
        while True:
            yield read_marker(answers)
            variables = {"remora_known": answers.one("known") or "", "remora_limit": str(_LOOK)}
            answers = await shell.ask("provision/marker_wait", variables, limit=_LOOK + _MARGIN)


class _Pace:
    """When the next connection may begin."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._dials: deque[float] = deque(maxlen=world.limits.dials_per_minute)
        self._backoff = Backoff(first=1.0, quick=5, floor=20.0, total=float("inf"))
        self._attempt = 0

    def calm(self) -> None:
        """The host has answered."""
        self._attempt = 0

    async def wait(self) -> None:
        """Return when it may begin; it then counts."""
        clock = self._world.clock
        pause = 0.0
        if self._dials:
            self._attempt += 1
            chance = self._world.random.random()
            pause = self._backoff.delay(self._attempt, elapsed=0.0, chance=chance) or 0.0
        if len(self._dials) == self._dials.maxlen:
            pause = max(pause, self._dials[0] + _MINUTE - clock.monotonic())
        if pause > 0:
            await clock.sleep(pause)
        self._dials.append(clock.monotonic())
