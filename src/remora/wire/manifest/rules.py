"""What the types of a manifest cannot say: values that need or exclude each other, once all blocks are merged."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import UNSET

from remora.core.secrets import hide_in_addresses
from remora.wire.manifest.document import (
    INSTALLED,
    LATEST,
    CodexSource,
    CodexTable,
    FileTable,
    HostTables,
    InstructionsTable,
    LoginKind,
    LoginTable,
    PathChange,
    PathTable,
    ProjectTable,
    SecretSource,
)
from remora.wire.manifest.problems import Path, Problem, near
from remora.wire.manifest.variables import VARIABLE_NAME

BUILT_IN_VARIABLES: Final = ("alias",)
_VERSION: Final = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+(?:[-+.][0-9A-Za-z.+-]+)?")
_VERSION_WORDS: Final = (LATEST, INSTALLED)


def find_rule_problems(tables: HostTables) -> Iterator[Problem]:
    """Everything that does not go together in what one host is to be; paths are those of the merged tables."""
    yield from _names(tables.variables, ("variables",), taken=BUILT_IN_VARIABLES)
    if tables.codex is not UNSET:
        yield from _codex(tables.codex, ("codex",))
    if tables.path is not UNSET:
        yield from _path(tables.path, ("path",))
    if tables.instructions is not UNSET:
        yield from _one_content(tables.instructions, ("instructions",))
    yield from _files(tables)
    for number, project in enumerate(tables.projects):
        yield from _project(project, ("projects", number))
    yield from _different((project.folder for project in tables.projects), "projects", "folder")
    if tables.login is not UNSET:
        yield from _login(tables.login, ("login",))


def _codex(table: CodexTable, path: Path) -> Iterator[Problem]:
    if table.version not in _VERSION_WORDS and not _VERSION.fullmatch(table.version):
        message = f'"{table.version}" is not a version; use a number such as 0.163.0, latest or installed.'
        yield Problem((*path, "version"), message, near(table.version, _VERSION_WORDS))
    for source, value in ((CodexSource.FILE, table.file), (CodexSource.COMMAND, table.command)):
        if table.source is source and value is None and table.version != INSTALLED:
            yield Problem((*path, "source"), f'source = "{source}" needs {source}, which is missing.')
    yield from _host_folder(table.location, (*path, "location"))


def _path(table: PathTable, path: Path) -> Iterator[Problem]:
    if table.how is PathChange.LINE and not table.allow_shell_edit:
        yield Problem(
            (*path, "how"),
            'how = "line" writes to the rc file of the login shell and needs allow_shell_edit = true.',
            'Allow it with allow_shell_edit = true, or use how = "link".',
        )
    if table.folder is not None:
        yield from _host_folder(table.folder, (*path, "folder"))


def _files(tables: HostTables) -> Iterator[Problem]:
    for number, file in enumerate(tables.files):
        yield from _one_content(file, ("files", number))
        yield from _host_file(file.path, ("files", number, "path"))
        for name, table, taken in (
            ("config.toml", "config", bool(tables.config)),
            ("AGENTS.md", "instructions", tables.instructions is not UNSET),
        ):
            if taken and _normal(file.path) == name:
                yield Problem(("files", number, "path"), f"{name} is already written by {table}.")
    yield from _different((file.path for file in tables.files), "files", "path")


def _one_content(table: FileTable | InstructionsTable, path: Path) -> Iterator[Problem]:
    if (table.content is None) == (table.source is None):
        both = "content and source exclude each other" if table.content is not None else "content or source is missing"
        yield Problem(path, f"{both}; expected is exactly one of them.")


def _project(table: ProjectTable, path: Path) -> Iterator[Problem]:
    yield from _host_folder(table.folder, (*path, "folder"))
    for key, text in (("repository", table.repository), ("ref", table.ref)):
        if text.startswith("-") or not text or _has_control(text):
            yield Problem((*path, key), f'"{hide_in_addresses(text)}" is not a valid address for git.')
    if hide_in_addresses(table.repository) != table.repository:
        yield Problem(
            (*path, "repository"),
            "the part before the @ may be a password or token, and would be readable on the host and in its logs.",
            "Remove it; use an SSH address with forward_agent = true, or give git on the host a credential helper.",
        )
    yield from _names(table.environment, (*path, "environment"))
    yield from _names(table.secrets, (*path, "secrets"), taken=table.environment)
    for name, secret in table.secrets.items():
        yield from _secret(secret, (*path, "secrets", name))
    if table.secrets and table.setup is None:
        yield Problem((*path, "secrets"), "secrets are only for the set-up, but setup is missing.")


def _login(table: LoginTable, path: Path) -> Iterator[Problem]:
    if table.kind is LoginKind.NONE and table.secret is not None:
        yield Problem((*path, "secret"), 'a secret needs a kind: "api-key" or "access-token".')
    if table.kind is not LoginKind.NONE and table.secret is None:
        yield Problem((*path, "kind"), f'kind = "{table.kind}" needs secret, which is missing.')
    if table.secret is not None:
        yield from _secret(table.secret, (*path, "secret"))


def _secret(source: SecretSource, path: Path) -> Iterator[Problem]:
    given = {"environment": source.environment, "file": source.file, "command": source.command}
    named = [key for key, value in given.items() if value is not None]
    if len(named) != 1:
        seen = f"{' and '.join(named)} exclude each other" if named else "the source of the secret is missing"
        yield Problem(path, f"{seen}; expected is exactly one of: environment, file, command.")
    if source.environment is not None and not VARIABLE_NAME.fullmatch(source.environment):
        yield _no_name(source.environment, (*path, "environment"))


def _names(table: Iterable[str], path: Path, *, taken: Iterable[str] = ()) -> Iterator[Problem]:
    for name in table:
        if not VARIABLE_NAME.fullmatch(name):
            yield _no_name(name, (*path, name))
        elif name in taken:
            yield Problem((*path, name), f"the name {name!r} is taken.")


def _no_name(name: str, path: Path) -> Problem:
    return Problem(path, f"{name!r} is not a variable name: use letters, digits and _, and do not start with a digit.")


def _different(values: Iterable[str], table: str, key: str) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for number, value in enumerate(values):
        first = seen.setdefault(_normal(value), number)
        if first != number:
            yield Problem((table, number, key), f'"{value}" is the {key} of {table}[{first}], too.')


def _host_folder(text: str, path: Path) -> Iterator[Problem]:
    if not text.startswith(("/", "~/")) or _has_control(text):
        yield Problem(path, f'"{text}" is not a folder on the host; use a path that begins with / or ~/.')


def _host_file(text: str, path: Path) -> Iterator[Problem]:
    outside = not text.startswith(("/", "~/")) and ".." in text.split("/")
    if not text or outside or text.endswith("/") or text.startswith("~") != text.startswith("~/") or _has_control(text):
        message = (
            "expected is a file below CODEX_HOME, such as rules/default.rules, or a path that begins with / or ~/."
        )
        yield Problem(path, f'"{text}" is not a file path on the host; {message}')


def _normal(path: str) -> str:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    return ("/" if path.startswith("/") else "") + "/".join(parts)


def _has_control(text: str) -> bool:
    return any(ord(character) < 0x20 or character == "\x7f" for character in text)
