"""How the app server is asked what lies in the ``.codex`` folders of a repository, and what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from remora.core.trust.repository import Repository, RepositoryFile
from remora.wire.appserver import mapping, sequence, text

_SECONDS: Final = 20
_FILES: Final = 200
_FAULTS: Final = {
    "link": "is a symbolic link",
    "odd": "is not a regular file",
    "unreadable": "may not be read",
    "large": "is too large",
    "unsummed": "has no SHA-256 (the host has no program that makes one)",
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


def look(script: str, folders: Sequence[str]) -> dict[str, Any]:
    """Parameters of ``command/exec`` that runs `script`, which only reads, on `folders`.

    No sandbox: it would have to work on that host, and the script is ours.
    """
    return {
        "command": ["/bin/sh", "-c", script, "remora-look", *folders],
        "cwd": "/",
        "timeoutMs": _SECONDS * 1000,
        "sandboxPolicy": {"type": "dangerFullAccess"},
    }


def read_repository(answer: Any, folders: Sequence[str]) -> Repository:
    """What the script said. An answer that is cut off, or that nobody understands, is a fault of the whole."""
    body = mapping(answer)
    lines = (text(body.get("stdout")) or "").splitlines()
    machine, files, fault = "", list[RepositoryFile](), "cannot be looked at on the host"
    for line in lines:
        kind, *words = line.split(" ")
        if kind == "machine":
            machine = "".join(words)
        elif kind == "file" and len(words) == 5:
            file = _read_file(words, folders)
            if file is None:
                return Repository(machine=machine, folders=tuple(folders), files=(), fault=fault)
            files.append(file)
        elif kind == "end":
            fault = f"has more than {_FILES} files in .codex" if len(files) > _FILES else ""
    return Repository(machine=machine, folders=tuple(folders), files=tuple(files[:_FILES]), fault=fault or None)


def _read_file(words: Sequence[str], folders: Sequence[str]) -> RepositoryFile | None:
    number, path, state, digest, content = words
    try:
        folder, relative = folders[int(number)], bytes.fromhex(path)
        kept = None if content == "-" else bytes.fromhex(content)
    except (ValueError, IndexError):
        return None
    top = folders[0].rpartition("/")[0]
    name = f"{folder.removeprefix(top).lstrip('/')}/".encode("utf-8", "surrogateescape") + relative
    known = len(digest) == 64 and set(digest) <= set("0123456789abcdef")
    fault = _FAULTS.get(state) or (None if known and state == "file" else _FAULTS["unsummed"])
    return RepositoryFile(
        name=name,
        folder=folder,
        path=relative.decode("utf-8", "backslashreplace"),
        sha256=digest if fault is None else None,
        content=kept,
        fault=fault,
    )


def with_trust(folders: Sequence[str], *, trusted: bool) -> dict[str, Any]:
    """The table ``projects`` that says, for one thread only, whether these folders are trusted."""
    level = "trusted" if trusted else "untrusted"
    return {folder.rpartition("/")[0] or "/": {"trust_level": level} for folder in folders}
