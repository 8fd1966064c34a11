"""The staged proof of a host: which stage stands, which failed, which was never reached."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from remora.core.errors import ExitCode, RemoraError, Stage

PROOF: Final = (
    Stage.CONFIG,
    Stage.NAME,
    Stage.ROUTE,
    Stage.HOST_KEY,
    Stage.AUTHENTICATION,
    Stage.SHELL,
    Stage.PROVISION,
    Stage.PATH,
    Stage.CODEX,
    Stage.LOGIN,
    Stage.SANDBOX,
    Stage.LAUNCH,
    Stage.HANDSHAKE,
)
"""What is proven, in order."""


NOT_REACHED: Final = "not reached"
"""What a stage behind a failure says of itself."""


class Outcome(StrEnum):
    """How one stage ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class StageResult:
    """One stage. `seconds` is its own time, `None` when it was passed inside another one's."""

    stage: Stage
    outcome: Outcome
    detail: str
    seconds: float | None = None
    error: RemoraError | None = None


class Proof:
    """Collects the stages of one host; each is recorded once."""

    def __init__(self) -> None:
        self._results: dict[Stage, StageResult] = {}

    def record(self, result: StageResult) -> StageResult:
        """A stage that was judged."""
        self._results[result.stage] = result
        return result

    def passed(self, stage: Stage, detail: str, seconds: float | None = None) -> StageResult:
        """The stage stands."""
        return self.record(StageResult(stage=stage, outcome=Outcome.OK, detail=detail, seconds=seconds))

    def failed(self, error: RemoraError, *, during: Stage, seconds: float | None = None) -> list[StageResult]:
        """A failure while `during` and what follows it was proven.

        The error knows its stage: those from `during` up to it were passed on the way. An error whose stage is
        no part of the proof, or lies before `during`, counts against `during`. Returns what was recorded.
        """
        stage = error.stage if error.stage in PROOF[PROOF.index(during) :] else during
        on_the_way = PROOF[PROOF.index(during) : PROOF.index(stage)]
        recorded = [self.passed(passed, "passed") for passed in on_the_way if passed not in self._results]
        failed = StageResult(stage=stage, outcome=Outcome.FAILED, detail=error.message, seconds=seconds, error=error)
        return [*recorded, self.record(failed)]

    def skipped(self) -> list[StageResult]:
        """Close the proof: every stage that was not reached is recorded as such."""
        return [
            self.record(StageResult(stage=stage, outcome=Outcome.SKIPPED, detail=NOT_REACHED))
            for stage in PROOF
            if stage not in self._results
        ]

    @property
    def results(self) -> tuple[StageResult, ...]:
        """The stages recorded so far, in the order of the proof."""
        return tuple(self._results[stage] for stage in PROOF if stage in self._results)

    @property
    def exit_code(self) -> ExitCode:
        """That of the first failure, or 0."""
        errors = (result.error for result in self.results if result.error is not None)
        return next((error.exit_code for error in errors), ExitCode.DONE)


def combined_exit_code(codes: Sequence[ExitCode]) -> ExitCode:
    """One exit code for several hosts: the common one, or `PARTIAL` when they differ."""
    different = set(codes)
    if not different:
        return ExitCode.DONE
    return different.pop() if len(different) == 1 else ExitCode.PARTIAL
