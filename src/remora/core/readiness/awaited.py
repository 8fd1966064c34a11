"""What ``remora wait`` waits for, and whether it is so."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from remora.core.errors import Code, ProvisionProblem, RemoraError, TimeLimit, UsageProblem
from remora.core.link.links import Liveness
from remora.core.server.markers import Marker, Readiness, describe_marker, provision_failed


class Awaited(StrEnum):
    """One thing that a host can be."""

    PROVISIONED = "provisioned"
    """Its marker says that provisioning is done."""
    READY = "ready"
    """A thread can start there: no provisioning is under way or has failed, and ``remora check`` finds no fault."""
    LIVE = "live"
    """The hub's link to it is live."""
    IDLE = "idle"
    """Its link is live, and no thread works or waits there."""


MARKED: Final = frozenset({Awaited.PROVISIONED, Awaited.READY})
"""What the marker of the host has a say in."""
_AT_REST: Final = frozenset({Readiness.READY, Readiness.NEVER})
"""States of a host at which nobody is at work."""


@dataclass(slots=True)
class Seen:
    """What is known of one host now.

    `error` is why it cannot be reached to read its marker. `fault` is what ``remora check`` found, `None` when it
    found nothing; it counts when `checked` is true.
    """

    marker: Marker | None = None
    error: RemoraError | None = None
    checked: bool = False
    fault: str | None = None
    liveness: Liveness | None = None
    active: int | None = None

    def holds(self, awaited: Sequence[Awaited]) -> bool:
        """Whether all of `awaited` is so."""
        return all(self._is(one) for one in awaited)

    def failure(self, awaited: Sequence[Awaited]) -> ProvisionProblem | None:
        """Why waiting on is vain: provisioning has failed, and nobody is at it any more."""
        return provision_failed(self.marker) if MARKED.intersection(awaited) and self.marker is not None else None

    @property
    def at_rest(self) -> bool:
        """Whether the host is reached and nobody provisions it now: it is worth a check."""
        return self.error is None and self.marker is not None and self.marker.readiness in _AT_REST

    def describe(self, awaited: Sequence[Awaited]) -> str:
        """What the host is, as far as it matters, on one line."""
        words = [self._said(one) for one in awaited]
        return "; ".join(dict.fromkeys(words))

    def _is(self, one: Awaited) -> bool:
        if one is Awaited.PROVISIONED:
            return self.marker is not None and self.marker.readiness is Readiness.READY
        if one is Awaited.READY:
            return self.at_rest and self.checked and self.fault is None
        return self.liveness is Liveness.LIVE and (one is Awaited.LIVE or self.active == 0)

    def _said(self, one: Awaited) -> str:
        if one in MARKED:
            if self.error is not None:
                return f"not reached: {self.error.message}"
            if self.marker is None:
                return "not reached yet"
            if one is Awaited.PROVISIONED or not self.at_rest:
                return describe_marker(self.marker)
            return self.fault or "checked" if self.checked else "not checked yet"
        if self.liveness is None:
            return "no link"
        if one is Awaited.LIVE or self.liveness is not Liveness.LIVE:
            return f"link {self.liveness}"
        return "idle" if not self.active else f"{self.active} active thread{'' if self.active == 1 else 's'}"


def read_awaited(text: str) -> tuple[Awaited, ...]:
    """``provisioned,live``: words of :class:`Awaited`, with commas between. Raises :class:`UsageProblem`."""
    known = {awaited.value: awaited for awaited in Awaited}
    words = [word.strip() for word in text.split(",")]
    strange = next((word for word in words if word not in known), None)
    if strange is not None:
        raise UsageProblem(
            Code.USAGE,
            f"Invalid value {strange!r} for --for; use {', '.join(known)}.",
            next_step="For example: remora wait devbox --for ready,live",
        )
    return tuple(dict.fromkeys(known[word] for word in words))


def not_ready(alias: str, seen: Seen, awaited: Sequence[Awaited], seconds: float) -> TimeLimit:
    """The limit was reached before all of `awaited` was so."""
    advice = f"Raise --timeout, or see the state with: remora check {alias}"
    if not MARKED.intersection(awaited) and seen.liveness is None:
        advice = f"Make a link with: remora connect {alias}"
    elif seen.marker is not None and seen.marker.readiness in _unfinished(awaited):
        advice = "Provision it with remora provision and your manifest; no run is in progress."
    return TimeLimit(
        Code.NOT_READY,
        f"{alias} is not {' and '.join(awaited)} after {_lasted(seconds)}: {seen.describe(awaited).removesuffix('.')}.",
        seen=seen.error.seen if seen.error is not None else "",
        next_step=advice,
        host=alias,
    )


def _unfinished(awaited: Sequence[Awaited]) -> tuple[Readiness, ...]:
    """States of the marker that only provisioning changes."""
    never = (Readiness.NEVER,) if Awaited.PROVISIONED in awaited else ()
    return (*never, Readiness.INTERRUPTED)


def _lasted(seconds: float) -> str:
    """To a tenth, as far as that says anything."""
    shown = f"{seconds:.1f}".removesuffix(".0")
    return f"{shown} second{'s' * (shown != '1')}"
