"""docs/demo.svg: a picture that any reader of the README can show, and of what `remora demo` really shows today."""

import importlib.util
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from tests.support.base.documents import ROOT
from tests.support.base.required import missing

PICTURE = ROOT / "docs" / "demo.svg"
SVG = "{http://www.w3.org/2000/svg}"
LARGEST = 200_000


def lines_of(picture: Path) -> list[str]:
    root = ET.fromstring(picture.read_text())  # noqa: S314 # the project's own file
    return ["".join(text.itertext()).strip() for text in root.iter(f"{SVG}text")]


def test_the_recording_is_small_and_needs_nothing_from_elsewhere() -> None:
    text = PICTURE.read_text()
    assert len(text.encode()) < LARGEST
    kinds = {element.tag.removeprefix(SVG) for element in ET.fromstring(text).iter()}  # noqa: S314
    assert kinds == {"svg", "style", "g", "rect", "text", "tspan"}
    assert not any(word in text for word in ("url(", "@import", "href", "@font-face"))


def test_the_recording_tells_the_whole_story() -> None:
    lines = iter(lines_of(PICTURE))
    for beginning in (
        "$ remora check demo",
        "demo is ready",
        "$ remora run demo:~/price",
        "│ FAILED  10 pieces at 100 cost 900, but got 1000",
        "±changed",
        "▌The agent asks to run a command",
        "Your decision:yes",
        "Fixed.",
        "completed",
        "changed   price.sh",
    ):
        assert any(line.replace(" ", "").startswith(beginning.replace(" ", "")) for line in lines), beginning


@pytest.mark.codex
def test_the_recording_shows_what_the_demo_writes_today(tmp_path: Path) -> None:
    if importlib.util.find_spec("codex_cli_bin") is None:
        missing("the real app server is not installed (scripts/setup --demo)")
    if subprocess.run(["unshare", "--user", "--map-root-user", "true"], check=False, capture_output=True).returncode:
        missing("codex cannot confine commands on this machine, so the demo asks nothing")
    made = tmp_path / "demo.svg"
    subprocess.run([sys.executable, "-m", "scripts.screencast", made], cwd=ROOT, check=True, timeout=120)
    assert lines_of(made) == lines_of(PICTURE), "run scripts/record"
