"""Names of modules and files in documents and docstrings: each is one that exists."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.base.documents import ROOT

import remora

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
SOURCE = ROOT / "src" / "remora"
ROOMS = {path.name for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"}
FOLDERS = {"src", "tests", "scripts", "docs", "docker", "examples", ".ci", ".github"}


def names(text: str) -> Iterator[str]:
    """What stands in backticks and has the form of a path or of a dotted name of ours."""
    for name in re.findall(r"`([\w./*{},-]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)):
        head = name.partition("/")[0]
        if ("/" in name and head in ROOMS | FOLDERS) or re.match(r"(remora|tests|scripts)\.\w", name):
            yield name


def exists(name: str) -> bool:
    """Whether a path leads to a file or folder, or a dotted name to something that a module defines."""
    if "/" in name:
        name = re.sub(r"\.[A-Z]\w+$", "", name)  # a class in the module
        endings = ("", ".py", ".sh")
        return any(any(top.glob(f"{name}{ending}")) for top in (ROOT, SOURCE, ROOT / "tests") for ending in endings)
    place, parts = ROOT / "src" if name.startswith("remora") else ROOT, name.split(".")
    while parts and (place / parts[0]).is_dir():
        place /= parts.pop(0)
    if not parts:
        return True
    module = place / f"{parts[0]}.py"
    if module.exists():
        parts.pop(0)
    else:
        module = place / "__init__.py"
    return not parts or bool(re.search(rf"\b{re.escape(parts[0])}\b", module.read_text()))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_module_and_file_that_a_document_names_exists(page: Path) -> None:
    assert [name for name in names(page.read_text()) if not exists(name)] == []


@pytest.mark.parametrize(
    "name", ["core/errors", "tests/docs", "remora.core.errors", "remora.RemoraError", "scripts/check"]
)
def test_names_that_exist_are_found(name: str) -> None:
    assert list(names(f"`{name}`")) == [name]
    assert exists(name)


@pytest.mark.parametrize("name", ["core/nothing", "remora.core.nothing", "remora.Nothing", "scripts/nothing"])
def test_names_that_do_not_exist_are_told(name: str) -> None:
    assert list(names(f"`{name}`")) == [name]
    assert not exists(name)


@pytest.mark.parametrize("top", ["src", "tests", "scripts", "examples"])
def test_every_reference_in_a_docstring_leads_somewhere(top: str) -> None:
    for file in (ROOT / top).rglob("*.py"):
        for name in re.findall(r":\w+:`~?((?:remora|tests|scripts)\.[\w.]+)`", file.read_text()):
            assert exists(name), f"{file.relative_to(ROOT)} refers to {name}"


def test_every_public_name_says_what_it_is() -> None:
    assert [name for name in remora.__all__ if not (getattr(remora, name).__doc__ or "").strip()] == []
