"""What this machine remembers of repositories. No host is asked."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from remora.wire.reports.trust import TrustReport, TrustRevoked


def list_trust() -> "TrustReport":
    """What was answered about repositories, and what manifests named, on this machine for this user."""
    from remora import wiring
    from remora.wire.reports.trust import TrustReport, kept_bodies

    return TrustReport(ok=True, exit_code=0, kept=kept_bodies(wiring.trust_memory().kept()))


def revoke_trust(alias: str, folder: str | None = None) -> "TrustRevoked":
    """Forget what was said of `folder` on `alias`, or of all its folders: threads that start later ask again.

    `folder` is absolute, or the end of a path. Where nothing is remembered of it, `revoked` is empty. Raises
    ``config-unreadable`` where it cannot be forgotten.
    """
    from remora import wiring
    from remora.wire.reports.trust import TrustRevoked, kept_bodies

    return TrustRevoked(ok=True, exit_code=0, revoked=kept_bodies(wiring.trust_memory().forget(alias, folder)))
