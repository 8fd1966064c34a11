"""What provisioning knows and decides: facts of a host, what a step found, how it ended, and the ready marker."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from remora.core.answers import Answers
from remora.core.errors import RemoraError
from remora.core.text import neutralise

_NUMBER: Final = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxFacts:
    """A host as a place for installing. `path` is the PATH of its login shell; `libc` as in ``glibc 2.36`` or ``musl``.

    `state_folder` holds our marker, records and logs, one for each machine even where homes are shared
    (``~/.local/state/remora/MACHINE``); `runtime_folder` is on local disk and holds the lock. `tools` are names of
    programs that are there, of those we may need.
    """

    os: str
    architecture: str
    libc: str
    account: str
    user_id: str
    home: str
    login_shell: str
    path: str
    codex_home: str
    state_folder: str
    runtime_folder: str | None
    machine_id: str | None
    boot_id: str | None
    tools: frozenset[str]
    noise: str = ""


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


class Readiness(StrEnum):
    """What the ready marker says. ``interrupted``: it says provisioning, but nobody is at work any more."""

    NEVER = "never"
    PROVISIONING = "provisioning"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    READY = "ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """The ready marker of a host. `since` is seconds since 1970 by the host's clock; `step` counts from 1.

    `digest` is that of the manifest as it holds for this host; secrets are no part of it.
    """

    readiness: Readiness
    digest: str = ""
    since: float | None = None
    step: int | None = None
    steps: int | None = None
    step_title: str = ""
    detail: str = ""
    operator: str = ""


NEVER: Final = Marker(readiness=Readiness.NEVER)


def read_box(answers: Answers, *, noise: str = "") -> BoxFacts:
    """Facts from the answers of entry.sh and survey.sh; what was not answered counts as absent."""

    def text(key: str) -> str:
        return answers.one(key) or ""

    return BoxFacts(
        os=text("os"),
        architecture=text("architecture"),
        libc=text("libc"),
        account=text("entry.account"),
        user_id=text("user"),
        home=text("home"),
        login_shell=text("entry.shell"),
        path=text("path"),
        codex_home=text("codex-home"),
        state_folder=text("state"),
        runtime_folder=answers.one("runtime") or None,
        machine_id=answers.one("machine-id") or None,
        boot_id=answers.one("boot-id") or None,
        tools=frozenset(text("tools").split()),
        noise=noise,
    )


def read_marker(answers: Answers) -> Marker:
    """The marker that ``remora_emit_marker`` answered; :data:`NEVER` where there is none, or one nobody can read."""
    said = answers.under("marker")
    try:
        readiness = Readiness(said.one("readiness") or "")
    except ValueError:
        return NEVER
    if readiness is Readiness.PROVISIONING and said.one("alive") is None:
        readiness = Readiness.INTERRUPTED
    step, steps, since = (_number(said.one(key)) for key in ("step", "steps", "since"))
    return Marker(
        readiness=readiness,
        digest=said.one("digest") or "",
        since=None if since is None else float(since),
        step=step,
        steps=steps,
        step_title=neutralise(said.one("title") or "", one_line=True),
        detail=neutralise(said.one("detail") or "", one_line=True),
        operator=neutralise(said.one("operator") or "", one_line=True),
    )


def marker_text(marker: Marker) -> str:
    """The lines that a host keeps of `marker`, but for the moment and who is at work, which it knows itself."""
    values = {
        "readiness": marker.readiness.value,
        "digest": marker.digest,
        "step": "" if marker.step is None else str(marker.step),
        "steps": "" if marker.steps is None else str(marker.steps),
        "title": marker.step_title,
        "detail": marker.detail,
        "operator": marker.operator,
    }
    return "\n".join(f"{key}={neutralise(value, one_line=True)}" for key, value in values.items() if value)


def operator_word(operator: str) -> str:
    """Who is at work, as one word for a lock."""
    return re.sub(r"[^A-Za-z0-9@._-]+", "_", operator)[:64]


def _number(text: str | None) -> int | None:
    return int(text) if text and _NUMBER.fullmatch(text) else None
