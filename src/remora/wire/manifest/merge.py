"""Blocks of a manifest laid over one another, remembering where each value was written."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from remora.wire.manifest.problems import Path

_ALTERNATIVES: Final[dict[Path, frozenset[str]]] = {
    ("instructions",): frozenset({"content", "source"}),
    ("login", "secret"): frozenset({"environment", "file", "command"}),
}
"""Of these keys of a table one is meant: a later block that says one takes back what an earlier one said."""


class Merged:
    """Values of several blocks as one. Tables are merged key by key, all else is replaced by the later block."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self._origins: dict[Path, Path] = {}

    def lay(self, values: Mapping[str, Any], *, written: Path, without: Iterable[str] = ()) -> None:
        """Lay a block on top that is written at `written`; keys in `without` are no part of it."""
        left_out = frozenset(without)
        self._lay(self.values, {key: values[key] for key in values if key not in left_out}, (), written)

    def origin(self, path: Path) -> Path:
        """Where what is now at `path` was written; for something that was not, where it would belong."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._origins:
                return self._origins[path[:length]] + path[length:]
        return path

    def _lay(self, below: dict[str, Any], above: Mapping[str, Any], path: Path, written: Path) -> None:
        alternatives = _ALTERNATIVES.get(path, frozenset())
        if alternatives & above.keys():
            for key in alternatives & below.keys():
                self._forget(below, key, path)
        for key, value in above.items():
            here, place = (*path, key), (*written, key)
            if isinstance(value, Mapping):
                if not isinstance(below.get(key), dict):
                    self._forget(below, key, path)
                    below[key] = {}
                self._origins[here] = place
                self._lay(below[key], value, here, place)
            else:
                self._forget(below, key, path)
                below[key] = value
                self._origins[here] = place

    def _forget(self, below: dict[str, Any], key: str, path: Path) -> None:
        below.pop(key, None)
        gone = (*path, key)
        for known in [known for known in self._origins if known[: len(gone)] == gone]:
            del self._origins[known]
