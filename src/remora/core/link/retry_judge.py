"""When to connect again after a connection was lost, and when not to: for a link and for a run.

This module uses neither a clock nor randomness: times are seconds of one monotonic clock, chances are from 0 to 1.
"""

from remora.core.backoff import Backoff, may_retry
from remora.core.errors import Code, RemoraError


def may_help(error: RemoraError) -> bool:
    """Whether another attempt can help; a host that was too slow once need not be so again."""
    return may_retry(error) or error.code is Code.TIME_LIMIT


class RetryJudge:
    """The pauses between the attempts of one trouble, and the time that the trouble may take.

    A connection that lasted `steady` seconds makes the next pauses short again. One that lasted `useful` seconds ends
    the trouble: its own break begins another one, with the whole time of the backoff.
    """

    def __init__(self, backoff: Backoff, *, steady: float, useful: float) -> None:
        self.attempt = 0
        """The number of the attempt that :meth:`pause` was last asked for; from 1."""
        self._backoff = backoff
        self._steady = steady
        self._useful = useful
        self._up_since = 0.0
        self._trouble_since: float | None = None

    def came_up(self, now: float) -> None:
        """A connection stands."""
        self._up_since = now

    def broke(self, now: float, *, proven: bool = False) -> None:
        """The connection was lost. `proven`: it was of use, however short it was."""
        lasted = now - self._up_since
        if proven or lasted >= self._steady:
            self.attempt = 0
        if self._trouble_since is None or lasted >= self._useful:
            self._trouble_since = now

    def begin(self, now: float) -> None:
        """What was tried before says nothing any more: short pauses, and the whole time."""
        self.attempt = 0
        self._trouble_since = now

    def extend(self, now: float) -> None:
        """The whole time again; pauses go on growing."""
        self._trouble_since = now

    def elapsed(self, now: float) -> float:
        """How long the trouble has lasted, in seconds."""
        return 0.0 if self._trouble_since is None else now - self._trouble_since

    def is_spent(self, now: float) -> bool:
        """Whether the trouble has taken all its time."""
        return self.elapsed(now) >= self._backoff.total

    def pause(self, now: float, chance: float) -> float | None:
        """Seconds before the next attempt; `None` when the time is spent."""
        self.attempt += 1
        return self._backoff.delay(self.attempt, elapsed=self.elapsed(now), chance=chance)
