"""The page about the scorecard shows what the program really writes."""

import re
from pathlib import Path

import pytest
from tests.support.base.documents import ROOT, blocks
from tests.support.sshd.score_host import MAKEFILE, ScoreHost, items_of, score_host

PAGE = (ROOT / "docs" / "scoring.md").read_text()
HOME = "/home/me"

pytestmark = [pytest.mark.sshd, pytest.mark.codex]


def make_price(host: ScoreHost) -> None:
    """The project of the page: its tests fail, its instructions know half of its commands, others may read its .env."""
    test = "echo '1 of 3 failed: ten pieces or more'\nexit 1\n"
    files = {"Makefile": MAKEFILE, "test.sh": test, "AGENTS.md": "Run `make test`.\n", ".gitignore": ".env\n"}
    project = host.project("price", files)
    (project / ".env").write_text("TOKEN=x\n")
    (project / ".env").chmod(0o644)
    host.sshd.home.chmod(0o700)


def as_on_the_page(text: str, host: ScoreHost) -> str:
    """Output with a home, a name and an account as on the page."""
    text = text.replace(str(host.sshd.home), HOME)
    text = text.replace(f"  {host.sshd.user} on 127.0.0.1,", "  me on devbox.example.org,")
    return re.sub(r"^! .*\n", "", text, flags=re.MULTILINE)


def without_chance(text: str) -> str:
    """Without what differs from run to run and from machine to machine."""
    text = re.sub(r"\b\d+(\.\d+)? (ms|s)\b", "N s", text)
    text = re.sub(r"\bcommit [0-9a-f]{12}\b", "commit C", text)
    return re.sub(r"(state/remora/)[A-Za-z0-9.-]+", r"\1MACHINE", text)


def test_the_page_shows_what_the_program_writes(tmp_path: Path) -> None:
    (shown,) = blocks(PAGE, "text")
    with score_host(tmp_path) as host:
        make_price(host)
        done = host.run("~/price")
        assert done.returncode == 0, done.stderr
        written = as_on_the_page(done.stdout, host)
        assert without_chance(written) == without_chance(shown), written


def test_every_item_has_its_row(tmp_path: Path) -> None:
    with score_host(tmp_path, version=None) as host:
        host.good()
        _, report = host.report("good", "--no-run")
    rows = set(re.findall(r"^\| `([a-z-]+\.[a-z-]+)` \|", PAGE, re.MULTILINE))
    assert rows == set(items_of(report))
