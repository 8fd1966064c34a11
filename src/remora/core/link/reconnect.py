"""When a link dials, waits, gives up or asks for a person: events in; an effect and the next deadline out.

There is no clock, no randomness and no I/O here: times are seconds of one monotonic clock, chances are from 0 to 1.
At most one attempt is under way: an effect that begins one is not given again before :class:`CameUp`,
:class:`AttemptFailed` or :class:`ConnectionLost` has told its end.
"""

from collections import deque
from enum import Enum, auto
from typing import Final

from remora.core.backoff import Backoff
from remora.core.errors import Code, RemoraError
from remora.core.link.events import (
    Active,
    AttemptFailed,
    Broke,
    CameUp,
    ConnectionLost,
    ConnectRequested,
    Due,
    Ended,
    Event,
    Moved,
    Wanted,
    Woke,
)
from remora.core.link.links import Liveness
from remora.core.link.retry_judge import RetryJudge, may_help
from remora.core.settings import ReconnectPolicy

_MINUTE: Final = 60.0
_RARELY: Final = 300.0
"""Seconds between attempts once the budget is spent."""
_STEADY: Final = 1.0
"""A connection that lasted this long (seconds) makes the next pauses short again."""
_LIVELY_PER_MINUTE: Final = 120
"""New connections to a host that lets us in and drops us, again and again."""
_RELAUNCHES_PER_MINUTE: Final = 3
_UNHEARD: Final = frozenset({Code.NETWORK_UNREACHABLE, Code.NAME_NOT_FOUND, Code.CONNECTION_REFUSED})
"""Failures of attempts that no sshd ever heard of: they made no connection and cost the host nothing."""
_UNHEARD_PAUSE: Final = 1.0
_UNHEARD_CEILING: Final = 10.0
_UNHEARD_GROWTH: Final = 30.0
"""Seconds of trouble for each second of pause."""
_CROWDED: Final = Code.CONNECTION_CLOSED
"""How a server answers that has too many logins under way: come again, a little later."""
_PATIENCE: Final = 2
_MOVES_APART: Final = 20.0
"""Seconds between two moves that count; a network that comes and goes must not become a storm of dials."""
_AWAKE: Final = 0.5
"""Seconds within which links dial after this machine woke or moved; spread, because all of them do."""


class Effect(Enum):
    """What has to be done now."""

    NONE = auto()
    DIAL = auto()
    """Begin an attempt: a new connection."""
    RELAUNCH = auto()
    """Begin an attempt on the connection that stands: the app server or the relay is gone."""
    PROBE = auto()
    """Find out at once whether the connection still answers."""
    HANG_UP = auto()
    """Leave the connection, or the attempt."""


class LinkState:
    """The state of one link."""

    def __init__(self, policy: ReconnectPolicy, *, reconnect_total: float, dials_per_minute: int) -> None:
        self.liveness = Liveness.SUSPENDED
        self.error: RemoraError | None = None
        """Why it is not live; of a link that was never asked for, `None`."""
        self.deadline: float | None = None
        """When :class:`Due` has to be told."""
        self.promised = False
        """Whether the attempt that was asked for has failed in a way that will be tried again in a moment."""
        self._patience = 0
        self.policy = policy
        """When it dials without being asked."""
        backoff = Backoff(first=0.2, quick=3, growth=8.0, total=reconnect_total)
        self._retries = RetryJudge(backoff, steady=_STEADY, useful=0.0)
        self._busy = False
        self._again = False
        self._active = False
        self._left = False
        self._was_live = False
        self._moved: float | None = None
        self._unanswered: deque[float] = deque(maxlen=dials_per_minute)
        self._dials: deque[float] = deque(maxlen=_LIVELY_PER_MINUTE)
        self._relaunches: deque[float] = deque(maxlen=_RELAUNCHES_PER_MINUTE)

    def take(self, event: Event, *, now: float, chance: float) -> Effect:
        """Note what happened; give what has to be done. After :class:`Ended` nothing has."""
        if self.liveness is Liveness.STOPPED:
            return Effect.NONE
        match event:
            case CameUp():
                self._came_up(now)
            case AttemptFailed(error) if self.liveness is not Liveness.LIVE:
                return self._failed(error, now, chance)
            case ConnectionLost(error, useful):
                self._lost(error, now, chance, useful=useful)
            case AttemptFailed(error):
                self._lost(error, now, chance, useful=False)
            case Broke(error):
                return self._broke(error, now, chance)
            case Ended():
                self.liveness, self.deadline, self._busy = Liveness.STOPPED, None, False
                return Effect.HANG_UP
            case Active(active):
                self._active = active
            case _:
                return self._called(event, now, chance)
        return Effect.NONE

    # -- somebody needs it, or may

    def _called(self, event: Event, now: float, chance: float) -> Effect:
        match event:
            case ConnectRequested():
                return self._asked(now)
            case Wanted():
                return self._wanted(now)
            case Woke():
                return self._elsewhere(now, chance)
            case Moved() if self._moved is None or now - self._moved >= _MOVES_APART:
                self._moved = now
                return self._elsewhere(now, chance)
            case Due():
                return self._due(now)
        return Effect.NONE

    def _asked(self, now: float) -> Effect:
        if self.liveness is Liveness.LIVE:
            return Effect.NONE
        self._fresh_budget(now)
        self._patience = _PATIENCE
        if self._busy:
            self._again = True
            return Effect.NONE
        self.liveness = Liveness.RECONNECTING if self._was_live else Liveness.CONNECTING
        return self._dial(now)

    def _wanted(self, now: float) -> Effect:
        if self._busy or self.liveness in {Liveness.LIVE, Liveness.NEEDS_HUMAN}:
            return Effect.NONE
        if self.liveness is Liveness.SUSPENDED:
            if self._left or self.policy is ReconnectPolicy.NEVER:
                return Effect.NONE
            self._retries.extend(now)
            self.liveness = Liveness.RECONNECTING if self._was_live else Liveness.CONNECTING
        self.deadline = max(now, self._earliest(now))
        return self._dial(now) if self.deadline <= now else Effect.NONE

    def _elsewhere(self, now: float, chance: float) -> Effect:
        """What was tried before may have been tried from another place: begin anew, and doubt what seems to stand."""
        if self.liveness is Liveness.LIVE:
            return Effect.PROBE
        if self.liveness in {Liveness.CONNECTING, Liveness.RECONNECTING, Liveness.UNREACHABLE}:
            self._fresh_budget(now)
            if not self._busy:
                self.liveness = Liveness.RECONNECTING if self._was_live else Liveness.CONNECTING
                self.deadline = now + _AWAKE * chance
        return Effect.NONE

    def _due(self, now: float) -> Effect:
        if self._busy or self.deadline is None or now < self.deadline:
            return Effect.NONE
        if self._goes_on or self.promised:
            return self._dial(now)
        self._suspend()
        return Effect.NONE

    # -- how it went

    def _came_up(self, now: float) -> None:
        self.liveness, self.error, self.deadline = Liveness.LIVE, None, None
        self._busy = self._again = self._left = self.promised = False
        self._was_live = True
        self._retries.came_up(now)
        self._unanswered.clear()

    def _failed(self, error: RemoraError, now: float, chance: float) -> Effect:
        again = self._again and (may_help(error) or error.code is Code.PROMPT_UNATTENDED)
        self._end_attempt(error)
        if again:
            return self._dial(now)
        if error.code is _CROWDED and self._patience:
            self._patience -= 1
            self.promised = True
            self.deadline = max(now + 0.5 + chance, self._earliest(now))
        else:
            self._go_on(error, now, chance)
        return Effect.NONE

    def _lost(self, error: RemoraError, now: float, chance: float, *, useful: bool) -> None:
        self._end_attempt(error)
        self._retries.broke(now, proven=useful)
        self._go_on(error, now, chance)

    def _broke(self, error: RemoraError, now: float, chance: float) -> Effect:
        self._retries.broke(now)
        if len(self._relaunches) == _RELAUNCHES_PER_MINUTE and now - self._relaunches[0] < _MINUTE:
            self._end_attempt(error)
            self._go_on(error, now, chance)
            return Effect.HANG_UP
        self._relaunches.append(now)
        self.liveness, self.error, self.deadline, self._busy = Liveness.RECONNECTING, error, None, True
        return Effect.RELAUNCH

    def _end_attempt(self, error: RemoraError) -> None:
        self.error, self._busy, self._again = error, False, False

    def _go_on(self, error: RemoraError, now: float, chance: float) -> None:
        """Choose between waiting for a person, for whoever needs it, and for the next attempt."""
        self._left = error.code is Code.HOST_LEFT
        self.promised = False
        if not may_help(error) and not self._left:
            self.liveness, self.deadline = Liveness.NEEDS_HUMAN, None
        elif not self._goes_on:
            self._suspend()
        else:
            self._schedule(error, now, chance)

    @property
    def _goes_on(self) -> bool:
        """Whether an attempt may begin without being asked for."""
        if self.policy is ReconnectPolicy.WHILE_ACTIVE:
            return self._active and not self._left
        return self.policy is ReconnectPolicy.ALWAYS

    def _suspend(self) -> None:
        self.liveness, self.deadline = Liveness.SUSPENDED, None

    def _schedule(self, error: RemoraError, now: float, chance: float) -> None:
        self.liveness = Liveness.RECONNECTING if self._was_live else Liveness.CONNECTING
        if error.code in _UNHEARD:
            if self._unanswered:
                self._unanswered.pop()
            elapsed = self._retries.elapsed(now)
            pause = min(max(_UNHEARD_PAUSE, elapsed / _UNHEARD_GROWTH), _UNHEARD_CEILING) * (0.7 + 0.3 * chance)
            spent = self._retries.is_spent(now)
        else:
            delay = self._retries.pause(now, chance)
            pause = _RARELY * (1 + 0.25 * chance) if delay is None else delay
            spent = delay is None
        if spent:
            self.liveness = Liveness.UNREACHABLE
        self.deadline = max(now + pause, self._earliest(now))

    # -- dialling

    def _dial(self, now: float) -> Effect:
        self._busy, self.deadline = True, None
        self._unanswered.append(now)
        self._dials.append(now)
        return Effect.DIAL

    def _earliest(self, now: float) -> float:
        """When the next connection may begin, after those of the last minute."""
        earliest = now
        for dials in (self._unanswered, self._dials):
            if len(dials) == dials.maxlen:
                earliest = max(earliest, dials[0] + _MINUTE)
        return earliest

    def _fresh_budget(self, now: float) -> None:
        self._retries.begin(now)
        self._unanswered.clear()
        self._dials.clear()
