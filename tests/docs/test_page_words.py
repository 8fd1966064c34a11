"""The language of the pages: plain words of the field, and no idioms that a reader has to decode."""

import re
from pathlib import Path

import pytest
from tests.support.base.documents import ROOT

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
IDIOMS = re.compile(
    r"\b(cannot be had|good-?bye|anew|of ours|wish(es|ed)?|the usual|doors?|crowd|farewell|mute|lets? go of)\b",
    re.IGNORECASE,
)


def prose(text: str) -> str:
    """A page without its blocks and its words in backticks."""
    return re.sub(r"`[^`]*`", "", re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_speaks_plainly(page: Path) -> None:
    assert [found[0] for found in IDIOMS.finditer(prose(page.read_text()))] == []


def test_the_readme_fits_on_a_few_screens() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 200
