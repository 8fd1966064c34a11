"""Who provisions a host, as its lock tells others, and which runs are known to be over."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Self

from remora.core.devbox.provision_step import operator_word

_BETWEEN: Final = "/"


def _nobody_knows(run: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Operator:
    """`name` is for people. `run` is a word for this run that no other machine can make up; `is_over` says of such a
    word that its run was one of this machine and has ended. `visit` is a word for one host's part of the run.
    """

    name: str
    run: str = ""
    is_over: Callable[[str], bool] = _nobody_knows
    visit: str = ""

    def visiting(self, visit: str) -> Self:
        """For one host, however often it is dialled."""
        return replace(self, visit=visit)

    def words(self) -> str:
        """What the lock says of us: the name, and what :meth:`has_left` reads."""
        return f"{operator_word(self.name)} {self.run}{_BETWEEN}{self.visit}"

    def has_left(self, word: str) -> bool:
        """Whether the lock of `word` was taken over a connection that is gone here, whatever the host believes."""
        run, between, visit = word.partition(_BETWEEN)
        ours = bool(self.visit) and (run, visit) == (self.run, self.visit)
        return bool(between) and (ours or self.is_over(run))
