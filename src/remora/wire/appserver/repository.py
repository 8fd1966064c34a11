"""How the app server is asked what lies in the ``.codex`` folders of a repository, and what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from remora.core.trust.repository import NamedFile, Repository, RepositoryFile
from remora.wire.appserver.calls import mapping, sequence, text

_SECONDS: Final = 20
_FILES: Final = 200
_NAMED: Final = 100
_UNCLEAR: Final = "cannot be read on the host"
_FAULTS: Final = {
    "link": "is a symbolic link",
    "odd": "is not a regular file",
    "unreadable": "cannot be read",
    "large": "is too large",
    "unsummed": "has no SHA-256 (the host has no program for it)",
}


@dataclass(frozen=True, slots=True)
class ProjectLayer:
    """A ``.codex`` folder that codex reads for a working folder, and whether it is in force."""

    folder: str
    in_force: bool


def read_layers(folder: str) -> dict[str, Any]:
    """Parameters of ``config/read`` for the layers of the repository in `folder`."""
    return {"cwd": folder, "includeLayers": True}


def project_layers(answer: Any) -> tuple[ProjectLayer, ...]:
    """The layers of a repository in an answer to that, outermost first."""
    found = []
    for layer in map(mapping, sequence(mapping(answer).get("layers"))):
        name = mapping(layer.get("name"))
        folder = text(name.get("dotCodexFolder"))
        if name.get("type") == "project" and folder is not None:
            found.append(ProjectLayer(folder, not layer.get("disabledReason")))
    return tuple(sorted(found, key=lambda layer: len(layer.folder)))


def look(script: str, folders: Sequence[str], named: Sequence[str] = ()) -> dict[str, Any]:
    """Parameters of ``command/exec`` that runs `script`, which only reads, on `folders` and files `named` in them.

    No sandbox: it would have to work on that host, and the script is ours.
    """
    return {
        "command": ["/bin/sh", "-c", script, "remora-look", *look_words(folders, named)],
        "cwd": "/",
        "timeoutMs": _SECONDS * 1000,
        "sandboxPolicy": {"type": "dangerFullAccess"},
    }


def said(answer: Any) -> str:
    """What the script wrote, in the answer to that."""
    return text(mapping(answer).get("stdout")) or ""


def look_words(folders: Sequence[str], named: Sequence[str] = ()) -> list[str]:
    """The arguments of the script that looks."""
    return [str(len(folders)), *folders, *named]


def read_repository(output: str, folders: Sequence[str], working: str, named: Sequence[str] = ()) -> Repository:
    """What the script said. An answer that is cut off, or that nobody understands, is a fault of the whole."""
    reader = _Reader(folders, named)
    try:
        for line in output.splitlines():
            reader.take(*line.split(" "))
        fault = reader.fault
    except (ValueError, IndexError, TypeError):
        fault = _UNCLEAR
    return Repository(
        machine=reader.machine,
        folders=tuple(folders),
        places=tuple(reader.places.get(number, "") for number in range(len(folders))),
        files=tuple(reader.files[:_FILES]),
        named=tuple(reader.named[:_NAMED]),
        working=working,
        stamp=reader.stamp,
        fault=fault,
    )


def unread_repository(folders: Sequence[str], working: str, fault: str = _UNCLEAR) -> Repository:
    """What lies in these folders, where it was not looked at because of `fault`."""
    places = tuple(folder.rpartition("/")[0] or "/" for folder in folders)
    return Repository(machine="", folders=tuple(folders), places=places, files=(), working=working, fault=fault)


class _Reader:
    """The lines of the script, one after the other. Raises `ValueError`, `IndexError` or `TypeError` for another."""

    def __init__(self, folders: Sequence[str], named: Sequence[str]) -> None:
        self._folders = folders
        self._named = named
        self._ended = False
        self.machine = ""
        self.places: dict[int, str] = {}
        self.files: list[RepositoryFile] = []
        self.named: list[NamedFile] = []
        self.stamp: str | None = None

    def take(self, kind: str, *words: str) -> None:
        if kind == "machine":
            self.machine = "".join(words)
        elif kind == "place":
            number, place = words
            self.places[int(number)] = bytes.fromhex(place).decode("utf-8", "surrogateescape")
        elif kind == "file":
            self.files.append(_read_file(words, self._folders))
        elif kind == "named":
            number, state, digest = words
            fault = _fault(state, digest)
            self.named.append(NamedFile(path=self._named[int(number)], sha256=None if fault else digest, fault=fault))
        elif kind == "stamp":
            self.stamp = "".join(words) or None
        elif kind == "end":
            self._ended = True

    @property
    def fault(self) -> str | None:
        """Why nobody can vouch for the whole."""
        if len(self.files) > _FILES:
            return f"has more than {_FILES} files in .codex"
        if len(self.named) > _NAMED:
            return f"names more than {_NAMED} files"
        whole = self._ended and self.machine and len(self.places) == len(self._folders) and all(self.places.values())
        return None if whole else _UNCLEAR


def _read_file(words: Sequence[str], folders: Sequence[str]) -> RepositoryFile:
    number, path, state, digest, content = words
    folder, relative = folders[int(number)], bytes.fromhex(path)
    top = folders[0].rpartition("/")[0]
    name = f"{folder.removeprefix(top).lstrip('/')}/".encode("utf-8", "surrogateescape") + relative
    fault = _fault(state, digest)
    return RepositoryFile(
        name=name,
        folder=folder,
        path=relative.decode("utf-8", "backslashreplace"),
        sha256=digest if fault is None else None,
        content=None if content == "-" else bytes.fromhex(content),
        fault=fault,
    )


def _fault(state: str, digest: str) -> str | None:
    known = len(digest) == 64 and set(digest) <= set("0123456789abcdef")
    return _FAULTS.get(state) or (None if known and state == "file" else _FAULTS["unsummed"])


def with_trust(repository: Repository, *, trusted: bool) -> dict[str, Any]:
    """The table ``projects`` that says, for one thread only, whether this one is trusted.

    By both names where there are two: 0.133 looks for the one without links only.
    """
    level = "trusted" if trusted else "untrusted"
    names = {folder.rpartition("/")[0] or "/" for folder in repository.folders} | {*repository.places}
    return {name: {"trust_level": level} for name in sorted(names)}
