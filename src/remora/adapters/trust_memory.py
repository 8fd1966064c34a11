"""What was answered about repositories, in one file of this user: a line of JSON for each folder of each machine."""

import json
from pathlib import Path

from remora.adapters.own_lines import OwnLines
from remora.core.trust.verdict import TrustedBy, TrustRecord


class TrustMemory:
    """See :class:`remora.ports.TrustMemory`. A file that is damaged or not ours remembers nothing."""

    def __init__(self, folder: Path | None = None) -> None:
        self._lines = OwnLines("trusted-repositories", most=2_000, folder=folder)

    def knows(self, folder: str) -> bool:
        """Whether anything is remembered at, below or above that path."""
        here = f"{folder.rstrip('/')}/"
        return any(_nested(here, f"{place.rstrip('/')}/") for _, place in self._read())

    def recall(self, machine: str, folder: str) -> TrustRecord | None:
        """What is remembered of that folder there."""
        return self._read().get((machine, folder))

    def remember(self, machine: str, folder: str, record: TrustRecord) -> None:
        """Write the file again, with `record` as its newest line."""
        records = self._read()
        records.pop((machine, folder), None)
        records[machine, folder] = record
        lines = [
            json.dumps({"machine": there, "folder": place, "sha256": kept.digest, "by": kept.by})
            for (there, place), kept in records.items()
        ]
        self._lines.write(lines)

    def _read(self) -> dict[tuple[str, str], TrustRecord]:
        records: dict[tuple[str, str], TrustRecord] = {}
        for line in self._lines.read():
            try:
                value = json.loads(line)
                by = None if value["by"] is None else TrustedBy(value["by"])
                machine, folder, digest = value["machine"], value["folder"], value["sha256"]
            except (ValueError, KeyError, TypeError, RecursionError):
                continue
            if all(isinstance(word, str) for word in (machine, folder, digest)):
                records[machine, folder] = TrustRecord(digest=digest, by=by)
        return records


def _nested(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)
