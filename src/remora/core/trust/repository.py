"""What the repository in a folder would bring into a thread, once it is trusted."""

import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from remora.core.text import decode
from remora.core.trust.named import names_in, paths_named, read_json

_SAFETY: Final = frozenset(
    {
        "approval_policy",
        "approvals_reviewer",
        "default_permissions",
        "permissions",
        "sandbox_mode",
        "sandbox_workspace_write",
    }
)
_MODE: Final = {"config.toml": "setting", "hooks.json": "hook", "environments.toml": "environment"}
_TABLES: Final = frozenset({"config.toml", "environments.toml"})
_HARMLESS: Final = "skills/"
"""codex reads skills in every folder, trusted or not: they are words for the model, like AGENTS.md."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryFile:
    """One file in a ``.codex`` folder, by its `name` below the top. `sha256` is `None` where it could not be read.

    `content` is there for files that are shown. `fault` says why a file cannot be vouched for.
    """

    name: bytes
    folder: str
    path: str
    sha256: str | None
    content: bytes | None = None
    fault: str | None = None

    @property
    def problem(self) -> str | None:
        """Why it cannot be vouched for. codex reads newer TOML than Python: nobody can be shown what that says."""
        if self.fault is None and self.path in _TABLES and _tables(self.content or b"") is None:
            return "is not valid TOML 1.0 in UTF-8 without a byte order mark"
        return self.fault


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedFile:
    """A file outside of ``.codex`` that something in there names, by its absolute path: its content counts, too."""

    path: str
    sha256: str | None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Brought:
    """One thing that a repository brings. `kind` is ``mcp-server``, ``hook``, ``rule``, ``setting``, ``safety`` …"""

    kind: str
    name: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """The ``.codex`` folders that codex reads for one working folder, outermost first, and all that is in them.

    `machine` tells machines apart; `places` are the folders that hold them, without links. `named` are files that are
    named in there, seen from `working`, where a thread works. `stamp` is another one after every change, even one that
    was taken back. `fault` says why nobody can vouch for the whole, `None` that somebody can.
    """

    machine: str
    folders: tuple[str, ...]
    places: tuple[str, ...]
    files: tuple[RepositoryFile, ...]
    named: tuple[NamedFile, ...] = ()
    working: str = "/"
    stamp: str | None = None
    fault: str | None = None

    @property
    def top(self) -> str:
        """The outermost folder that holds one."""
        return self.folders[0].rpartition("/")[0] or "/"

    @property
    def acts(self) -> bool:
        """Whether anything in it depends on trust."""
        return self.fault is not None or any(not file.path.startswith(_HARMLESS) for file in self.files)

    @property
    def problem(self) -> str | None:
        """Why it cannot be trusted, whoever says so."""
        faults = [(decode(file.name), file.problem) for file in self.files]
        faults += [(self._below(file.path), file.fault) for file in self.named]
        return self.fault or next((f"{name} {fault}" for name, fault in faults if fault), None)

    @property
    def digest(self) -> str | None:
        """SHA-256 over the names and contents of all files; `None` where nobody can vouch for them."""
        if self.problem is not None:
            return None
        sums = [(file.name, file.sha256 or "") for file in self.files]
        sums += [(b"/" + _bytes(self._below(file.path)), file.sha256 or "") for file in self.named]
        whole = b"".join(len(name).to_bytes(4) + name + digest.encode() for name, digest in sorted(sums))
        return hashlib.sha256(b"remora repository 2\n" + whole).hexdigest()

    @property
    def digests(self) -> dict[str, str] | None:
        """The digest of each ``.codex`` folder alone, with what it names, by its place; `None` as :attr:`digest`."""
        if self.problem is not None:
            return None
        return {place: self._part(folder).digest or "" for place, folder in zip(self.places, self.folders, strict=True)}

    @property
    def may_name(self) -> frozenset[str]:
        """Absolute paths of files that are part of it, if they are there."""
        found = {path for folder in self.folders for path in self._named_by(folder)}
        return frozenset(path for path in found if not path.startswith(tuple(f"{each}/" for each in self.folders)))

    @property
    def brings(self) -> tuple[Brought, ...]:
        """All of it, for people: what runs programs first."""
        found = [each for file in self.files for each in _read(file)]
        found += [Brought("program", self._below(file.path), file.fault or "") for file in self.named]
        order = ("mcp-server", "hook", "rule", "program", "environment", "safety", "setting", "file", "skill")
        return tuple(sorted(found, key=lambda each: order.index(each.kind)))

    def _below(self, path: str) -> str:
        top = self.top.rstrip("/")
        return path.removeprefix(f"{top}/")

    def _part(self, folder: str) -> "Repository":
        names = self._named_by(folder)
        return replace(
            self,
            files=tuple(file for file in self.files if file.folder == folder),
            named=tuple(file for file in self.named if file.path in names),
        )

    def _named_by(self, folder: str) -> set[str]:
        contents = [(file.path, file.content) for file in self.files if file.folder == folder]
        groups = [group for path, content in contents if content is not None for group in names_in(path, content)]
        return paths_named(groups, [folder.rpartition("/")[0] or "/", self.working])


def _read(file: RepositoryFile) -> Iterator[Brought]:
    name = decode(file.name)
    if file.problem is not None:
        yield Brought("file", name, file.problem)
    elif file.path.startswith(_HARMLESS):
        if file.path.endswith("/SKILL.md"):
            yield Brought("skill", name, "codex always reads it")
    elif file.path.startswith("rules/") and file.path.endswith(".rules"):
        yield Brought("rule", name, decode(file.content or b"").strip())
    elif file.content is None or file.path not in _MODE:
        yield Brought("file", name, decode(file.content or b"").strip())
    elif file.path == "hooks.json":
        yield from _hooks(name, file.content)
    else:
        yield from _settings(name, _tables(file.content) or {}, environments=file.path == "environments.toml")


def _tables(content: bytes) -> dict[str, Any] | None:
    try:
        return tomllib.loads(content.decode())
    except (ValueError, RecursionError):
        return None


def _settings(name: str, tables: Mapping[str, Any], *, environments: bool) -> Iterator[Brought]:
    if environments:
        yield Brought("environment", name, _json(tables))
        return
    for key, value in tables.items():
        if key == "mcp_servers" and isinstance(value, dict):
            for server, settings in value.items():
                yield Brought("mcp-server", server, _command(settings))
        elif key == "hooks":
            yield Brought("hook", name, _json(value))
        else:
            kind = "safety" if key in _SAFETY else "setting"
            yield Brought(kind, key, _json(value))


def _hooks(name: str, content: bytes) -> Iterator[Brought]:
    try:
        whole = read_json(content)
        found = [
            (event, {**_rest(group, "hooks"), **hook})
            for event, groups in whole["hooks"].items()
            for group in groups
            for hook in group["hooks"]
        ]
    except (ValueError, RecursionError, AttributeError, LookupError, TypeError):
        yield Brought("hook", name, decode(content))
        return
    for event, hook in found:
        runs = hook.get("type") == "command" and isinstance(hook.get("command"), str)
        more = _rest(hook, "type", "command") if runs else hook
        yield Brought("hook", event, " ".join([*([hook["command"]] if runs else []), *([_json(more)] if more else [])]))
    if rest := _rest(whole, "hooks"):
        yield Brought("hook", name, _json(rest))


def _command(settings: Any) -> str:
    if not isinstance(settings, Mapping):
        return _json(settings)
    words = [settings.get("command"), *_list(settings.get("args"))]
    rest = _rest(settings, "command", "args")
    line = " ".join(_word(word) for word in words if word is not None)
    return " ".join(part for part in (line, _json(rest) if rest else "") if part)


def _rest(members: Mapping[str, Any], *without: str) -> dict[str, Any]:
    return {name: value for name, value in members.items() if name not in without}


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _word(word: Any) -> str:
    text = word if isinstance(word, str) else _json(word)
    return text if text and not set(text) & set(" \t\n\"'") else json.dumps(text)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _bytes(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")
