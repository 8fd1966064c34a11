"""What provisioning knows and decides: facts of a host, what a step found and how it ended."""

import re
from dataclasses import dataclass, field
from enum import StrEnum

from remora.core.account_facts import AccountFacts
from remora.core.answers import Answers
from remora.core.errors import RemoraError


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxFacts(AccountFacts):
    """An account as a place for installing. `libc` as in ``glibc 2.36`` or ``musl``. `tools` are names of programs that
    are there, of those we may need.
    """

    libc: str
    tools: frozenset[str]


@dataclass(frozen=True, slots=True)
class Script:
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


class StepOutcome(StrEnum):
    """How one step of one host ended. ``would-change`` belongs to a dry run."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    WOULD_CHANGE = "would-change"
    FAILED = "failed"
    SKIPPED = "skipped"


def read_box(answers: Answers, *, noise: str = "") -> BoxFacts:
    """Facts from the answers of entry.sh and survey.sh; what was not answered counts as absent."""
    return BoxFacts.read(
        answers,
        noise=noise,
        libc=answers.one("libc") or "",
        tools=frozenset((answers.one("tools") or "").split()),
    )


def operator_word(operator: str) -> str:
    """Who is at work, as one word for a lock."""
    return re.sub(r"[^A-Za-z0-9@._-]+", "_", operator)[:64]
