"""What provisioning knows and decides: facts of a host, what a step found, how it ended, and the ready marker."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from remora.core.answers import Answers
from remora.core.errors import RemoraError


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
    """Shell text for the host: files shipped in ``remote/provision`` by name, and variables they need.

    It answers with ``remora_tell KEY VALUE`` (see ``common.sh``), under the step's own prefix.
    """

    name: str
    variables: dict[str, str] = field(default_factory=dict)


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
