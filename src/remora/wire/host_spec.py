"""One host of a manifest with everything filled in: what provisioning works from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Protocol, TypeVar

import msgspec
from msgspec import UNSET, UnsetType, inspect

from remora.core.choosing import choose
from remora.core.errors import Code, UsageProblem
from remora.wire.host_selection import Inventory, Selector
from remora.wire.manifest import (
    CodexSource,
    CodexTable,
    FileTable,
    HostTables,
    InstructionsTable,
    Manifest,
    PathTable,
    SecretSource,
)
from remora.wire.manifest_merging import Merged
from remora.wire.manifest_problems import Path, Problem, ProblemFound, manifest_error
from remora.wire.manifest_rules import BUILT_IN_VARIABLES, find_rule_problems
from remora.wire.manifest_shape import find_shape_problems
from remora.wire.variables import Values, fill, fill_text

_SELECT: Final = "select"
_VARIABLES: Final = "variables"
_BROUGHT: Final = frozenset({CodexSource.WHEEL, CodexSource.NPM, CodexSource.FILE})

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
    (``manifest-invalid``) that names every problem with its line.
    """
    problems = list(find_shape_problems(values, inspect.type_info(Manifest)))
    if problems:
        raise manifest_error(problems, file=place.name, text=text)
    selector = Selector(inventory, values.get("tags", {}))
    specs: list[HostSpec] = []
    try:
        selections = [
            selector.select(block[_SELECT], ("hosts", number, _SELECT)) for number, block in enumerate(values["hosts"])
        ]
        for alias in dict.fromkeys(alias for selection in selections for alias in selection):
            merged = _merged(values, alias, selections)
            merged.lay({_VARIABLES: variables or {}}, written=())
            host = _Host(alias, merged, place)
            problems += host.problems()
            if not problems:
                specs.append(host.spec())
    except ProblemFound as found:
        problems.append(found.problem)
    if problems:
        raise manifest_error(problems, file=place.name, text=text)
    return tuple(specs)


def simple_specs(aliases: Sequence[str], *, version: str, source: str | None, file: str | None) -> tuple[HostSpec, ...]:
    """codex on `aliases`, visible to their login shells, and nothing else.

    Raises :class:`UsageProblem` for values that do not go together.
    """
    kind = choose(CodexSource, source or ("file" if file else "wheel"), what="--source")
    if file is not None and kind is not CodexSource.FILE:
        raise UsageProblem(
            Code.USAGE, f"--file is not for --source {kind}.", next_step="Use --source file, or no --file."
        )
    if kind is CodexSource.COMMAND:
        next_step = "Describe it in a manifest; see: remora provision --example"
        raise UsageProblem(Code.USAGE, "An installer of the host's own needs a manifest.", next_step=next_step)
    tables = HostTables(codex=CodexTable(version=version, source=kind, file=file), path=PathTable())
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
        self._tables = HostTables()

    def problems(self) -> Iterator[Problem]:
        """What is wrong with its values; after this without any, :meth:`spec` can be had."""
        try:
            built_in = dict(zip(BUILT_IN_VARIABLES, (self._alias,), strict=True))
            own = fill(self._merged.values.get(_VARIABLES, {}), built_in, (_VARIABLES,))
            self._variables = {**own, **built_in}
            filled = fill({**self._merged.values, _VARIABLES: own}, self._variables)
            self._tables = msgspec.convert(filled, HostTables)
            for problem in find_rule_problems(self._tables):
                yield self._as_written(problem)
        except ProblemFound as found:
            yield self._as_written(found.problem)

    def spec(self) -> HostSpec:
        """Raises :class:`ProblemFound` for a file that cannot be read."""
        tables = self._tables
        try:
            if tables.instructions is not UNSET:
                instructions = self._loaded(tables.instructions, ("instructions",))
                tables = msgspec.structs.replace(tables, instructions=instructions)
            files = [self._loaded(file, ("files", number)) for number, file in enumerate(tables.files)]
        except ProblemFound as found:
            raise ProblemFound(self._as_written(found.problem)) from None
        tables = msgspec.structs.replace(tables, files=files, path=_visible(tables))
        return HostSpec(self._alias, self._with_absolute_paths(tables), digest_of(tables))

    def _loaded(self, table: _WithContent, path: Path) -> _WithContent:
        """The table with the content of its source."""
        if table.source is None:
            return table
        path = (*path, "source")
        try:
            content = self._place.read(table.source)
        except ValueError as error:
            raise ProblemFound(Problem(path, f"the file {table.source} cannot be used: {error}.")) from None
        if table.template:
            content = fill_text(content, self._variables, path)
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

    def _as_written(self, problem: Problem) -> Problem:
        return problem._replace(path=self._merged.origin(problem.path))
