"""When to try again (F79): retry only where retrying can help, growing pauses, one budget."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remora.core.backoff import Backoff, may_retry
from remora.core.errors import Code, ProtocolProblem, Unreachable

RETRIED = {
    Code.NAME_NOT_FOUND,
    Code.CONNECTION_REFUSED,
    Code.NETWORK_UNREACHABLE,
    Code.CONNECT_TIMEOUT,
    Code.CONNECTION_CLOSED,
    Code.CONNECTION_LOST,
    Code.PROXY_FAILED,
    Code.JUMP_FAILED,
    Code.RESOLVE_TIMEOUT,
    Code.LAUNCH_TIMEOUT,
    Code.RELAY_FAILED,
    Code.SERVER_GONE,
    Code.SERVER_OVERLOADED,
    Code.THREAD_BUSY,
}


@pytest.mark.parametrize("code", Code)
def test_each_failure_has_one_retry_decision(code: Code) -> None:
    error = Unreachable(code, "It failed.", next_step="Look.")
    assert may_retry(error) is (code in RETRIED)


@pytest.mark.parametrize(
    "code", [Code.AUTHENTICATION_REFUSED, Code.HOST_KEY_CHANGED, Code.HOST_KEY_UNKNOWN, Code.REQUEST_UNKNOWN]
)
def test_never_again_after_a_refused_login_a_host_key_problem_or_an_unknown_request(code: Code) -> None:
    assert not may_retry(ProtocolProblem(code, "It failed.", next_step="Look."))


def test_the_first_attempts_are_quick_and_the_rest_at_most_three_a_minute() -> None:
    backoff = Backoff(total=600.0)
    assert all((delay := backoff.delay(n, elapsed=0.0, chance=1.0)) is not None and delay <= 1.0 for n in (1, 2))
    for attempt in range(3, 12):
        delay = backoff.delay(attempt, elapsed=0.0, chance=0.0)
        assert delay is not None
        assert delay >= 20.0


@given(attempt=st.integers(1, 60), elapsed=st.floats(0, 400), chance=st.floats(0, 1))
def test_pauses_stay_within_the_budget(attempt: int, elapsed: float, chance: float) -> None:
    backoff = Backoff(total=180.0)
    delay = backoff.delay(attempt, elapsed=elapsed, chance=chance)
    if elapsed >= 180.0:
        assert delay is None
    else:
        assert delay is not None
        assert 0.0 <= delay <= 180.0 - elapsed


def test_chance_spreads_clients_that_broke_together() -> None:
    backoff = Backoff()
    assert backoff.delay(3, elapsed=0.0, chance=0.0) != backoff.delay(3, elapsed=0.0, chance=1.0)
