"""The manifest of devboxes: what a host is to be, as types. The published JSON schema is made from these.

A manifest has ``[defaults]`` for all hosts and ``[[hosts]]`` blocks. A block `select`s aliases and may say all that
``[defaults]`` says; every block that fits a host counts, in the order of the file: tables are merged key by key, all
else is replaced. Text may hold ``{{ name }}`` for a variable. Paths on the host may begin with ``~/``.
"""

from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

_Text = Annotated[str, Meta(min_length=1)]
_Seconds = Annotated[float, Meta(gt=0, le=7 * 24 * 3600)]
_Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="A SHA-256, as a run reports it in trust.hash.")]
_Mode = Annotated[str, Meta(pattern="^0[0-7]{3}$", description="Octal, as in 0644.")]
_Bytes = Annotated[str, Meta(pattern="^[1-9][0-9]{0,8}(KiB|MiB|GiB)$", description="A number with KiB, MiB or GiB.")]
_Digest = Annotated[str, Meta(pattern="^sha256:[0-9a-f]{64}$")]


LATEST: Final = "latest"
INSTALLED: Final = "installed"


class CodexSource(StrEnum):
    """Where codex comes from. ``command`` is an installer that runs on the host; ``none``: hands off."""

    WHEEL = "wheel"
    NPM = "npm"
    FILE = "file"
    COMMAND = "command"
    NONE = "none"


class PathChange(StrEnum):
    """How codex becomes visible to the login shell: a link in a folder on its PATH, a line in its rc file, not."""

    LINK = "link"
    LINE = "line"
    NONE = "none"


class LoginKind(StrEnum):
    """What codex on the host signs in with."""

    NONE = "none"
    API_KEY = "api-key"
    ACCESS_TOKEN = "access-token"  # noqa: S105 - the name of a kind


class _Table(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    pass


class SecretSource(_Table, kw_only=True, frozen=True):
    """Where a secret is read on this machine: exactly one of the three. `command` is a list of words, no shell."""

    environment: _Text | None = None
    file: _Text | None = None
    command: Annotated[list[str], Meta(min_length=1)] | None = None


class CodexTable(_Table, kw_only=True, frozen=True):
    """The codex program. `version` is a number, ``latest`` or ``installed`` (whatever is there, but something must be).

    `file` is an archive or program on this machine for ``source = "file"``; `command` an installer's shell text for
    ``source = "command"``. Versions lie side by side below `location`; `keep` of them stay. `digest` pins the archive.
    """

    version: _Text = LATEST
    source: CodexSource = CodexSource.WHEEL
    file: _Text | None = None
    command: _Text | None = None
    digest: _Digest | None = None
    location: _Text = "~/.local/share/remora/codex"
    keep: Annotated[int, Meta(ge=1, le=1000)] = 2

    @property
    def is_ours(self) -> bool:
        """Whether it is an install of ours, brought from this machine; else it is what the login shell finds."""
        return self.version != INSTALLED and self.source not in (CodexSource.COMMAND, CodexSource.NONE)

    @property
    def number(self) -> str:
        """The version that is asked for by its number; nothing where any other will do."""
        return "" if self.version in (LATEST, INSTALLED) else self.version

    @property
    def installer(self) -> str:
        """What installs it on the host; nothing where nothing there does."""
        return self.command or "" if self.source is CodexSource.COMMAND and self.version != INSTALLED else ""


class PathTable(_Table, kw_only=True, frozen=True):
    """Visibility in the login shell that will launch codex. `folder` is where a link goes; without it the first own
    folder on the PATH. A line in an rc file needs `allow_shell_edit`."""

    how: PathChange = PathChange.LINK
    folder: _Text | None = None
    allow_shell_edit: bool = False


class FileTable(_Table, kw_only=True, frozen=True):
    """One file on the host: `content` here, or `source`, a file beside the manifest. A relative `path` lies below
    CODEX_HOME. With `template` variables are filled into a `source`, too."""

    path: _Text
    content: str | None = None
    source: _Text | None = None
    mode: _Mode = "0644"
    template: bool = False


class ProjectTable(_Table, kw_only=True, frozen=True):
    """A repository at a ref in a folder, made ready by a set-up script and proven by a smoke test.

    `setup` and `smoke` are shell text for the login shell's environment, run in the folder. `secrets` exist for the
    set-up only, as variables of its environment. `forward_agent` lends the SSH agent for clone and update only. `trust`
    is the hash of what its ``.codex`` brings; runs from this machine put that in force, and nothing else.
    """

    repository: _Text
    folder: _Text
    ref: _Text = "HEAD"
    forward_agent: bool = False
    environment: dict[str, str] = {}
    secrets: dict[str, SecretSource] = {}
    setup: _Text | None = None
    setup_limit: _Seconds | None = None
    smoke: _Text | None = None
    smoke_limit: _Seconds | None = None
    trust: _Hash | None = None


class LoginTable(_Table, kw_only=True, frozen=True):
    """How codex on the host signs in. `expires` is the day on which the secret ends, for a warning in time."""

    kind: LoginKind = LoginKind.NONE
    secret: SecretSource | None = None
    expires: date | None = None


class ServerTable(_Table, kw_only=True, frozen=True):
    """The app server: whether it is started, comes back after a reboot, and what it may use (`cpu` in cores)."""

    start: bool = False
    survive_reboot: bool = False
    memory: _Bytes | None = None
    cpu: Annotated[float, Meta(gt=0, le=100_000)] | None = None
    processes: Annotated[int, Meta(gt=0, le=4_194_304)] | None = None


class HostTables(_Table, kw_only=True, frozen=True):
    """What a host is to be. `config` are keys of codex's own config.toml; `instructions` is its AGENTS.md."""

    variables: dict[str, str | int | float | bool] = {}
    codex: CodexTable | UnsetType = UNSET
    path: PathTable | UnsetType = UNSET
    config: dict[str, Any] = {}
    instructions: "InstructionsTable | UnsetType" = UNSET
    files: list[FileTable] = []
    projects: list[ProjectTable] = []
    login: LoginTable | UnsetType = UNSET
    server: ServerTable | UnsetType = UNSET


class InstructionsTable(_Table, kw_only=True, frozen=True):
    """The AGENTS.md of CODEX_HOME: `content` here or `source`, a file beside the manifest."""

    content: str | None = None
    source: _Text | None = None
    template: bool = False


class HostBlock(HostTables, kw_only=True, frozen=True):
    """Hosts and what is special about them. `select` has aliases, globs over aliases, and ``tag:NAME``."""

    select: Annotated[list[_Text], Meta(min_length=1)]


class Manifest(_Table, kw_only=True, frozen=True):
    """The whole file. `tags` gives aliases or globs a name."""

    defaults: HostTables = HostTables()
    tags: dict[str, list[_Text]] = {}
    hosts: Annotated[list[HostBlock], Meta(min_length=1)]
