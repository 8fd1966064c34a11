"""When to try again after a failure, and when not to."""

from dataclasses import dataclass
from typing import Final

from remora.core.errors import Code, RemoraError, Verdict

_NEVER: Final = frozenset(
    {Code.REQUEST_UNKNOWN, Code.INTERRUPTED, Code.TIME_LIMIT, Code.PROVISION_BUSY, Code.NOT_READY}
)
"""Whoever tries these again does so later or by hand; another connection changes nothing."""


def may_retry(error: RemoraError) -> bool:
    """Whether connecting again can help: never after a refused login, a host key problem or a refusal."""
    return error.verdict is Verdict.RETRY and error.code not in _NEVER


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Growing pauses between attempts, within one budget.

    `quick` attempts start after `first` seconds or less, each pause `growth` times the one before; from then on the
    pause doubles up to `ceiling`. `floor` is the shortest pause after the quick ones: it bounds how many attempts fit
    into a minute.
    """

    first: float = 0.5
    quick: int = 2
    growth: float = 2.0
    floor: float = 20.0
    ceiling: float = 45.0
    total: float = 180.0

    def delay(self, attempt: int, *, elapsed: float, chance: float) -> float | None:
        """The pause before attempt number `attempt` (from 1), or `None` when the budget is spent.

        `elapsed` is how long it has been going wrong, in seconds; `chance`, from 0 to 1, spreads clients
        that broke together.
        """
        if elapsed >= self.total:
            return None
        if attempt <= self.quick:
            pause = self.first * self.growth ** (attempt - 1) * (0.5 + 0.5 * chance)
        else:
            grown = min(self.floor * 2.0 ** (attempt - self.quick - 1), self.ceiling)
            pause = grown + (self.ceiling - grown) * 0.5 * chance if grown > self.floor else grown * (1 + 0.25 * chance)
        return min(pause, self.total - elapsed)
