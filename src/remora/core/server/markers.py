"""The ready marker of a host: what it says, what that means in words and as a failure, and its lines."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from remora.core.errors import Code, ProvisionProblem
from remora.core.server.answers import Answers
from remora.core.text import neutralise

_DIGITS: Final = 12


class Readiness(StrEnum):
    """What the ready marker says. ``interrupted``: it says provisioning, but nobody is at work any more."""

    NEVER = "never"
    PROVISIONING = "provisioning"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    READY = "ready"

    @classmethod
    def _missing_(cls, value: object) -> "Readiness":
        """A word of another version says nothing to this one."""
        return cls.NEVER


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """The ready marker of a host, in documents too. `since` is seconds since 1970 by the host's clock; `step` counts
    from 1.

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


def read_marker(answers: Answers) -> Marker:
    """The marker that ``remora_emit_marker`` answered; :data:`NEVER` where there is none, or one nobody can read."""
    said = answers.under("marker")
    readiness = Readiness(said.one("readiness") or "")
    if readiness is Readiness.NEVER:
        return NEVER
    if readiness is Readiness.PROVISIONING and said.one("alive") is None:
        readiness = Readiness.INTERRUPTED
    since = said.number("since")
    return Marker(
        readiness=readiness,
        digest=said.one("digest") or "",
        since=None if since is None else float(since),
        step=said.number("step"),
        steps=said.number("steps"),
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


def describe_marker(marker: Marker) -> str:
    """One line for people: how far it came, by which manifest, since when, and whose doing it is."""
    if marker.readiness is Readiness.NEVER:
        return "not provisioned by remora"
    words = {
        Readiness.PROVISIONING: f"being provisioned{_at_step(marker)}",
        Readiness.INTERRUPTED: f"provisioning was interrupted{_at_step(marker)}",
        Readiness.FAILED: f"provisioning failed{_at_step(marker)}",
        Readiness.READY: "provisioned",
    }
    moment = _moment(marker.since)
    over = marker.readiness in (Readiness.INTERRUPTED, Readiness.FAILED)
    parts = [words[marker.readiness] + (f" {'on' if over else 'since'} {moment}" if moment else "")]
    if marker.readiness is Readiness.READY and marker.digest:
        parts.append(f"manifest {marker.digest.removeprefix('sha256:')[:_DIGITS]}")
    if marker.operator:
        parts.append(f"by {marker.operator}")
    return ", ".join(parts)


def provision_failed(marker: Marker) -> ProvisionProblem | None:
    """The failure that the marker tells of, if it does."""
    if marker.readiness is not Readiness.FAILED:
        return None
    return ProvisionProblem(
        Code.PROVISION_FAILED,
        f"The last provisioning of this host failed{_at_step(marker)}.",
        seen=marker.detail,
        next_step="Run remora provision for this host again; it continues where it stopped.",
    )


def _at_step(marker: Marker) -> str:
    if marker.step is None:
        return ""
    of = "" if marker.steps is None else f" of {marker.steps}"
    title = f" ({marker.step_title})" if marker.step_title else ""
    return f" at step {marker.step}{of}{title}"


def _moment(since: float | None) -> str:
    """By the host's own clock, which may say anything."""
    if since is None:
        return ""
    try:
        return f"{datetime.fromtimestamp(since, UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, OSError, ValueError):
        return ""
