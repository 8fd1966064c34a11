"""One connection that carries a session of the relay: whether it stands, answers, and what it owes."""

import asyncio
from collections.abc import Callable

from remora.core.errors import RemoraError
from remora.flows.kit.timeout import dismiss
from remora.ports import Clock
from remora.wire.relay import relay_frames as frames


class Attachment:
    """A session of the relay on one connection. It is lost at the latest when its context is left.

    `send` sends a frame ahead of all that waits.
    """

    def __init__(self, clock: Clock, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._clock = clock
        self._lost: asyncio.Future[RemoraError] = asyncio.get_running_loop().create_future()
        self._pings: dict[bytes, asyncio.Future[None]] = {}
        self._unanswered: set[bytes] = set()
        self._asked = 0
        self.resumed = False
        """False: a new session began; the streams of before are gone and have been broken."""
        self.quiet_since: float | None = None
        """The monotonic time since when the host owes an answer and has sent nothing; `None`: it owes none."""

    @property
    def lost(self) -> bool:
        """Whether it has ended."""
        return self._lost.done()

    async def wait_lost(self) -> RemoraError:
        """Why this attachment ended: ``connection-lost``, ``relay-failed``, ``host-left``. Waits for it."""
        return await asyncio.shield(self._lost)

    async def ping(self, limit: float) -> bool:
        """Whether the relay answers within `limit` seconds."""
        self._asked += 1
        word = b"%d" % self._asked
        answer = self._pings[word] = asyncio.get_running_loop().create_future()
        self._unanswered.add(word)
        alarm = asyncio.ensure_future(self._clock.sleep(limit))
        try:
            self._send(frames.encode(frames.PING, word))
            await asyncio.wait({answer, alarm, self._lost}, return_when=asyncio.FIRST_COMPLETED)
            return answer.done()
        finally:
            del self._pings[word]
            await dismiss(alarm)

    def lose(self, error: RemoraError) -> None:
        """End it, for that reason; the first reason counts."""
        if not self._lost.done():
            self._lost.set_result(error)

    def answered(self, word: bytes) -> None:
        """A PONG came."""
        self._unanswered.discard(word)
        answer = self._pings.get(word)
        if answer is not None and not answer.done():
            answer.set_result(None)

    def note(self, *, heard: bool, owed: bool) -> None:
        """Something was sent or, with `heard`, something came; `owed`: an acknowledgement is outstanding."""
        if not owed and not self._unanswered:
            self.quiet_since = None
        elif heard or self.quiet_since is None:
            self.quiet_since = self._clock.monotonic()
