"""Whose account this process has, on a machine at its limits."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from remora.adapters.machine.own_account import own_account
from remora.core.errors import Code, ConfigProblem


@contextmanager
def _no_descriptors() -> Iterator[None]:
    """This process can open nothing more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    first_free = os.open(os.devnull, os.O_RDONLY)
    os.close(first_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (first_free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_an_account_that_cannot_be_looked_up_is_not_called_unknown() -> None:
    assert own_account().pw_uid == os.getuid()
    with _no_descriptors(), pytest.raises(ConfigProblem) as caught:
        own_account()
    assert caught.value.code is Code.CONFIG_UNREADABLE
    assert "Too many open files" in caught.value.message
    assert "ulimit -n" in (caught.value.next_step or "")
