"""What the repository in a folder would bring into a thread, once it is trusted."""

import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from remora.core.text import decode

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
_DETAIL: Final = 2_000


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


@dataclass(frozen=True, slots=True)
class Brought:
    """One thing that a repository brings. `kind` is ``mcp-server``, ``hook``, ``rule``, ``setting``, ``safety`` …"""

    kind: str
    name: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """The ``.codex`` folders that codex reads for one working folder, outermost first, and all that is in them.

    `machine` tells machines apart. `fault` says why nobody can vouch for the whole, `None` that somebody can.
    """

    machine: str
    folders: tuple[str, ...]
    files: tuple[RepositoryFile, ...]
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
        faults = ((file, file.problem) for file in self.files)
        return self.fault or next((f"{decode(file.name)} {fault}" for file, fault in faults if fault), None)

    @property
    def digest(self) -> str | None:
        """SHA-256 over the names and contents of all files; `None` where nobody can vouch for them."""
        if self.problem is not None:
            return None
        sums = sorted((file.name, file.sha256 or "") for file in self.files)
        whole = b"".join(len(name).to_bytes(4) + name + digest.encode() for name, digest in sums)
        return hashlib.sha256(b"remora repository 1\n" + whole).hexdigest()

    @property
    def brings(self) -> tuple[Brought, ...]:
        """All of it, for people: what runs programs first."""
        found = [each for file in self.files for each in _read(file)]
        order = ("mcp-server", "hook", "rule", "environment", "safety", "setting", "file", "skill")
        return tuple(sorted(found, key=lambda each: order.index(each.kind)))


def _read(file: RepositoryFile) -> Iterator[Brought]:
    name = decode(file.name)
    if file.problem is not None:
        yield Brought("file", name, file.problem)
    elif file.path.startswith(_HARMLESS):
        if file.path.endswith("/SKILL.md"):
            yield Brought("skill", name, "codex reads it in any case")
    elif file.path.startswith("rules/") and file.path.endswith(".rules"):
        yield Brought("rule", name, _shown(decode(file.content or b"").strip()))
    elif file.content is None or file.path not in _MODE:
        yield Brought("file", name)
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
        yield Brought("environment", name, _shown(_json(tables)))
        return
    for key, value in tables.items():
        if key == "mcp_servers" and isinstance(value, dict):
            for server, settings in value.items():
                yield Brought("mcp-server", server, _shown(_command(settings)))
        elif key == "hooks":
            yield Brought("hook", name, _shown(_json(value)))
        else:
            kind = "safety" if key in _SAFETY else "setting"
            yield Brought(kind, key, _shown(_json(value)))


def _hooks(name: str, content: bytes) -> Iterator[Brought]:
    try:
        events = json.loads(content).get("hooks")
        found = [
            (event, hook.get("command"))
            for event, groups in events.items()
            for group in groups
            for hook in group.get("hooks")
        ]
    except (ValueError, RecursionError, AttributeError, TypeError):
        yield Brought("hook", name, _shown(decode(content)))
        return
    for event, command in found:
        yield Brought("hook", event, _shown(str(command)))


def _command(settings: Any) -> str:
    if not isinstance(settings, Mapping):
        return _json(settings)
    words = [settings.get("command"), *_list(settings.get("args"))]
    rest = {key: value for key, value in settings.items() if key not in {"command", "args"}}
    line = " ".join(_word(word) for word in words if word is not None)
    return " ".join(part for part in (line, _json(rest) if rest else "") if part)


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _word(word: Any) -> str:
    text = word if isinstance(word, str) else _json(word)
    return text if text and not set(text) & set(" \t\n\"'") else json.dumps(text)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _shown(text: str) -> str:
    return text if len(text) <= _DETAIL else f"{text[:_DETAIL]} … ({len(text) - _DETAIL} more characters)"
