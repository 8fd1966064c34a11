"""The structure that makes the project findable: small folders, each name once, and a table of what tests can use."""

import ast
from collections import Counter
from pathlib import Path

from tests.support.base.documents import ROOT

SOURCE = ROOT / "src" / "remora"
SUPPORT = ROOT / "tests" / "support"
LARGEST_FOLDER = 15
ENDS_LIKE_A_GERUND = {"testing", "wiring"}
"""Nouns."""
SAME_SUBJECT = {"connection", "dialler", "failures", "listeners"}
"""What both ways to speak SSH have under the same name."""


def modules(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def test_no_folder_has_more_files_than_a_reader_can_keep_in_mind() -> None:
    files = Counter(file.parent for top in (SOURCE, ROOT / "tests") for file in modules(top))
    assert {str(folder.relative_to(ROOT)): n for folder, n in files.items() if n > LARGEST_FOLDER} == {}


def test_a_module_is_named_by_a_noun_or_an_imperative() -> None:
    names = {file.stem if file.stem != "__init__" else file.parent.name for file in modules(SOURCE)}
    assert {name for name in names if name.endswith("ing")} - ENDS_LIKE_A_GERUND == set()


def test_a_file_name_stands_for_one_subject_of_a_ring() -> None:
    names = Counter(
        (file.relative_to(SOURCE).parts[0], file.stem) for file in modules(SOURCE) if file.stem != "__init__"
    )
    assert {name for (_, name), n in names.items() if n > 1} - SAME_SUBJECT == set()


def test_a_public_class_name_means_one_class() -> None:
    classes = Counter(
        node.name
        for file in modules(SOURCE)
        for node in ast.parse(file.read_text("utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert {name: n for name, n in classes.items() if n > 1} == {}


def test_the_table_of_the_support_modules_names_each_with_its_own_words() -> None:
    rows = [line for line in (SUPPORT / "README.md").read_text("utf-8").splitlines() if line.startswith("| ")][1:]
    assert rows == [
        f"| {_summary(file)} | `{file.relative_to(SUPPORT).with_suffix('')}` |"
        for file in sorted(modules(SUPPORT), key=lambda file: file.relative_to(SUPPORT))
    ]


def _summary(file: Path) -> str:
    summary = (ast.get_docstring(ast.parse(file.read_text("utf-8"))) or "").partition("\n\n")[0]
    return " ".join(summary.replace("|", r"\|").split()).rstrip(".")
