"""What every reader of secrets keeps to, the twin in memory too."""

from collections.abc import Callable

import pytest
from tests.support.base.loop import run

from remora.adapters.files.secret_sources import SecretSources
from remora.core.errors import Code, ConfigProblem
from remora.core.settings import DEFAULT_LIMITS
from remora.ports import SecretReader
from remora.testing.memory_secrets import MemorySecrets

Make = Callable[[str | None], SecretReader]


def from_environment(value: str | None) -> SecretReader:
    return SecretSources(DEFAULT_LIMITS, environment={} if value is None else {"KEY": value})


@pytest.mark.parametrize("make", [from_environment, MemorySecrets])
def test_the_newline_at_its_end_is_no_part_of_a_secret(make: Make) -> None:
    secret = run(make("canary\n").read(environment="KEY", file=None, command=None))
    assert secret.reveal() == "canary"
    assert "canary" not in f"{secret} {secret!r}"


@pytest.mark.parametrize("make", [from_environment, MemorySecrets])
def test_a_secret_that_is_missing_is_named_by_where_it_should_be(make: Make) -> None:
    with pytest.raises(ConfigProblem, match="KEY") as caught:
        run(make(None).read(environment="KEY", file=None, command=None))
    assert caught.value.code is Code.SECRET_MISSING
