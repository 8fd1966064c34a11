"""What this machine remembers of repositories: who trusts which content, and what was taken back."""

from collections.abc import Iterable
from typing import ClassVar

import msgspec

from remora.core.trust.verdict import KeptTrust
from remora.wire.reports import Report


class KeptTrustBody(msgspec.Struct, kw_only=True):
    """One folder of one machine. `trusted_by` is null for a no; `hash` is that of the content it was said of."""

    host: str
    folder: str
    trusted_by: str | None
    hash: str
    machine: str


class TrustReport(Report, kw_only=True):
    """All that is remembered, the oldest first."""

    kind: ClassVar[str] = "trust"
    kept: list[KeptTrustBody]


class TrustRevoked(Report, kw_only=True):
    """What is no longer remembered."""

    kind: ClassVar[str] = "trust-revoked"
    revoked: list[KeptTrustBody]


def kept_bodies(kept: Iterable[KeptTrust]) -> list[KeptTrustBody]:
    """The public form of what is remembered."""
    return [
        KeptTrustBody(
            host=each.host,
            folder=each.folder,
            trusted_by=None if each.record.by is None else each.record.by.value,
            hash=each.record.digest,
            machine=each.machine,
        )
        for each in kept
    ]
