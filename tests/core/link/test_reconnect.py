"""When a link dials, waits and gives up (F19, F75, F76, F77, F79), on a clock that the test owns."""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remora.core.errors import Code, RemoraError, Verdict
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
from remora.core.link.reconnect import Effect, LinkState
from remora.core.settings import ReconnectPolicy

ALWAYS, WHILE_ACTIVE, NEVER = ReconnectPolicy.ALWAYS, ReconnectPolicy.WHILE_ACTIVE, ReconnectPolicy.NEVER
HOUR = 3600.0
PERSON = [code for code in Code if code.verdict is not Verdict.RETRY and code is not Code.HOST_LEFT]


def error(code: Code) -> RemoraError:
    return RemoraError(code, "It failed.", next_step="Look.")


DEAD = error(Code.CONNECT_TIMEOUT)
CUT = error(Code.CONNECTION_LOST)
OFFLINE = error(Code.NETWORK_UNREACHABLE)


@dataclass
class Driven:
    """A session whose every wish is obeyed: an attempt takes `takes` seconds and ends as `host` says."""

    policy: ReconnectPolicy = ALWAYS
    host: Callable[[float], RemoraError | None] = lambda now: DEAD
    takes: float = 0.0
    chance: float = 0.5
    now: float = 1000.0
    dials: list[float] = field(default_factory=list)
    last: Effect = Effect.NONE

    def __post_init__(self) -> None:
        self.session = LinkState(self.policy, reconnect_total=180.0, dials_per_minute=3)

    def tell(self, event: Event) -> Effect:
        self.last = self.session.take(event, now=self.now, chance=self.chance)
        effect = self.last
        while effect is Effect.DIAL:
            self.dials.append(self.now)
            self.now += self.takes
            outcome = self.host(self.now)
            effect = self.session.take(
                CameUp() if outcome is None else AttemptFailed(outcome), now=self.now, chance=self.chance
            )
        return self.last

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while self.session.deadline is not None and self.session.deadline <= end:
            self.now = max(self.session.deadline, self.now)
            self.tell(Due())
        self.now = max(self.now, end)

    def live(self) -> "Driven":
        before, self.host = self.host, lambda now: None
        self.tell(ConnectRequested())
        assert self.session.liveness is Liveness.LIVE
        self.host = before
        self.dials.clear()
        self.now += 100
        return self


def state(driven: Driven) -> Liveness:
    return driven.session.liveness


def most_in_a_minute(moments: list[float]) -> int:
    moments = sorted(moments)
    return max((bisect_left(moments, first + 60) - index for index, first in enumerate(moments)), default=0)


def test_nothing_is_dialled_before_somebody_asks() -> None:
    driven = Driven()
    driven.wait(HOUR)
    assert driven.dials == []
    assert state(driven) is Liveness.SUSPENDED


def test_a_break_is_mended_within_a_second() -> None:
    for chance in (0.0, 0.5, 1.0):
        driven = Driven(host=lambda now: None, chance=chance).live()
        driven.tell(ConnectionLost(CUT))
        assert state(driven) is Liveness.RECONNECTING
        driven.wait(0.5)
        assert state(driven) is Liveness.LIVE


@given(chance=st.floats(0, 1), takes=st.floats(0, 25), calls=st.lists(st.floats(0, 40), max_size=30))
def test_a_dead_host_gets_at_most_three_connections_a_minute_however_many_clients_knock(
    chance: float, takes: float, calls: list[float]
) -> None:
    driven = Driven(chance=chance, takes=takes).live()
    driven.tell(Active(True))
    driven.tell(ConnectionLost(CUT))
    for pause in calls:
        driven.wait(pause)
        driven.tell(Wanted())
    driven.wait(600)
    assert most_in_a_minute(driven.dials) <= 3
    assert driven.dials


def test_a_dead_host_is_unreachable_after_three_minutes_and_still_tried_rarely() -> None:
    driven = Driven().live()
    driven.tell(ConnectionLost(CUT))
    driven.wait(400)
    assert state(driven) is Liveness.UNREACHABLE
    before = len(driven.dials)
    driven.wait(HOUR)
    assert 9 <= len(driven.dials) - before <= 13
    driven.host = lambda now: None
    driven.wait(400)
    assert state(driven) is Liveness.LIVE


def test_while_this_machine_is_offline_the_host_is_not_troubled_and_the_network_is_noticed_within_a_second() -> None:
    driven = Driven(host=lambda now: OFFLINE).live()
    driven.tell(ConnectionLost(CUT))
    driven.wait(5.0)
    driven.host = lambda now: None
    driven.wait(1.0)
    assert state(driven) is Liveness.LIVE


@given(chance=st.floats(0, 1))
def test_attempts_that_no_sshd_hears_are_bounded_too(chance: float) -> None:
    driven = Driven(host=lambda now: OFFLINE, chance=chance).live()
    driven.tell(ConnectionLost(CUT))
    driven.wait(HOUR)
    assert most_in_a_minute(driven.dials) <= 90
    assert len(driven.dials) < 1000


@given(
    code=st.sampled_from(PERSON),
    events=st.lists(st.sampled_from([Wanted(), Woke(), Moved(), Due(), Active(True), Active(False)]), max_size=20),
    policy=st.sampled_from(list(ReconnectPolicy)),
)
def test_f19_after_a_refusal_nothing_is_dialled_until_a_person_acts(
    code: Code, events: list[Event], policy: ReconnectPolicy
) -> None:
    driven = Driven(policy=policy, host=lambda now: error(code))
    driven.tell(ConnectRequested())
    assert state(driven) is Liveness.NEEDS_HUMAN
    assert len(driven.dials) == 1
    for event in events:
        driven.tell(event)
        driven.wait(61)
    driven.wait(HOUR)
    assert len(driven.dials) == 1
    driven.tell(ConnectRequested())
    assert len(driven.dials) == 2


def test_f19_a_login_refused_on_reconnect_stops_the_attempts() -> None:
    driven = Driven(host=lambda now: error(Code.AUTHENTICATION_REFUSED)).live()
    driven.tell(ConnectionLost(CUT))
    driven.wait(HOUR)
    assert len(driven.dials) == 1
    assert state(driven) is Liveness.NEEDS_HUMAN
    assert driven.session.error is not None
    assert driven.session.error.code is Code.AUTHENTICATION_REFUSED


def test_a_person_who_asks_during_an_unattended_attempt_gets_one_of_their_own_unless_the_login_was_refused() -> None:
    for code, dials in ((Code.PROMPT_UNATTENDED, 2), (Code.CONNECT_TIMEOUT, 2), (Code.AUTHENTICATION_REFUSED, 1)):
        session = LinkState(ALWAYS, reconnect_total=180.0, dials_per_minute=3)
        effects = [session.take(Wanted(), now=0.0, chance=0.5)]
        effects.append(session.take(ConnectRequested(), now=1.0, chance=0.5))
        effects.append(session.take(AttemptFailed(error(code)), now=2.0, chance=0.5))
        assert effects.count(Effect.DIAL) == dials, code


@pytest.mark.parametrize("asleep", [10.0, 600.0, 9 * HOUR])
def test_f75_after_a_sleep_the_budget_is_fresh_and_the_link_comes_back_by_itself(asleep: float) -> None:
    driven = Driven(host=lambda now: DEAD).live()
    driven.tell(ConnectionLost(CUT))
    driven.wait(200)  # the attempts were used up before the lid was closed
    assert state(driven) is Liveness.UNREACHABLE
    back = driven.now + 30
    driven.host = lambda now: None if now >= back else DEAD  # the way is there again 30 s after waking
    driven.tell(Woke())
    assert state(driven) is Liveness.RECONNECTING
    driven.wait(1)
    assert driven.dials[-1] >= back - 30  # dialled at once, though the last minute was used up
    driven.wait(60)
    assert state(driven) is Liveness.LIVE


def test_f75_a_live_link_is_asked_at_once_after_a_sleep_instead_of_waiting_for_keepalives() -> None:
    driven = Driven().live()
    assert driven.tell(Woke()) is Effect.PROBE
    assert state(driven) is Liveness.LIVE


def test_f75_a_machine_that_moved_to_another_network_dials_at_once_and_no_storm_comes_of_moving_on_and_on() -> None:
    driven = Driven(host=lambda now: DEAD).live()
    driven.tell(ConnectionLost(CUT))
    driven.wait(200)
    before = len(driven.dials)
    driven.tell(Moved())
    driven.wait(1)
    assert len(driven.dials) > before
    began, before = driven.now, len(driven.dials)
    while driven.now < began + 60:
        driven.tell(Moved())
        driven.wait(1)
    assert len(driven.dials) - before <= 12


@pytest.mark.parametrize("code", [Code.CONNECTION_REFUSED, Code.NETWORK_UNREACHABLE, Code.NAME_NOT_FOUND])
@pytest.mark.parametrize("away", [3.0, 30.0])
def test_f75_within_a_second_of_the_way_being_back_it_is_dialled_when_no_sshd_heard_the_attempts_before(
    code: Code, away: float
) -> None:
    driven = Driven(host=lambda now: error(code)).live()
    driven.tell(ConnectionLost(CUT))
    driven.wait(away)
    back = driven.now
    driven.host = lambda now: None
    driven.wait(1.01)
    assert state(driven) is Liveness.LIVE
    assert back <= driven.dials[-1] <= back + 1.01


def test_a_live_link_is_asked_at_once_after_a_move() -> None:
    driven = Driven().live()
    assert driven.tell(Moved()) is Effect.PROBE


def test_f76_a_machine_that_said_goodbye_is_not_dialled_until_somebody_asks() -> None:
    for policy in (WHILE_ACTIVE, NEVER):
        driven = Driven(policy=policy).live()
        driven.tell(Active(True))
        driven.tell(ConnectionLost(error(Code.HOST_LEFT)))
        assert state(driven) is Liveness.SUSPENDED
        driven.tell(Wanted())  # a client that reconnects by itself is nobody's wish to start a machine
        driven.tell(Woke())
        driven.wait(600)
        assert driven.dials == []
        driven.tell(ConnectRequested())
        assert len(driven.dials) == 1


def test_f76_always_means_always() -> None:
    driven = Driven(policy=ALWAYS, host=lambda now: None).live()
    driven.tell(ConnectionLost(error(Code.HOST_LEFT)))
    driven.wait(1)
    assert state(driven) is Liveness.LIVE


def test_f76_never_dials_only_when_asked() -> None:
    driven = Driven(policy=NEVER, host=lambda now: None).live()
    driven.tell(Active(True))
    driven.tell(ConnectionLost(CUT))
    driven.wait(HOUR)
    assert (state(driven), driven.dials) == (Liveness.SUSPENDED, [])


def test_f76_while_active_an_idle_link_rests_until_a_client_comes() -> None:
    driven = Driven(policy=WHILE_ACTIVE, host=lambda now: None).live()
    driven.tell(ConnectionLost(CUT))
    driven.wait(HOUR)
    assert (state(driven), driven.dials) == (Liveness.SUSPENDED, [])
    driven.tell(Active(True))
    driven.tell(Wanted())
    assert state(driven) is Liveness.LIVE


def test_f76_a_link_whose_last_client_left_while_it_was_down_is_not_dialled_on() -> None:
    driven = Driven(policy=WHILE_ACTIVE).live()
    driven.tell(Active(True))
    driven.tell(ConnectionLost(CUT))
    driven.wait(5)
    assert driven.dials
    count = len(driven.dials)
    driven.tell(Active(False))
    driven.wait(HOUR)
    assert (state(driven), len(driven.dials)) == (Liveness.SUSPENDED, count)


def test_f77_a_stalled_link_stays_live_because_nothing_but_a_loss_ends_it() -> None:
    driven = Driven().live()
    driven.wait(HOUR)
    for event in (Due(), Active(True), Wanted(), ConnectRequested()):
        assert driven.tell(event) is Effect.NONE
    assert (state(driven), driven.dials) == (Liveness.LIVE, [])


def test_a_server_that_dies_is_started_again_on_the_same_connection_but_not_for_ever() -> None:
    driven = Driven(policy=WHILE_ACTIVE).live()
    gone = error(Code.SERVER_GONE)
    effects = []
    for _ in range(4):
        effects.append(driven.tell(Broke(gone)))
        driven.now += 1
        if effects[-1] is Effect.RELAUNCH:
            assert state(driven) is Liveness.RECONNECTING
            driven.tell(CameUp())
    assert effects == [*[Effect.RELAUNCH] * 3, Effect.HANG_UP]
    assert state(driven) is Liveness.SUSPENDED
    assert driven.dials == []


def test_a_host_that_lets_us_in_and_drops_us_is_dialled_ever_more_slowly() -> None:
    driven = Driven(host=lambda now: None).live()
    for _ in range(200):
        driven.tell(ConnectionLost(CUT))
        driven.wait(100)
        driven.session.take(CameUp(), now=driven.now, chance=0.5)
    assert most_in_a_minute(driven.dials) <= 3


def test_breaks_of_a_link_that_works_between_them_are_each_mended_at_once() -> None:
    driven = Driven(host=lambda now: None).live()
    for held, useful in ((1.2, False), (0.01, True)):
        for _ in range(40):
            driven.now += held
            driven.tell(ConnectionLost(CUT, useful=useful))
            driven.wait(0.3)
            assert state(driven) is Liveness.LIVE


def test_a_host_is_never_dialled_more_than_two_times_a_second_for_long() -> None:
    driven = Driven(host=lambda now: None).live()
    for _ in range(1000):
        driven.tell(ConnectionLost(CUT, useful=True))
        driven.wait(0.3)
        if state(driven) is not Liveness.LIVE:
            driven.wait(60)
    assert most_in_a_minute(driven.dials) <= 120


def test_f67_a_crowded_server_is_asked_again_a_little_later_before_the_person_is_told() -> None:
    crowded = error(Code.CONNECTION_CLOSED)
    driven = Driven(policy=NEVER, host=lambda now: crowded)
    driven.tell(ConnectRequested())
    assert state(driven) is Liveness.CONNECTING
    driven.wait(10)
    assert not driven.session.promised
    assert len(driven.dials) == 3
    assert (driven.dials[1] - driven.dials[0], state(driven)) == (1.0, Liveness.SUSPENDED)
    driven.wait(HOUR)
    assert len(driven.dials) == 3


def test_what_ended_stays_ended() -> None:
    driven = Driven().live()
    assert driven.tell(Ended()) is Effect.HANG_UP
    for event in (
        ConnectRequested(),
        Wanted(),
        Woke(),
        Due(),
        CameUp(),
        AttemptFailed(DEAD),
        ConnectionLost(CUT),
        Broke(CUT),
        Ended(),
    ):
        assert driven.tell(event) is Effect.NONE
    assert (state(driven), driven.session.deadline) == (Liveness.STOPPED, None)


_EVENTS = st.sampled_from(
    [
        ConnectRequested(),
        Wanted(),
        Woke(),
        Due(),
        Active(True),
        Active(False),
        ConnectionLost(CUT),
        AttemptFailed(DEAD),
        CameUp(),
        Broke(CUT),
    ]
)


@given(
    policy=st.sampled_from(list(ReconnectPolicy)), events=st.lists(st.tuples(_EVENTS, st.floats(0, 90)), max_size=60)
)
def test_two_attempts_never_run_at_once_and_a_waiting_link_has_a_deadline(
    policy: ReconnectPolicy, events: list[tuple[Event, float]]
) -> None:
    session = LinkState(policy, reconnect_total=180.0, dials_per_minute=3)
    now, attempting = 0.0, False
    for event, pause in events:
        now += pause
        ends = isinstance(event, CameUp | AttemptFailed)
        if ends is not attempting and (ends or isinstance(event, ConnectionLost | Broke)):
            continue  # only an attempt ends
        if isinstance(event, ConnectionLost | Broke) and session.liveness is not Liveness.LIVE:
            continue
        effect = session.take(event, now=now, chance=0.5)
        attempting = False if ends else attempting
        if effect in {Effect.DIAL, Effect.RELAUNCH}:
            assert not attempting
            attempting = True
        waits = session.liveness in {Liveness.CONNECTING, Liveness.RECONNECTING, Liveness.UNREACHABLE}
        assert (session.deadline is not None) is (waits and not attempting)
