"""What was answered about repositories, in one file of this user: a line of JSON for each folder of each machine."""

import json
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from platformdirs import user_state_path

from remora.core.trust.verdict import TrustedBy, TrustRecord

_LIMIT: Final = 2**20
_LINES: Final = 2_000


class TrustMemory:
    """See :class:`remora.ports.TrustMemory`. A file that is damaged or not ours remembers nothing."""

    def __init__(self, folder: Path | None = None) -> None:
        self._path = (folder or user_state_path("remora", appauthor=False)) / "trusted-repositories"

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
            for (there, place), kept in list(records.items())[-_LINES:]
        ]
        scratch = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        with suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            scratch.unlink(missing_ok=True)
            with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write("\n".join(lines) + "\n")
            scratch.replace(self._path)

    def _read(self) -> dict[tuple[str, str], TrustRecord]:
        records: dict[tuple[str, str], TrustRecord] = {}
        for line in self._lines():
            try:
                value = json.loads(line)
                by = None if value["by"] is None else TrustedBy(value["by"])
                machine, folder, digest = value["machine"], value["folder"], value["sha256"]
            except (ValueError, KeyError, TypeError, RecursionError):
                continue
            if all(isinstance(word, str) for word in (machine, folder, digest)):
                records[machine, folder] = TrustRecord(digest=digest, by=by)
        return records

    def _lines(self) -> list[str]:
        """The lines of the file, if it is a regular one that only we can write; a pipe in its place stops nobody."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return []
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
            os.close(descriptor)
            return []
        with os.fdopen(descriptor, "rb") as file, suppress(OSError):
            return file.read(_LIMIT).decode("utf-8", "replace").splitlines()
        return []


def _nested(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)
