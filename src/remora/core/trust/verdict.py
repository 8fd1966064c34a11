"""Whether what a repository brings is put in force: who said so, and for which content."""

from dataclasses import dataclass
from enum import StrEnum


class TrustedBy(StrEnum):
    """Who trusts a repository as it is now."""

    CODEX = "codex"
    """The account's configuration on the host: somebody said so to codex itself."""
    ANSWER = "answer"
    """A person, asked by remora, for exactly this content."""
    OPTION = "option"
    """The command line or the caller named the hash of this content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustRecord:
    """What is remembered of one folder of one machine: the content by its hash, and what was said of it.

    `by` is `None` for a no.
    """

    digest: str
    by: TrustedBy | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What holds now. `ask` says that a person may say otherwise, `note` what is to be remembered."""

    by: TrustedBy | None
    ask: bool = False
    note: TrustRecord | None = None
    changed: bool = False


def judge_repository(digest: str | None, record: TrustRecord | None, *, host_trusts: bool) -> Verdict:
    """What holds for content with `digest`, where `record` is what is remembered of the folder.

    Content that the host trusts is noted when it is first seen; what is different later is asked about like any other.
    The host's own trust holds no longer than the host says so; an answer stands for itself. A no is not asked again for
    the same content. What cannot be vouched for is not trusted by anybody.
    """
    if digest is None:
        return Verdict(by=None, changed=record is not None)
    if record is None:
        if host_trusts:
            return Verdict(by=TrustedBy.CODEX, note=TrustRecord(digest=digest, by=TrustedBy.CODEX))
        return Verdict(by=None, ask=True)
    if record.digest != digest:
        return Verdict(by=None, ask=True, changed=True)
    if record.by is TrustedBy.CODEX and not host_trusts:
        return Verdict(by=None, ask=True)
    return Verdict(by=record.by)
