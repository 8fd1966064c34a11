"""What the documents promise: examples that run, codes that exist, links that lead somewhere."""

import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.support.base.documents import ROOT, blocks, commands, outcome, without_section
from tests.support.codex.binaries import codex_binary
from tests.support.link.hubs import hub_place

from remora.core.errors import Code, ExitCode
from remora.core.host.ssh_options import OPTIONS
from remora.demo.scene import demo_scene

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
SCRIPTING = (ROOT / "docs" / "scripting.md").read_text()
PROGRAMS = blocks((ROOT / "docs" / "library.md").read_text(), "python")


@asynccontextmanager
async def devbox(folder: Path) -> AsyncIterator[dict[str, str]]:
    """A host called devbox with the demo's project on it; yields the environment that knows it."""
    async with demo_scene(codex_binary("0.163.0")) as scene:
        config = folder / "config"
        config.write_text(scene.ssh_config.read_text().replace("Host demo", "Host devbox", 1))
        (scene.host.home / "proj").mkdir()
        programs = Path(sys.executable).parent
        path = f"{programs}:{os.environ['PATH']}"
        with hub_place(REMORA_SSH_CONFIG=str(config), PATH=path, PYTHONPATH=str(ROOT / "src")) as place:
            yield {**os.environ, **place.environment}


def make_dirty_repository(folder: Path) -> None:
    """A place where ``git diff`` has something to say."""
    (folder / "file").write_text("before\n")
    for words in (["init", "--quiet"], ["add", "file"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    (folder / "file").write_text("after\n")


@pytest.mark.codex
async def test_every_command_of_the_cookbook_runs(tmp_path: Path) -> None:
    async with devbox(tmp_path) as environment:
        for command in commands(without_section(SCRIPTING, "Devboxes")):
            code, written = await outcome(["bash", "-o", "pipefail", "-c", command], tmp_path, environment)
            assert code == ExitCode.DONE, f"{command}\n{written}"


@pytest.mark.codex
@pytest.mark.parametrize("page", ["README.md", "docs/guide.md"])
async def test_every_command_of_the_first_pages_about_devbox_runs(page: str, tmp_path: Path) -> None:
    make_dirty_repository(tmp_path)
    async with devbox(tmp_path) as environment:
        for command in commands((ROOT / page).read_text()):
            if not re.search(r"remora (hosts|check|wait|run|connect|status|forward|disconnect|hub)\b", command):
                continue
            code, written = await outcome(["bash", "-c", command], tmp_path, environment)
            asks = "remora run" in command and "--on-approval" not in command and "|" not in command
            assert code == (ExitCode.NEEDS_PERSON if asks else ExitCode.DONE), f"{command}\n{written}"


@pytest.mark.codex
@pytest.mark.parametrize(
    ("number", "told"),
    [
        (0, r"^completed \['.*/price.sh'\]$"),
        (1, r"^completed \[.*accept.*\]$"),
        (2, r"^devbox is ready$"),
    ],
)
async def test_the_programs_of_the_library_page_run(number: int, told: str, tmp_path: Path) -> None:
    async with devbox(tmp_path) as environment:
        code, written = await outcome([sys.executable, "-c", PROGRAMS[number]], tmp_path, environment)
        assert code == 0, written
        assert re.search(told, written, re.MULTILINE), written


def test_every_program_of_the_library_page_is_run() -> None:
    assert len(PROGRAMS) == 3


def test_troubleshooting_has_every_error_code_and_no_other() -> None:
    text = (ROOT / "docs" / "troubleshooting.md").read_text()
    assert sorted(re.findall(r"^### `(.+)`$", text, re.MULTILINE)) == sorted(Code)


def test_troubleshooting_and_help_list_every_exit_code() -> None:
    text = (ROOT / "docs" / "troubleshooting.md").read_text()
    listed = {int(number) for row in re.findall(r"^\|.*\|$", text, re.MULTILINE) for number in re.findall(r"\d+", row)}
    assert {code.value for code in ExitCode} <= listed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_documents_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(#[^)]*)?\)", page.read_text()):
        file = (page.parent / target) if target else page
        assert file.exists(), f"{page.name} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
            assert anchor[1:] in {anchor_of(heading) for heading in headings}, f"{page.name} links to {target}{anchor}"


def anchor_of(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, to_read = set[Path](), [ROOT / "README.md"]
    while to_read:
        page = to_read.pop()
        if page not in reached:
            reached.add(page)
            targets = re.findall(r"\]\((?!https?:)([^)#]+\.md)", page.read_text())
            to_read += [(page.parent / target).resolve() for target in targets]
    assert [page.name for page in PAGES if page not in reached] == []


def test_the_table_of_ssh_options_is_the_one_in_the_code() -> None:
    page = (ROOT / "docs" / "ssh-options.md").read_text()
    rows = [f"| `{option.keyword}` | {option.handling} | {option.meaning} |" for option in OPTIONS.values()]
    assert [line for line in page.splitlines() if line.startswith("| `")] == rows
