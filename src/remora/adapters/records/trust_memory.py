"""What was answered about repositories, in one file of this user, a line of JSON for each."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from remora.adapters.records.own_lines import OwnLines
from remora.core.errors import Code, ConfigProblem
from remora.core.trust.verdict import KeptTrust, TrustedBy, TrustRecord

_ANSWERED: Final = "folder"
"""A line about one ``.codex`` folder, as it was answered."""
_NAMED: Final = "project"
"""A line about a project, as a manifest says."""


class TrustFile:
    """See :class:`remora.ports.TrustMemory`. A file that is damaged or not ours remembers nothing."""

    def __init__(self, folder: Path | None = None) -> None:
        self._lines = OwnLines("trusted-repositories", most=2_000, folder=folder)

    def knows(self, folder: str) -> bool:
        """Whether anything is remembered at, below or above that path."""
        here = f"{folder.rstrip('/')}/"
        return any(_nested(here, f"{place.rstrip('/')}/") for _, _, place in self._read())

    def recall(self, machine: str, folder: str) -> TrustRecord | None:
        """What is remembered of that folder there."""
        return self._read().get((_ANSWERED, machine, folder))

    def remember(self, machine: str, folder: str, record: TrustRecord) -> None:
        """Write the file again, with `record` as its newest line."""
        self._keep((_ANSWERED, machine, folder), record)

    def expected(self, machine: str, folder: str) -> str | None:
        """The hash that a manifest named for that folder there."""
        record = self._read().get((_NAMED, machine, folder))
        return None if record is None else record.digest

    def expects(self, machine: str, folder: str, digest: str) -> bool:
        """Whether a manifest named it for that folder there, or for one above."""
        here = f"{folder.rstrip('/')}/"
        named = [
            place
            for (kind, there, place), record in self._read().items()
            if (kind, there, record.digest) == (_NAMED, machine, digest)
        ]
        return any(here.startswith(f"{place.rstrip('/')}/") for place in named)

    def expect(self, machine: str, folder: str, record: TrustRecord) -> None:
        """Write the file again, with this as its newest line."""
        self._keep((_NAMED, machine, folder), record)

    def kept(self) -> list[KeptTrust]:
        """All that is remembered, the oldest first."""
        return [
            KeptTrust(machine=machine, folder=folder, record=record)
            for (_, machine, folder), record in self._read().items()
        ]

    def forget(self, host: str, folder: str | None) -> list[KeptTrust]:
        """Write the file again without what is remembered of `folder` there, or of that host; what it was.

        Raises ``config-unreadable`` where the file cannot be written.
        """
        gone = [kept for kept in self.kept() if kept.is_at(host, folder)]
        if gone:
            places = {(kept.machine, kept.folder) for kept in gone}
            self._write({key: record for key, record in self._read().items() if key[1:] not in places})
            if any(kept.is_at(host, folder) for kept in self.kept()):
                raise ConfigProblem(
                    Code.CONFIG_UNREADABLE,
                    f"{self._lines.path} cannot be written, so the trust was not revoked.",
                    next_step="Make its folder writable for your account, or remove that file.",
                )
        return gone

    def _keep(self, key: tuple[str, str, str], record: TrustRecord) -> None:
        records = self._read()
        records.pop(key, None)
        records[key] = record
        self._write(records)

    def _write(self, records: Mapping[tuple[str, str, str], TrustRecord]) -> None:
        lines = [
            {
                "kind": kind,
                "machine": machine,
                "folder": folder,
                "sha256": kept.digest,
                "by": kept.by,
                "alias": kept.alias,
            }
            for (kind, machine, folder), kept in records.items()
        ]
        self._lines.write([json.dumps(line) for line in lines])

    def _read(self) -> dict[tuple[str, str, str], TrustRecord]:
        records: dict[tuple[str, str, str], TrustRecord] = {}
        for line in self._lines.read():
            try:
                value = json.loads(line)
                by = None if value["by"] is None else TrustedBy(value["by"])
                kind, machine, folder, digest = value["kind"], value["machine"], value["folder"], value["sha256"]
                alias = value.get("alias", "")
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                continue
            if all(isinstance(word, str) for word in (kind, machine, folder, digest, alias)):
                records[kind, machine, folder] = TrustRecord(digest=digest, by=by, alias=alias)
        return records


def _nested(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)
