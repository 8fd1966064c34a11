"""When a link and a run connect again: pauses, and the time that one trouble may take."""

import pytest

from remora.core.backoff import Backoff
from remora.core.errors import Code, HostKeyProblem, RemoraError, TimeLimit, Unreachable
from remora.core.link.retry_judge import RetryJudge, may_help

BACKOFF = Backoff(first=1.0, quick=2, growth=2.0, floor=20.0, ceiling=45.0, total=100.0)


def judge(*, steady: float = 60.0, useful: float = 10.0) -> RetryJudge:
    begun = RetryJudge(BACKOFF, steady=steady, useful=useful)
    begun.came_up(0.0)
    return begun


def test_pauses_grow_within_one_trouble_and_end_when_its_time_is_spent() -> None:
    retries = judge()
    retries.broke(5.0)
    assert [retries.pause(at, 1.0) for at in (5.0, 6.0, 8.0)] == [1.0, 2.0, 25.0]
    assert retries.attempt == 3
    assert not retries.is_spent(104.9)
    assert retries.is_spent(105.0)
    assert retries.pause(105.0, 1.0) is None


def test_a_connection_that_broke_at_once_belongs_to_the_same_trouble() -> None:
    retries = judge()
    retries.broke(5.0)
    retries.pause(5.0, 1.0)
    retries.came_up(50.0)
    retries.broke(55.0)
    assert retries.elapsed(55.0) == 50.0
    assert retries.pause(55.0, 1.0) == 2.0


def test_a_connection_that_was_useful_gets_the_whole_time_and_a_steady_one_short_pauses_too() -> None:
    retries = judge()
    retries.broke(5.0)
    retries.pause(5.0, 1.0)
    retries.came_up(50.0)
    retries.broke(60.0)
    assert (retries.elapsed(60.0), retries.pause(60.0, 1.0)) == (0.0, 2.0)
    retries.came_up(100.0)
    retries.broke(160.0)
    assert (retries.elapsed(160.0), retries.pause(160.0, 1.0)) == (0.0, 1.0)


def test_a_connection_that_has_proven_its_use_makes_pauses_short_however_short_it_was() -> None:
    retries = judge()
    retries.broke(5.0)
    retries.pause(5.0, 1.0)
    retries.came_up(6.0)
    retries.broke(6.5, proven=True)
    assert retries.pause(6.5, 1.0) == 1.0


def test_what_a_person_asks_for_begins_with_short_pauses_and_what_needs_it_does_not() -> None:
    retries = judge()
    retries.broke(5.0)
    retries.pause(5.0, 1.0)
    retries.extend(90.0)
    assert (retries.elapsed(90.0), retries.pause(90.0, 1.0)) == (0.0, 2.0)
    retries.begin(95.0)
    assert (retries.elapsed(95.0), retries.pause(95.0, 1.0)) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("error", "helps"),
    [
        (Unreachable(Code.CONNECTION_LOST, "It broke.", next_step="Wait."), True),
        (TimeLimit(Code.TIME_LIMIT, "It was slow.", next_step="Wait."), True),
        (HostKeyProblem(Code.HOST_KEY_CHANGED, "Another key.", next_step="Look."), False),
    ],
)
def test_another_attempt_helps_against_slowness_and_loss_and_not_against_a_changed_key(
    error: RemoraError, helps: bool
) -> None:
    assert may_help(error) is helps
