"""F52, F53, F54, F77, F81: breaks of every kind at random points under load; `scripts/bench chaos` makes 1,000."""

import random

import pytest
from tests.support.network.chaos import run_chaos

pytestmark = [pytest.mark.sshd, pytest.mark.codex, pytest.mark.timeout(420), pytest.mark.longest]

BREAKS = 40


def test_f52_forty_breaks_lose_and_double_nothing_and_leave_one_server_and_one_relay() -> None:
    seed = random.randrange(2**32)  # noqa: S311 - told, and repeated by the order's own seed
    verdict = run_chaos(BREAKS, seed=seed)
    assert verdict.faults == [], f"seed {seed}"
    assert verdict.breaks.total() == BREAKS
    assert verdict.echoed > 0
    assert verdict.items > 0
    assert verdict.descriptors[-1] <= verdict.descriptors[0] + 5
