"""One host of a manifest with everything filled in: what provisioning works from."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Protocol, TypeVar

import msgspec
from msgspec import UNSET, UnsetType, inspect

from remora.core.errors import Code, UsageProblem
from remora.core.words import choose
from remora.wire.manifest.document import (
    CodexSource,
    CodexTable,
    FileTable,
    HostTables,
    InstructionsTable,
    Manifest,
    PathTable,
    SecretSource,
)
from remora.wire.manifest.host_selection import Inventory, Selector
from remora.wire.manifest.merge import Merged
from remora.wire.manifest.problems import Path, Problem, manifest_error, near
from remora.wire.manifest.rules import BUILT_IN_VARIABLES, find_rule_problems
from remora.wire.manifest.shape import find_shape_problems
from remora.wire.manifest.variables import Values, fill, fill_text, used_names

_SELECT: Final = "select"
_VARIABLES: Final = "variables"
_BROUGHT: Final = (CodexSource.WHEEL, CodexSource.NPM, CodexSource.FILE)

_WithContent = TypeVar("_WithContent", FileTable, InstructionsTable)


@dataclass(frozen=True, slots=True)
class HostSpec:
    """What `alias` is to be.

    In `tables` all blocks are merged, variables filled and files beside the manifest read into `content`; paths on
    this machine are absolute. `digest` is that of `tables` without where secrets come from; it is the same on every
    machine.
    """

    alias: str
    tables: HostTables
    digest: str

    @property
    def secret_files(self) -> tuple[str, ...]:
        """The files on this machine that hold its secrets."""
        sources = [source for project in self.tables.projects for source in project.secrets.values()]
        if self.tables.login is not UNSET and self.tables.login.secret is not None:
            sources.append(self.tables.login.secret)
        return tuple(dict.fromkeys(source.file for source in sources if source.file is not None))


class ManifestPlace(Protocol):
    """Where a manifest lies, with what lies beside it."""

    @property
    def name(self) -> str:
        """The manifest's own file, for errors."""
        ...

    def absolute(self, path: str) -> str:
        """A path of the manifest as one that holds anywhere on this machine."""
        ...

    def read(self, path: str) -> str:
        """The text of a file. Raises :class:`ValueError` with the reason, to follow ``the file cannot be used:``."""
        ...


def read_specs(
    values: Mapping[str, Any],
    *,
    text: str,
    place: ManifestPlace,
    inventory: Inventory,
    variables: Mapping[str, str] | None = None,
) -> tuple[HostSpec, ...]:
    """All hosts of a manifest, each once, in the order of the file. `text` is where `values` were read from.

    `variables` count more than those of the file. Raises :class:`~remora.core.errors.ConfigProblem`
    (``manifest-invalid``) that names every problem with its line, and
    :class:`UsageProblem` for one of `variables` that the manifest knows nothing of.
    """
    problems = list(find_shape_problems(values, inspect.type_info(Manifest)))
    if problems:
        raise manifest_error(problems, file=place.name, text=text)
    _refuse_unused(variables or {}, values, place)
    selector = Selector(inventory, values.get("tags", {}))
    selections = [
        selector.select(block[_SELECT], ("hosts", number, _SELECT)) for number, block in enumerate(values["hosts"])
    ]
    problems = selector.problems
    specs: list[HostSpec] = []
    for alias in dict.fromkeys(alias for selection in selections for alias in selection):
        merged = _merged(values, alias, selections)
        merged.lay({_VARIABLES: variables or {}}, written=())
        spec = _Host(alias, merged, place).read(problems)
        if spec is not None:
            specs.append(spec)
    if problems:
        raise manifest_error(problems, file=place.name, text=text)
    return tuple(specs)


def _refuse_unused(variables: Mapping[str, str], values: Mapping[str, Any], place: ManifestPlace) -> None:
    """Refuse one of `variables` that the manifest neither sets nor names anywhere."""
    blocks = [values.get("defaults", {}), *values.get("hosts", ())]
    known = {name for block in blocks for name in block.get(_VARIABLES, {})}.union(used_names(values))
    known.update(name for block in blocks for name in _used_in_templates(block, place))
    known.difference_update(BUILT_IN_VARIABLES)
    for name in variables:
        if name not in known:
            listed = (
                f"The variables are: {', '.join(sorted(known))}"
                if known
                else "Omit --set: the manifest has no variables."
            )
            next_step = near(name, known) or listed
            raise UsageProblem(Code.USAGE, f"The manifest has no variable {name!r}.", next_step=next_step)


def _used_in_templates(block: Mapping[str, Any], place: ManifestPlace) -> Iterator[str]:
    for table in [block.get("instructions", {}), *block.get("files", ())]:
        if table.get("template") and "source" in table:
            with suppress(ValueError):  # which is told where the file is read for a host
                yield from used_names(place.read(table["source"]))


def simple_specs(
    aliases: Sequence[str], *, version: str, source: str | None, file: str | None, allow_shell_edit: bool = False
) -> tuple[HostSpec, ...]:
    """codex on `aliases`, visible to their login shells, and nothing else.

    Raises :class:`UsageProblem` for values that do not go together.
    """
    kind = choose(_BROUGHT, source or ("file" if file else "wheel"), what="--source")
    if file is not None and kind is not CodexSource.FILE:
        raise UsageProblem(
            Code.USAGE, f"--file is not for --source {kind}.", next_step="Use --source file, or omit --file."
        )
    if file is None and kind is CodexSource.FILE:
        next_step = "Name a codex program, wheel or .tar.gz of this machine: --file PATH"
        raise UsageProblem(Code.USAGE, "--source file needs --file.", next_step=next_step)
    tables = HostTables(
        codex=CodexTable(version=version, source=kind, file=file), path=PathTable(allow_shell_edit=allow_shell_edit)
    )
    for problem in find_rule_problems(tables):
        option = "--codex" if problem.path[-1] == "version" else f"--{problem.path[-1]}"
        raise UsageProblem(Code.USAGE, f"{option}: {problem.message}", next_step=problem.hint or "See --help.")
    digest = digest_of(tables)
    return tuple(HostSpec(alias, tables, digest) for alias in dict.fromkeys(aliases))


def _visible(tables: HostTables) -> PathTable | UnsetType:
    """A codex that we bring is of no use where the login shell does not see it; an installer sees to that itself."""
    brought = tables.codex is not UNSET and tables.codex.source in _BROUGHT
    return PathTable() if brought and tables.path is UNSET else tables.path


def digest_of(tables: HostTables) -> str:
    """The digest of what a host is to be, in whatever order its keys were written; secrets count by name alone."""
    values = msgspec.to_builtins(tables)
    del values[_VARIABLES]  # they stand wherever they are used
    if "login" in values:
        del values["login"]["secret"]
    if values.get("codex", {}).get("file"):
        name = values["codex"]["file"].rpartition("/")[2]
        values["codex"]["file"] = name.encode("utf-8", "backslashreplace").decode()
    for project in values["projects"]:
        project["secrets"] = sorted(project["secrets"])
    return f"sha256:{sha256(msgspec.json.encode(values, order='sorted')).hexdigest()}"


def _merged(values: Mapping[str, Any], alias: str, selections: Sequence[Sequence[str]]) -> Merged:
    merged = Merged()
    merged.lay(values.get("defaults", {}), written=("defaults",))
    for number, block in enumerate(values["hosts"]):
        if alias in selections[number]:
            merged.lay(block, written=("hosts", number), without=(_SELECT,))
    return merged


class _Host:
    """One host on its way from merged values to a spec."""

    def __init__(self, alias: str, merged: Merged, place: ManifestPlace) -> None:
        self._alias = alias
        self._merged = merged
        self._place = place
        self._variables: Values = {}

    def read(self, problems: list[Problem]) -> HostSpec | None:
        """The spec; with anything wrong in its values, which `problems` then gets, there is none."""
        found: list[Problem] = []
        built_in = dict(zip(BUILT_IN_VARIABLES, (self._alias,), strict=True))
        own = fill(self._merged.values.get(_VARIABLES, {}), built_in, (_VARIABLES,), found)
        self._variables = {**own, **built_in}
        others = {key: value for key, value in self._merged.values.items() if key != _VARIABLES}
        filled = {**fill(others, self._variables, (), found), _VARIABLES: own}
        tables = msgspec.convert(filled, HostTables)
        if not found:
            found += find_rule_problems(tables)
        if not found:
            tables = self._complete(tables, found)
        problems += (problem._replace(path=self._merged.origin(problem.path)) for problem in found)
        return None if found else HostSpec(self._alias, self._with_absolute_paths(tables), digest_of(tables))

    def _complete(self, tables: HostTables, problems: list[Problem]) -> HostTables:
        """The tables with what lies in files beside the manifest."""
        if tables.instructions is not UNSET:
            instructions = self._loaded(tables.instructions, ("instructions",), problems)
            tables = msgspec.structs.replace(tables, instructions=instructions)
        files = [self._loaded(file, ("files", number), problems) for number, file in enumerate(tables.files)]
        return msgspec.structs.replace(tables, files=files, path=_visible(tables))

    def _loaded(self, table: _WithContent, path: Path, problems: list[Problem]) -> _WithContent:
        """The table with the content of its source."""
        if table.source is None:
            return table
        path = (*path, "source")
        try:
            content = self._place.read(table.source)
        except ValueError as error:
            problems.append(Problem(path, f"the file {table.source} cannot be used: {error}."))
            return table
        if table.template:
            content = fill_text(content, self._variables, path, problems)
        return msgspec.structs.replace(table, content=content, source=None)

    def _with_absolute_paths(self, tables: HostTables) -> HostTables:
        """Nothing depends any more on where the manifest lies."""
        changes: dict[str, Any] = {}
        if tables.codex is not UNSET and tables.codex.file is not None:
            changes["codex"] = msgspec.structs.replace(tables.codex, file=self._place.absolute(tables.codex.file))
        if tables.login is not UNSET and tables.login.secret is not None:
            changes["login"] = msgspec.structs.replace(tables.login, secret=self._absolute(tables.login.secret))
        changes["projects"] = [
            msgspec.structs.replace(
                project, secrets={name: self._absolute(source) for name, source in project.secrets.items()}
            )
            for project in tables.projects
        ]
        return msgspec.structs.replace(tables, **changes)

    def _absolute(self, source: SecretSource) -> SecretSource:
        if source.file is None:
            return source
        return msgspec.structs.replace(source, file=self._place.absolute(source.file))
