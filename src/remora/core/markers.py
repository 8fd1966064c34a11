"""What a ready marker means, in words and as a failure."""

from datetime import UTC, datetime
from typing import Final

from remora.core.errors import Code, ProvisionProblem
from remora.core.provisioning import Marker, Readiness

_DIGITS: Final = 12


def describe_marker(marker: Marker) -> str:
    """One line for people: how far it came, by which manifest, since when, and whose doing it is."""
    if marker.readiness is Readiness.NEVER:
        return "not provisioned by remora"
    words = {
        Readiness.PROVISIONING: f"being provisioned{_at_step(marker)}",
        Readiness.INTERRUPTED: f"provisioning was interrupted{_at_step(marker)}",
        Readiness.FAILED: f"provisioning failed{_at_step(marker)}",
        Readiness.READY: "ready",
    }
    moment = _moment(marker.since)
    parts = [words[marker.readiness] + (f" since {moment}" if moment else "")]
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
        next_step="Run remora provision for this host again: it goes on where it stopped.",
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
