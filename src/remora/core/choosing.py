"""A word that must be one of a few names."""

from enum import StrEnum
from typing import TypeVar

from remora.core.errors import Code, UsageProblem

_Name = TypeVar("_Name", bound=StrEnum)


def choose(names: type[_Name], value: str, *, what: str) -> _Name:
    """The member of `names` called `value`. Raises :class:`UsageProblem` that says of `what` it is no value."""
    try:
        return names(value)
    except ValueError:
        raise UsageProblem(
            Code.USAGE, f"{value!r} is no value of {what}.", next_step=f"Use one of: {', '.join(names)}"
        ) from None
