"""Which commands a project is installed, built and tested with, by its own files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remora.core.score.project_commands import (
    READ_FILES,
    Chore,
    ProjectFiles,
    find_commands,
    names_command,
    read_project,
)


def project(*paths: str, programs: tuple[str, ...] = (), **texts: str) -> ProjectFiles:
    """A project; a text's name has an underscore for its dot."""
    named = {name.replace("_", "."): text for name, text in texts.items()}
    return ProjectFiles(paths={*paths, *programs, *named}, programs=frozenset(programs), texts=named)


def lines(files: ProjectFiles) -> dict[str, str]:
    return {str(chore): command.line for chore, command in find_commands(files).items()}


PACKAGE = '{"scripts": {"build": "tsc", "test": "vitest run"}}'
NEW_PACKAGE = '{"scripts": {"test": "echo \\"Error: no test specified\\" && exit 1"}}'
PYTHON = '[project]\nname = "x"\n[project.optional-dependencies]\ndev = ["pytest"]\n'
MAKEFILE = "CFLAGS := -O2\nall: x\n\t@true\nsetup: ; @true\ninstall:\n\tcp x /usr/bin\ncheck::\n\t@true\n"


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (project(), {}),
        (project("README.md", Makefile=MAKEFILE), {"install": "make setup", "build": "make all", "test": "make check"}),
        (project(Makefile="install:\n\tcp x /usr/bin\n"), {}),
        (
            project("package-lock.json", package_json=PACKAGE),
            {"install": "npm ci", "build": "npm run build", "test": "npm run test"},
        ),
        (project("pnpm-lock.yaml", package_json=NEW_PACKAGE), {"install": "pnpm install --frozen-lockfile"}),
        (project(package_json="{"), {"install": "npm install"}),
        (
            project("tests/test_x.py", pyproject_toml=PYTHON),
            {
                "install": "python3 -m venv .venv && .venv/bin/pip install -e '.[dev]'",
                "test": ".venv/bin/python -m pytest",
            },
        ),
        (
            project("requirements.txt", "tox.ini"),
            {"install": "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt", "test": "tox"},
        ),
        (project("uv.lock", "conftest.py", pyproject_toml=PYTHON), {"install": "uv sync", "test": "uv run pytest"}),
        (project("test_x.py"), {"test": "python3 -m pytest"}),
        (project("noxfile.py"), {"test": "nox"}),
        (project("Cargo.toml"), {"install": "cargo fetch", "build": "cargo build", "test": "cargo test"}),
        (project("go.mod"), {"install": "go mod download", "build": "go build ./...", "test": "go test ./..."}),
        (
            project("pom.xml", programs=("mvnw",)),
            {
                "install": "./mvnw -B dependency:go-offline",
                "build": "./mvnw -B -DskipTests package",
                "test": "./mvnw -B test",
            },
        ),
        (project("build.gradle.kts"), {"build": "gradle assemble", "test": "gradle test"}),
        (project("Gemfile"), {"install": "bundle install"}),
        (project(justfile="test: build\n  true\n@build:\n  true\n"), {"build": "just build", "test": "just test"}),
        (project("scripts/test.sh", Makefile="test:\n\ttrue\n"), {"test": "sh scripts/test.sh"}),
        (project(programs=("scripts/setup", "script/test")), {"install": "./scripts/setup", "test": "./script/test"}),
        (project("test.sh"), {"test": "sh test.sh"}),
        (project("scripts/test"), {}),
    ],
)
def test_a_project_says_how_it_is_handled(files: ProjectFiles, found: dict[str, str]) -> None:
    assert lines(files) == found


def test_what_is_given_counts_more() -> None:
    commands = find_commands(project("go.mod"), {Chore.TEST: "make it so"})
    assert (commands[Chore.TEST].line, commands[Chore.TEST].source) == ("make it so", "--test")
    assert commands[Chore.BUILD].line == "go build ./..."


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Run `npm ci`.", True),
        ("npm\n  install", True),
        ("npm install-test", False),
        ("xnpm ci", False),
        ("install it with npm", False),
        ("", False),
    ],
)
def test_a_text_names_a_command_or_it_does_not(text: str, named: bool) -> None:
    command = find_commands(project("package-lock.json", package_json=PACKAGE))[Chore.INSTALL]
    assert names_command(text, command) is named


def test_a_project_is_read_from_what_git_lists() -> None:
    listing = "100644 blob 1\tgo.mod\n100755 blob 2\tscripts/test\n040000 tree 3\tscripts\nnonsense\n"
    files = read_project(listing, ["Makefile\nall:\n\ttrue\n", "package.json"])
    assert files.programs == {"scripts/test"}
    assert files.paths == {"go.mod", "scripts/test", "scripts"}
    assert files.texts == {"Makefile": "all:\n\ttrue\n", "package.json": ""}


@given(st.lists(st.sampled_from([*READ_FILES, "uv.lock", "tox.ini", "tests/test_x.py"])), st.text())
def test_any_text_in_those_files_does_no_harm(names: list[str], text: str) -> None:
    files = ProjectFiles(paths=set(names), texts=dict.fromkeys(names, text))
    for command in find_commands(files).values():
        assert "\n" not in command.line
