"""A word that must be one of a few names."""

from collections.abc import Iterable
from enum import StrEnum
from typing import TypeVar

from remora.core.errors import Code, UsageProblem

_Name = TypeVar("_Name", bound=StrEnum)


def choose(names: Iterable[_Name], value: str, *, what: str) -> _Name:
    """The one of `names` called `value`. Raises :class:`UsageProblem` that says of `what` it is no value."""
    known = tuple(names)
    for name in known:
        if name == value:
            return name
    raise UsageProblem(Code.USAGE, f"{value!r} is no value of {what}.", next_step=f"Use one of: {', '.join(known)}")
