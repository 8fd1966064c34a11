"""A word that must be one of a few names."""

from collections.abc import Iterable
from enum import StrEnum
from typing import TypeVar

from remora.core.errors import Code, UsageProblem

_Name = TypeVar("_Name", bound=StrEnum)


def choose(names: Iterable[_Name], value: str, *, what: str) -> _Name:
    """The one of `names` called `value`. Raises :class:`UsageProblem` that names `what` it was to be."""
    known = tuple(names)
    for name in known:
        if name == value:
            return name
    accepted = " or ".join([", ".join(known[:-1]), *known[-1:]])
    raise UsageProblem(
        Code.USAGE, f"Invalid value {value!r} for {what}; use {accepted}.", next_step=f"For example: {known[0]}"
    )
