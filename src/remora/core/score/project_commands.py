"""How a project is installed, built and tested, read from its own files."""

import json
import re
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

READ_FILES: Final = (
    "Makefile",
    "GNUmakefile",
    "makefile",
    "justfile",
    "package.json",
    "pyproject.toml",
    "tox.ini",
    "setup.cfg",
)
"""Whose content is looked at; of all others the name is enough."""

LOOKED_INTO: Final = ("scripts", "script", "bin", "tests", "test")
"""Folders whose files count, too."""


class Chore(StrEnum):
    """What is done with a project before anybody can work on it, in this order."""

    INSTALL = "install"
    BUILD = "build"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectCommand:
    """One command line of a project, for ``/bin/sh`` in its folder. `source` says where it was found.

    A text that has one of `names` in it tells its reader the command.
    """

    chore: Chore
    line: str
    source: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFiles:
    """A project as it is committed: paths, those that may be executed, and the content of :data:`READ_FILES`."""

    paths: AbstractSet[str]
    programs: AbstractSet[str] = frozenset()
    texts: Mapping[str, str] = field(default_factory=dict)


def find_commands(files: ProjectFiles, given: Mapping[Chore, str] | None = None) -> dict[Chore, ProjectCommand]:
    """The command for each chore that the project has one for; what is `given` counts more.

    The project's own words come first (a script, a target of a Makefile), then what its kind of project is usually
    handled with. ``make install`` is never taken: it writes outside of the checkout.
    """
    found: dict[Chore, ProjectCommand] = {}
    given = given or {}
    for chore in Chore:
        if line := given.get(chore):
            found[chore] = ProjectCommand(chore=chore, line=line, source=f"--{chore}", names=(line,))
            continue
        for find in (_script, _target, _recipe, _node, _tox, _kind, _python, _loose_script):
            command = find(files, chore)
            if command is not None:
                found[chore] = command
                break
    return found


def names_command(text: str, command: ProjectCommand) -> bool:
    """Whether who reads `text` learns `command`."""
    plain = " ".join(text.split())
    return any(re.search(rf"(?<![\w-]){re.escape(' '.join(name.split()))}(?![\w-])", plain) for name in command.names)


def _made(chore: Chore, line: str, source: str, *names: str) -> ProjectCommand:
    return ProjectCommand(chore=chore, line=line, source=source, names=names or (line,))


_SCRIPTS: Final = {
    Chore.INSTALL: ("setup", "bootstrap", "install"),
    Chore.BUILD: ("build",),
    Chore.TEST: ("test",),
}


def _script(files: ProjectFiles, chore: Chore) -> ProjectCommand | None:
    names = _SCRIPTS[chore]
    return _first_program(
        files, chore, [f"{folder}/{name}" for folder in ("scripts", "script", "bin") for name in names]
    )


def _loose_script(files: ProjectFiles, chore: Chore) -> ProjectCommand | None:
    return _first_program(files, chore, list(_SCRIPTS[chore]))


def _first_program(files: ProjectFiles, chore: Chore, names: Sequence[str]) -> ProjectCommand | None:
    for path in (path for name in names for path in (name, f"{name}.sh")):
        if path in files.programs:
            return _made(chore, f"./{path}", path, path)
        if path in files.paths and path.endswith(".sh"):
            return _made(chore, f"sh {path}", path, path)
    return None


_TARGETS: Final = {
    Chore.INSTALL: ("setup", "bootstrap", "deps", "dependencies", "install-deps", "install-dev", "develop"),
    Chore.BUILD: ("build", "all"),
    Chore.TEST: ("test", "tests", "check"),
}


def _target(files: ProjectFiles, chore: Chore) -> ProjectCommand | None:
    for name in ("GNUmakefile", "makefile", "Makefile"):
        if name in files.texts:
            found = set(re.findall(r"^([A-Za-z0-9_.-]+)[ \t]*::?(?!=)", files.texts[name], re.MULTILINE))
            target = next((target for target in _TARGETS[chore] if target in found), None)
            return _made(chore, f"make {target}", name) if target else None
    return None


def _recipe(files: ProjectFiles, chore: Chore) -> ProjectCommand | None:
    found = set(re.findall(r"^@?([A-Za-z0-9_-]+)[^:=\n]*:(?!=)", files.texts.get("justfile", ""), re.MULTILINE))
    recipe = next((target for target in (*_TARGETS[chore], str(chore)) if target in found), None)
    return _made(chore, f"just {recipe}", "justfile") if recipe else None


_LOCKS: Final = {
    "pnpm-lock.yaml": ("pnpm", "pnpm install --frozen-lockfile"),
    "yarn.lock": ("yarn", "yarn install --frozen-lockfile"),
    "bun.lock": ("bun", "bun install --frozen-lockfile"),
    "bun.lockb": ("bun", "bun install --frozen-lockfile"),
    "package-lock.json": ("npm", "npm ci"),
    "npm-shrinkwrap.json": ("npm", "npm ci"),
}
_NO_TEST: Final = "no test specified"
"""What npm writes into a package that has no test yet."""


def _node(files: ProjectFiles, chore: Chore) -> ProjectCommand | None:
    if "package.json" not in files.texts:
        return None
    program, install = next((words for lock, words in _LOCKS.items() if lock in files.paths), ("npm", "npm install"))
    if chore is Chore.INSTALL:
        return _made(chore, install, "package.json", install, f"{program} install", f"{program} ci", f"{program} i")
    line = _table(_json(files.texts["package.json"]), "scripts").get(str(chore))
    if not isinstance(line, str) or _NO_TEST in line:
        return None
    run = f"{program} run {chore}"
    return _made(chore, run, "package.json", run, f"{program} {chore}")


def _tox(files: ProjectFiles, chore: Chore) -> ProjectCommand | None:
    if chore is not Chore.TEST:
        return None
    if "tox.ini" in files.paths or "tox" in _table(_toml(files), "tool"):
        return _made(chore, "tox", "tox.ini" if "tox.ini" in files.paths else "pyproject.toml")
    return _made(chore, "nox", "noxfile.py") if "noxfile.py" in files.paths else None


_EXTRAS: Final = ("dev", "test", "tests", "testing")
_ENVIRONMENT: Final = "python3 -m venv .venv"


def _python(files: ProjectFiles, chore: Chore) -> ProjectCommand | None:
    settings = _toml(files)
    packaged = "setup.py" in files.paths or "project" in settings or "build-system" in settings
    listed = [name for name in ("requirements.txt", "requirements-dev.txt") if name in files.paths]
    manager = next((name for name in ("uv", "poetry") if f"{name}.lock" in files.paths), None)
    if chore is Chore.INSTALL:
        if manager is not None:
            line = {"uv": "uv sync", "poetry": "poetry install"}[manager]
            return _made(chore, line, f"{manager}.lock")
        if packaged:
            extras = [name for name in _EXTRAS if name in _table(_table(settings, "project"), "optional-dependencies")]
            what = shlex.quote(f".[{','.join(extras)}]") if extras else "."
            source = "pyproject.toml" if settings else "setup.py"
            return _made(chore, f"{_ENVIRONMENT} && .venv/bin/pip install -e {what}", source, "pip install")
        if listed:
            options = " ".join(f"-r {name}" for name in listed)
            return _made(chore, f"{_ENVIRONMENT} && .venv/bin/pip install {options}", listed[0], "pip install")
    if chore is Chore.TEST and _has_python_tests(files, settings):
        if manager is not None:
            return _made(chore, f"{manager} run pytest", "pyproject.toml", "pytest")
        python = ".venv/bin/python" if packaged or listed else "python3"
        return _made(chore, f"{python} -m pytest", "tests", "pytest")
    return None


def _has_python_tests(files: ProjectFiles, settings: Mapping[str, Any]) -> bool:
    if "pytest" in _table(settings, "tool") or files.paths & {"pytest.ini", "conftest.py"}:
        return True
    return any(re.fullmatch(r"(tests?/)?(test_\w+|\w+_test|conftest)\.py", path) for path in files.paths)


_KINDS: Final[dict[str, tuple[str | None, str | None, str | None]]] = {
    "Cargo.toml": ("cargo fetch", "cargo build", "cargo test"),
    "go.mod": ("go mod download", "go build ./...", "go test ./..."),
    "pom.xml": ("mvn -B dependency:go-offline", "mvn -B -DskipTests package", "mvn -B test"),
    "build.gradle": (None, "gradle assemble", "gradle test"),
    "build.gradle.kts": (None, "gradle assemble", "gradle test"),
    "Gemfile": ("bundle install", None, None),
    "mix.exs": ("mix deps.get", "mix compile", "mix test"),
    "composer.json": ("composer install --no-interaction", None, None),
    "Package.swift": ("swift package resolve", "swift build", "swift test"),
    "CMakeLists.txt": (None, "cmake -B build && cmake --build build", "ctest --test-dir build"),
}
"""By the file that tells the kind of a project: install, build, test."""
_WRAPPERS: Final = {"mvn": "mvnw", "gradle": "gradlew"}


def _kind(files: ProjectFiles, chore: Chore) -> ProjectCommand | None:
    for source, lines in _KINDS.items():
        line = lines[list(Chore).index(chore)]
        if source not in files.paths or line is None:
            continue
        program, _, words = line.partition(" ")
        plain = line.removesuffix(" ./...").replace(" -B", "")
        wrapper = _WRAPPERS.get(program, "")
        if wrapper in files.programs:
            shown = f"./{wrapper} {words}"
            return _made(chore, shown, wrapper, plain, line, plain.replace(program, wrapper, 1))
        return _made(chore, line, source, plain, line)
    return None


def _table(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = values.get(name)
    return table if isinstance(table, Mapping) else {}


def _json(text: str) -> Mapping[str, Any]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return values if isinstance(values, Mapping) else {}


def _toml(files: ProjectFiles) -> Mapping[str, Any]:
    try:
        return tomllib.loads(files.texts.get("pyproject.toml", ""))
    except (ValueError, RecursionError):
        return {}


def read_project(listing: str, documents: Sequence[str]) -> ProjectFiles:
    """A project from the lines of ``git ls-tree`` and from documents whose first line is their name."""
    paths, programs = set(), set()
    for line in listing.splitlines():
        facts, tab, path = line.partition("\t")
        if tab:
            paths.add(path)
            if facts.startswith("100755"):
                programs.add(path)
    return ProjectFiles(paths=paths, programs=programs, texts=read_documents(documents))


def read_documents(documents: Sequence[str]) -> dict[str, str]:
    """Texts by name, from documents whose first line is their name."""
    return {name: text for name, _, text in (document.partition("\n") for document in documents)}
