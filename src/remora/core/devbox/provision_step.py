"""What provisioning asks, finds and decides about one step."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from remora.core.errors import RemoraError
from remora.core.server.answers import Answers


@dataclass(frozen=True, slots=True)
class StepScript:
    """Shell text for the host: files shipped in ``remote/provision``, by name with spaces between, and variables for
    them. The functions and variables of ``places.sh``, ``lock.sh`` and ``common.sh`` are there.

    It answers with ``remora_tell KEY VALUE`` (see ``common.sh``), under the step's own prefix.
    """

    name: str
    variables: dict[str, str] = field(default_factory=dict)
    text: str = ""
    """More shell text, after the files."""


class StepState(StrEnum):
    """What reading found. ``later``: only an earlier step, which is still to be done, can tell."""

    SAME = "same"
    DIFFERENT = "different"
    BLOCKED = "blocked"
    LATER = "later"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One step compared with the host. `detail` is what is there or what changes, for people; `sends` the bytes that
    travel when it is applied. BLOCKED has the `error` that applying would raise. `answers` are those it was read from.
    """

    state: StepState
    detail: str
    sends: int = 0
    error: RemoraError | None = None
    notices: tuple[str, ...] = ()
    answers: Answers = field(default_factory=lambda: Answers(()))

    @classmethod
    def blocked(cls, error: RemoraError, answers: Answers) -> Self:
        """BLOCKED, by what `error` says."""
        return cls(state=StepState.BLOCKED, detail=error.message, error=error, answers=answers)


class StepOutcome(StrEnum):
    """How one step of one host ended. ``would-change`` belongs to a dry run."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    WOULD_CHANGE = "would-change"
    FAILED = "failed"
    SKIPPED = "skipped"


def log_name(step: str) -> str:
    """What the log of a step's script is called on the host."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", step).strip("._") or "run"


def operator_word(operator: str) -> str:
    """Who is at work, as one word for a lock."""
    return re.sub(r"[^A-Za-z0-9@._-]+", "_", operator)[:64]
