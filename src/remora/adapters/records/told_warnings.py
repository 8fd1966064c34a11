"""Which warnings of which host a person of this machine has read."""

from hashlib import sha256
from pathlib import Path

from remora.adapters.records.own_lines import OwnLines


class ToldWarnings:
    """Remembers digests alone: what a server warns of may hold names that belong to nobody else."""

    def __init__(self, folder: Path | None = None) -> None:
        self._lines = OwnLines("told-warnings", most=2_000, folder=folder)

    def is_news(self, host: str, message: str) -> bool:
        """Whether this is the first time, which is remembered."""
        mark = sha256(f"{host}\n{message}".encode("utf-8", "surrogateescape")).hexdigest()
        known = self._lines.read()
        if mark in known:
            return False
        self._lines.write([*known, mark])
        return True
