"""A manifest of devboxes on this machine, and the files beside it."""

import os
import re
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from remora.core.settings import Limits
from remora.wire.manifest.problems import Problem, manifest_error

_PLACE: Final = re.compile(r"\(at line (\d+), column \d+\)$")
_DEEPEST: Final = 100
"""Tables and lists within one another; nothing that is meant has so many."""
_HELP: Final = "Name a TOML file, as of remora provision --example; codex alone: remora provision {} --codex latest"


class ManifestFile:
    """A :class:`remora.wire.manifest.host_spec.ManifestPlace`: relative paths begin at the manifest's folder."""

    def __init__(self, file: str, limits: Limits) -> None:
        self.name = file
        self._path = Path(os.path.expanduser(file))  # noqa: PTH111 - one of nobody stays as it is
        self._limits = limits
        self._read: dict[str, str] = {}

    def load(self) -> tuple[dict[str, Any], str]:
        """Its values and its text. Raises :class:`ConfigProblem` (``manifest-invalid``)."""
        try:
            text = self._text(self._path)
        except ValueError as error:
            problem = Problem((), f"the manifest cannot be used: {error}.", self._advice())
            raise manifest_error([problem], file=self.name) from None
        try:
            return _parse(text), text
        except (ValueError, RecursionError) as error:  # numbers and nesting without end, too
            place = _PLACE.search(str(error))
            line = int(place[1]) if place else len(text.splitlines())
            hint = "Correct that line: put text in quotes, and close every bracket."
            problem = Problem((), f"it is not TOML: {error}.", hint)
            raise manifest_error([problem], file=f"{self.name}:{line}") from None

    def absolute(self, path: str) -> str:
        """`path` from the manifest's folder, or from the home folder when it begins with ``~/``."""
        return os.path.abspath(self._path.parent / os.path.expanduser(path))  # noqa: PTH100, PTH111 - links stay links

    def read(self, path: str) -> str:
        """The text of a file, read once. Raises :class:`ValueError` with the reason."""
        file = self.absolute(path)
        if file not in self._read:
            self._read[file] = self._text(Path(file))
        return self._read[file]

    def _advice(self) -> str:
        """What can be named: the word may have been an alias, or a file beside it that is called alike."""
        if "/" not in self.name and not self._path.suffix:
            return _HELP.format(self.name)
        beside = {file.stem: file.name for file in self._path.parent.glob("*.toml") if file != self._path}
        for alike in get_close_matches(self._path.stem, beside, n=1):
            return f"Did you mean {Path(self.name).with_name(beside[alike])}?"
        return _HELP.format("ALIAS")

    def _text(self, path: Path) -> str:
        try:
            with path.open("rb") as file:
                data = file.read(self._limits.manifest + 1)
        except FileNotFoundError:
            raise ValueError(f"{path} does not exist") from None
        except OSError as error:
            raise ValueError(f"{path}: {error.strerror or error}") from None
        if len(data) > self._limits.manifest:
            raise ValueError(f"{path} is larger than {self._limits.manifest} bytes (limits.manifest)")
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ValueError(f"{path} is not UTF-8 text") from None


def _parse(text: str) -> dict[str, Any]:
    values = tomllib.loads(text)
    if _is_deep(values):
        raise ValueError("its tables and lists are nested too deeply")
    return values


def _is_deep(values: dict[str, Any]) -> bool:
    layer: list[Any] = [values]
    for _ in range(_DEEPEST):
        inner = [item.values() if isinstance(item, dict) else item for item in layer]
        layer = [value for items in inner for value in items if isinstance(value, dict | list)]
    return bool(layer)
