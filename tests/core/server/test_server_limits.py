"""Limits of the app server, as files and kernels of any host may say them."""

import pytest

from remora.core.server.answers import Answers
from remora.core.server.server_limits import ServerLimits, enforcement_notices, read_limits


@pytest.mark.parametrize("value", ["9" * 5000, "-1", "1e9", "\u0663", "\u00b2", "", " 1"])
def test_what_is_no_number_of_a_machine_is_no_limit(value: str) -> None:
    assert read_limits(f"memory={value}\ncpu=50\n") == ServerLimits(cpu=50)
    assert enforcement_notices(ServerLimits(processes=5), Answers((("limit.processes", value),)))


def test_the_least_of_several_counts() -> None:
    answers = Answers((("limit.processes", "500"), ("limit.processes", "4"), ("limit.processes", "max")))
    assert enforcement_notices(ServerLimits(processes=5), answers) == ()
