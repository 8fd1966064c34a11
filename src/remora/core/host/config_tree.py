"""From the first file through every ``Include`` to one listing, as OpenSSH reads it.

The files themselves are brought by a :class:`FileSource`; this module decides which, in what order, and
what their blocks mean for each other.
"""

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from remora.core.host.aliases import AliasProblem, HostLine, Listing, MatchLine, Patterns, VariableUse, list_aliases
from remora.core.host.config_text import BadLine, ConfigLine, not_an_option, read_lines
from remora.core.host.ssh_options import OPTIONS, RETIRED

_VARIABLE: Final = re.compile(r"\$\{(\w+)\}")
DEPTH_LIMIT: Final = 16
"""How deep OpenSSH follows includes."""
_BAD_LINES: Final = 3
"""Lines of one file that are told each by itself; a file of another kind has any number of them."""
_STRUCTURE: Final = frozenset({"host", "match", "include"})
FILE_LIMIT: Final = 10_000
"""How many files one listing reads: files that include each other many times over end here."""


class Root(NamedTuple):
    """A file with which reading begins. `system` changes what a relative ``Include`` is relative to."""

    path: str
    system: bool = False


@dataclass(frozen=True, slots=True)
class FileText:
    """A file's text. `identity` is the same for the same file under another name."""

    text: str
    identity: Hashable
    complaints: tuple[str, ...] = ()
    """What OpenSSH would not accept about the file as a whole."""


class FileSource(Protocol):
    """Brings files and expands ``Include`` arguments. It never executes and never waits for a writer."""

    def read(self, path: str, *, root: bool) -> FileText | None:
        """The file, or `None` when there is none. Raises :class:`OSError` when it cannot be read."""
        ...

    def expand(self, argument: str, *, system: bool) -> Sequence[str]:
        """The paths that one argument names, sorted. Raises :class:`ValueError` when it may not be used."""
        ...


def read_tree(roots: Sequence[Root], source: FileSource) -> Listing:
    """Read everything that the roots lead to. No line and no file keeps the rest from being read."""
    reading = _Reading(source)
    for root in roots:
        reading.read_root(root)
    aliases, problems = list_aliases(reading.host_lines)
    if not aliases:
        reading.tell_strange()
    return Listing(
        files=tuple(root.path for root in roots),
        aliases=aliases,
        host_lines=tuple(reading.host_lines),
        match_lines=tuple(reading.match_lines),
        problems=(*reading.problems, *problems),
        variables=tuple(reading.variables),
    )


@dataclass(slots=True)
class _File:
    """A file while it is read: `block` is the pattern list in force at the current line, `None` before the first."""

    path: str
    system: bool
    within: tuple[Patterns, ...]
    open_files: tuple[Hashable, ...]
    block: Patterns | None = None


@dataclass(slots=True)
class _Reading:
    source: FileSource
    host_lines: list[HostLine] = field(default_factory=list)
    match_lines: list[MatchLine] = field(default_factory=list)
    problems: list[AliasProblem] = field(default_factory=list)
    variables: list[VariableUse] = field(default_factory=list)
    strange: list[AliasProblem] = field(default_factory=list)
    """The first line of each file that begins with no option. OpenSSH knows better what is one: a name is asked about
    there, and these count only in a configuration without aliases."""
    files_read: int = 0

    def tell_strange(self) -> None:
        """Count them as problems, too, each in its place."""
        files = list(dict.fromkeys(problem.file for problem in (*self.problems, *self.strange)))
        self.problems = sorted((*self.strange, *self.problems), key=lambda each: (files.index(each.file), each.line))

    def read_root(self, root: Root) -> None:
        try:
            text = self.source.read(root.path, root=True)
        except OSError as error:
            self.problems.append(AliasProblem(root.path, 1, f"The file cannot be read: {_reason(error)}."))
            return
        if text is not None:
            self._read_file(_File(root.path, root.system, (), (text.identity,)), text)

    def _read_file(self, file: _File, text: FileText) -> None:
        self.files_read += 1
        self.problems += [AliasProblem(file.path, 1, complaint) for complaint in text.complaints]
        lines = list(read_lines(text.text))
        bad = [line for line in lines if isinstance(line, BadLine)]
        self.problems += [AliasProblem(file.path, line.number, line.message) for line in bad[:_BAD_LINES]]
        if len(bad) > _BAD_LINES:
            self.problems.append(
                AliasProblem(file.path, bad[_BAD_LINES].number, "More lines below have the same problem.")
            )
        good = [line for line in lines if isinstance(line, ConfigLine)]
        self.strange += _strange(file.path, good)
        for line in good:
            if line.keyword == "host":
                self._start_host(file, line)
            elif line.keyword == "match":
                file.block = ()
                self.match_lines.append(MatchLine(file.path, line.number, line.arguments))
            elif line.keyword == "include":
                self._include(file, line)
            elif names := frozenset(name for word in line.arguments for name in _VARIABLE.findall(word)):
                self.variables.append(VariableUse(file.path, line.number, names))

    def _start_host(self, file: _File, line: ConfigLine) -> None:
        if "" in line.arguments:
            self.problems.append(AliasProblem(file.path, line.number, "A name on this Host line is empty."))
        file.block = line.arguments
        self.host_lines.append(HostLine(file.path, line.number, line.arguments, file.within))

    def _include(self, file: _File, line: ConfigLine) -> None:
        for argument in line.arguments:
            try:
                if not argument:
                    raise ValueError("A file name on this Include line is empty.")
                paths = self.source.expand(argument, system=file.system)
            except ValueError as error:
                self.problems.append(AliasProblem(file.path, line.number, str(error)))
                continue
            for path in paths:
                trouble = self._include_file(file, path)
                if trouble is not None:
                    self.problems.append(AliasProblem(file.path, line.number, trouble))

    def _include_file(self, file: _File, path: str) -> str | None:
        """Read one included file, or say why not."""
        if len(file.open_files) > DEPTH_LIMIT:
            return f"{path} is not read: includes are nested more than {DEPTH_LIMIT} deep, which OpenSSH refuses."
        if self.files_read >= FILE_LIMIT:
            return f"{path} is not read: more than {FILE_LIMIT} files are included."
        try:
            text = self.source.read(path, root=False)
        except OSError as error:
            return f"{path} cannot be read: {_reason(error)}."
        if text is None:
            return None
        if text.identity in file.open_files:
            return f"{path} includes itself, directly or through other files; OpenSSH refuses such a cycle."
        within = file.within if file.block is None else (*file.within, file.block)
        self._read_file(_File(path, file.system, within, (*file.open_files, text.identity)), text)
        return None


def _strange(path: str, lines: Sequence[ConfigLine]) -> list[AliasProblem]:
    """The first line that begins with no option, unless OpenSSH was told to ignore such lines."""
    if any(line.keyword == "ignoreunknown" for line in lines):
        return []
    known = _STRUCTURE | OPTIONS.keys() | RETIRED
    strange = next((line for line in lines if line.keyword not in known), None)
    if strange is None:
        return []
    return [AliasProblem(path, strange.number, not_an_option(strange.keyword))]


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
