"""Opening channels where a host allows few at once (MaxSessions)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Generic, Protocol, TypeVar

from remora.adapters.ssh.ssh_failures import channel_refused, channel_too_slow
from remora.core.host.hosts import Host

_REAPING: Final = 1.0
"""For so long sshd may keep the session of a command that we have let go of: until its process has ended."""
_PAUSE: Final = 0.02


class ChannelRefusedError(Exception):
    """The host refuses to open a channel; the text is its own reason."""


class OpenedChannel(Protocol):
    """What is asked of a channel: whether its process has ended or it was closed, and whether the host let go too."""

    @property
    def ended(self) -> bool: ...
    @property
    def gone(self) -> asyncio.Event: ...


C = TypeVar("C", bound=OpenedChannel)


class Openings(Generic[C]):
    """The channels of one connection.

    A refusal is final when no earlier channel of ours has just ended. The end of a process arrives before the host has
    freed its session: sshd does that after it has gone through the messages at hand, a new request among them, and
    after the process has died. Under ``MaxSessions 1`` it would refuse every other command.
    """

    def __init__(self, host: Host, limit: float) -> None:
        self._host = host
        self._limit = limit
        self._channels: list[C] = []
        self._freed_at = float("-inf")

    async def open(self, attempt: Callable[[], Awaitable[C]], *, what: str) -> C:
        """The channel that `attempt` opens; it raises :class:`ChannelRefusedError` for a refusal."""
        refusal: ChannelRefusedError | None = None
        try:
            async with asyncio.timeout(self._limit):
                while True:
                    try:
                        channel = await attempt()
                    except ChannelRefusedError as error:
                        refusal = error
                        if not await self._has_room():
                            raise channel_refused(self._host, what, str(error)) from None
                    else:
                        self._channels = [*(other for other in self._channels if not other.gone.is_set()), channel]
                        return channel
        except TimeoutError:
            if refusal is None:
                raise channel_too_slow(self._host, what, self._limit) from None
            raise channel_refused(self._host, what, str(refusal)) from None

    async def _has_room(self) -> bool:
        """Wait for what is just ending; whether another try makes sense."""
        ended = [channel for channel in self._channels if channel.ended]
        loop = asyncio.get_running_loop()
        if ended:
            for channel in ended:
                await channel.gone.wait()
            self._channels = [channel for channel in self._channels if channel not in ended]
            self._freed_at = loop.time()
        elif loop.time() - self._freed_at < _REAPING:
            await asyncio.sleep(_PAUSE)
        else:
            return False
        return True
