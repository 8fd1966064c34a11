"""What is left of our programs where each byte counts does the same."""

import ast
import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest
from tests.support.base.required import missing

import remora.remote
from remora.core.devbox.compact import compact_python, compact_shell

REMOTE = Path(str(files(remora.remote)))
SCRIPTS = sorted(REMOTE.rglob("*.sh"))


def meaning(text: str) -> str:
    """How bash writes the commands of `text`: comments, blank lines and indentation make no difference."""
    bash = shutil.which("bash")
    if bash is None:
        missing("bash is not installed")
    done = subprocess.run(
        [bash, "--posix", "-s"],
        input=f"all() {{\n{text}}}\ndeclare -f all\n",
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    assert not done.stderr
    return re.sub(r"\$\(\(.*\)\)", lambda found: re.sub(" +", " ", found[0]), done.stdout)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(REMOTE)))
def test_a_script_means_the_same_without_its_comments(script: Path) -> None:
    text = script.read_text()
    short = compact_shell(text)
    assert meaning(short) == meaning(text)
    assert len(short) <= len(text)


def test_what_stands_in_quotes_stays() -> None:
    text = "a='\n  # not a comment\n\n  it' # one\nb=\"$(c 'x\" # y') # z\"\n  d=${e#f} # it's one\n"
    assert compact_shell(text) == "a='\n  # not a comment\n\n  it'\nb=\"$(c 'x\" # y') # z\"\nd=${e#f}\n"


@pytest.mark.parametrize("name", ["codex_fetch", "config_merge"])
def test_a_program_means_the_same_without_its_comments(name: str) -> None:
    text = (REMOTE / "provision" / f"{name}.py").read_text()
    short = compact_python(text)
    assert ast.get_docstring(ast.parse(short)) is None
    assert not [line for line in short.splitlines() if not line.strip() or line.lstrip().startswith("#")]
    assert len(short) < len(text)


def test_a_program_that_would_mean_something_else_is_not_made() -> None:
    with pytest.raises(ValueError, match="means something else"):
        compact_python('x = """\n    deep\n"""\n')


@pytest.mark.parametrize("words", [["--help"], ["none"], ["all", "sometimes"], ["all", "prepare"]])
def test_a_program_that_stands_alone_refuses_words_that_it_does_not_know(words: list[str]) -> None:
    script = REMOTE / "provision/alone/outer.sh"
    done = subprocess.run(["/bin/sh", str(script), *words], capture_output=True, text=True, check=False, timeout=20)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: provision.sh [all | NUMBER] [apply | check]")
