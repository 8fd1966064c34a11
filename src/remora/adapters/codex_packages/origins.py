"""Digests of archives and programs on this machine, remembered: reading a codex again takes a quarter of a second."""

import json
import os
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

from remora.adapters.codex_packages.contents import origin_digest, origin_files
from remora.adapters.files.whole_file import read_whole

_SETTLED: Final = 2.0
"""Seconds after its last change from which on a file cannot change again without another time of change."""
_KEPT: Final = 64


class Origins:
    """What :func:`~remora.adapters.codex_packages.contents.origin_digest` said, in a file of this machine's user."""

    def __init__(self, record: Path) -> None:
        self._record = record

    def digest(self, archive: Path) -> str:
        """The digest; files are read only when one of them may have changed. Raises ``OSError``."""
        began = time.time()
        name, (stamp, newest) = str(archive.absolute()), _stamp(archive)
        known = self._known()
        if name in known and known[name][0] == stamp:
            return known[name][1]
        digest = origin_digest(archive)
        if newest < began - _SETTLED and _stamp(archive)[0] == stamp:
            known.pop(name, None)
            kept = dict([*known.items(), (name, (stamp, digest))][-_KEPT:])
            with suppress(OSError):
                self._record.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                new = self._record.with_name(f"{self._record.name}.{os.getpid()}")
                new.write_text(json.dumps(kept))
                new.replace(self._record)
        return digest

    def _known(self) -> dict[str, tuple[str, str]]:
        try:
            return {name: (stamp, digest) for name, (stamp, digest) in json.loads(read_whole(self._record)).items()}
        except (OSError, ValueError, AttributeError, TypeError, RecursionError):
            return {}


def _stamp(archive: Path) -> tuple[str, float]:
    """What differs when one of the files may, and when the newest was changed last."""
    lines, newest = [], 0.0
    for name, path in sorted(origin_files(archive).items()):
        seen = path.stat() if path.exists() else path.lstat()
        lines.append(f"{name} {seen.st_size} {seen.st_mtime_ns} {seen.st_ctime_ns} {seen.st_ino} {seen.st_dev}\n")
        newest = max(newest, seen.st_mtime, seen.st_ctime)
    return sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest(), newest
