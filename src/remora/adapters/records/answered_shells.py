"""Which accounts have answered as a shell, in a file of this user."""

from hashlib import sha256
from pathlib import Path

from remora.adapters.records.own_lines import OwnLines
from remora.ports import ConnectionFacts


class AnsweredShells:
    """See :class:`remora.ports.ShellMemory`. Digests alone are kept: of key or address, and account."""

    def __init__(self, folder: Path | None = None) -> None:
        self._lines = OwnLines("answered-shells", most=10_000, folder=folder)
        self._known: set[str] = set()

    def knows(self, facts: ConnectionFacts) -> bool:
        """Look in the file for what this process has not seen itself."""
        mark = _mark(facts)
        if mark not in self._known:
            self._known.update(self._lines.read())
        return mark in self._known

    def note(self, facts: ConnectionFacts) -> None:
        """Write the file again, with this as its newest line."""
        if not self.knows(facts):
            self._known.add(_mark(facts))
            self._lines.write([*self._lines.read(), _mark(facts)])


def _mark(facts: ConnectionFacts) -> str:
    place = facts.host_key_fingerprint or f"{facts.hostname}:{facts.port}"
    return sha256(f"{place}\n{facts.user}".encode("utf-8", "surrogateescape")).hexdigest()
