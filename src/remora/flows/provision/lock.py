"""One operator at a time on one host: the lock of provisioning, held by the shell that we work in."""

from collections.abc import Callable, Sequence
from typing import Final

from remora.core.devbox.provision_step import StepScript
from remora.core.errors import Code, ProvisionProblem
from remora.core.server.answers import Answers
from remora.core.text import neutralise
from remora.flows.provision.bench import Bench
from remora.flows.provision.operators import Operator

LEAVE: Final = StepScript("lock_leave")
_ENDING: Final = 10
"""Seconds within which what an earlier connection left behind has ended."""


class HostLock:
    """The lock at one bench. A shell that the bench had to replace has lost it; :meth:`held` tells."""

    def __init__(self, bench: Bench, *, operator: Operator, wait: float) -> None:
        self._bench = bench
        self._operator = operator
        self._wait = wait
        self._generation = 0

    @property
    def held(self) -> bool:
        """Whether it is ours now."""
        return bool(self._generation) and self._generation == self._bench.generation

    async def take(self, readings: Sequence[StepScript], *, waits: Callable[[str], None]) -> tuple[Answers, ...]:
        """Take it, and read in the same flight. Waits for another operator, after telling `waits` for whom.

        Raises ``provision-busy`` when that takes longer than the limit, ``place-unusable`` where a lock cannot stand.
        """
        said, *answers = await self._try(readings, wait=0)
        if said.one("lock") == "busy" and self._is_left_over(said):
            waits("ends processes of a broken connection")
            said, *answers = await self._try(readings, wait=_ENDING, over=said.one("holder") or "")
        if said.one("lock") == "busy":
            waits(f"waits for {_who(said)}")
            said, *answers = await self._try(readings, wait=self._wait)
        if said.one("lock") == "busy":
            raise _busy(said, self._wait)
        if said.one("lock") != "taken":
            raise ProvisionProblem(
                Code.PLACE_UNUSABLE,
                "No usable folder on the host for the provisioning lock.",
                next_step="Set XDG_RUNTIME_DIR or TMPDIR on the host to a private folder of the account.",
            )
        self._generation = self._bench.generation
        return tuple(answers)

    async def retake(self) -> bool:
        """Take it again after it was lost, unless somebody else has it now."""
        if not self.held:
            (said,) = await self._try((), wait=0)
            if said.one("lock") == "busy" and self._is_left_over(said):
                (said,) = await self._try((), wait=_ENDING, over=said.one("holder") or "")
            if said.one("lock") == "taken":
                self._generation = self._bench.generation
        return self.held

    async def leave(self, *last: StepScript) -> tuple[Answers, ...]:
        """Run `last`, then leave it; all in one flight. The answers of `last`."""
        answers = await self._bench.survey((), first=(*last, LEAVE))
        self._generation = 0
        return answers[:-1]

    def _is_left_over(self, said: Answers) -> bool:
        """Whether a connection of ours that is gone holds it: the host may believe in it for hours."""
        _, _, _, _, word, *_ = *(said.one("holder") or "").split(" "), "", "", "", "", ""
        return self._operator.has_left(word)

    async def _try(self, readings: Sequence[StepScript], *, wait: float, over: str = "") -> tuple[Answers, ...]:
        variables = {"remora_operator": self._operator.words(), "remora_wait": str(int(wait)), "remora_over": over}
        return await self._bench.survey(readings, first=(StepScript("lock_take", variables),), wait=wait)


def _who(said: Answers) -> str:
    pid, _, _, operator, *_ = *(said.one("holder") or "").split(" "), "", "", "", ""
    who = neutralise(operator, one_line=True) or "another operator"
    return f"{who}, who provisions this host now (process {pid if pid.isdigit() else '?'} there)"


def _busy(said: Answers, seconds: float) -> ProvisionProblem:
    pid = (said.one("holder") or "").partition(" ")[0]
    end = f"; if nobody provisions this host, end the process there: kill {pid}" if pid.isdigit() else ""
    return ProvisionProblem(
        Code.PROVISION_BUSY,
        f"This run waited {seconds:g} seconds for {_who(said)}.",
        next_step=f"Run it again later{end}",
    )
