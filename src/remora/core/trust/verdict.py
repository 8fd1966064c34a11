"""Whether what a repository brings is put in force: who said so, and for which content."""

from collections.abc import Mapping
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
    MANIFEST = "manifest"
    """A manifest that provisioned the host named the hash of this content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustRecord:
    """What is remembered of one folder of one machine: the content by its hash, and what was said of it.

    `by` is `None` for a no. `alias` is what the host was called then; it is for people, and decides nothing.
    """

    digest: str
    by: TrustedBy | None
    alias: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptTrust:
    """A record, and the folder and the machine that it is about."""

    machine: str
    folder: str
    record: TrustRecord

    @property
    def host(self) -> str:
        """The alias; the machine's own name where none was kept."""
        return self.record.alias or self.machine.partition(" ")[0]

    def is_at(self, host: str, folder: str | None) -> bool:
        """Whether this is what a person calls so: a `folder` that is not absolute is the end of a path."""
        if host not in (self.host, self.machine.partition(" ")[0]):
            return False
        if folder is None:
            return True
        name = folder.removeprefix("~/").rstrip("/") or "/"
        return self.folder == name or (not name.startswith("/") and self.folder.endswith(f"/{name}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustVerdict:
    """What holds now. `ask` says that a person may say otherwise, `note` that it is to be remembered."""

    by: TrustedBy | None
    ask: bool = False
    note: bool = False
    changed: bool = False


def judge_repository(
    digests: Mapping[str, str] | None, records: Mapping[str, TrustRecord], *, host_trusts: bool
) -> TrustVerdict:
    """What holds for content with `digests`, one for each folder; `records` are what is remembered of these folders.

    Content that the host trusts is noted when it is first seen; what is different later is asked about like any other.
    The host's own trust holds no longer than the host says so; an answer stands for itself. A no is not asked again for
    the same content. What cannot be vouched for is not trusted by anybody.
    """
    if digests is None:
        return TrustVerdict(by=None, changed=bool(records))
    if any(digests[place] != record.digest for place, record in records.items()):
        return TrustVerdict(by=None, ask=True, changed=True)
    said = {record.by for record in records.values()}
    is_new = len(records) < len(digests)
    if None in said:
        return TrustVerdict(by=None, ask=is_new)
    if (is_new or TrustedBy.CODEX in said) and not host_trusts:
        return TrustVerdict(by=None, ask=True)
    if is_new:
        return TrustVerdict(by=TrustedBy.CODEX, note=True)
    return TrustVerdict(by=TrustedBy.CODEX if TrustedBy.CODEX in said else min(by for by in said if by is not None))
