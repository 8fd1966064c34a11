"""docs/settings.md: an example that is accepted, and every setting as the code has it."""

import tomllib

from scripts import settings_page
from tests.support.base.documents import ROOT, blocks

from remora.core.settings import read_settings

PAGE = (ROOT / "docs" / "settings.md").read_text()


def test_the_settings_example_is_accepted() -> None:
    (text,) = blocks(PAGE, "toml")
    host = read_settings(tomllib.loads(text), source="the example").host("devbox")
    assert (host.codex, host.tags) == ("/opt/codex/bin/codex", ("team", "arm"))


def test_the_tables_of_settings_are_those_of_the_code() -> None:
    assert settings_page.page(PAGE) == PAGE, "run python -m scripts.settings_page"


def test_every_setting_has_a_default_a_unit_and_an_effect() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    assert len(rows) > 50
    assert all(all(cell.strip() for cell in row.strip("|").split("|")) for row in rows)
