"""Every text that runs on a host is POSIX sh: as it lies here, and as it is put together."""

import json
import os
import shlex
import shutil
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

import pytest
from msgspec import structs
from tests.support.base.required import missing

from remora.core.devbox.compact import compact_shell
from remora.core.server import shell_faults
from remora.core.server.scripts import becoming, first_script, opening_lines
from remora.core.settings import DEFAULT_LIMITS
from remora.flows.kit.unattended import NoTrustMemory
from remora.flows.provision.emit.program import PLACES, START, program
from remora.flows.provision.step_list import steps_for
from remora.flows.provision.steps.alone import AloneStep, AloneTerms
from remora.flows.server.shell import shipped
from remora.testing.memory_packages import MemoryPackages
from remora.testing.memory_secrets import MemorySecrets
from remora.wire.manifest.document import (
    CodexSource,
    CodexTable,
    FileTable,
    HostTables,
    LoginKind,
    LoginTable,
    PathTable,
    ProjectTable,
    SecretSource,
    ServerTable,
)
from remora.wire.manifest.host_spec import HostSpec

pytestmark = pytest.mark.shells

FOLDER = Path(str(files("remora.remote")))
NAMES = sorted(str(path.relative_to(FOLDER).with_suffix("")) for path in FOLDER.rglob("*.sh"))
SHELLS = ("dash", "busybox ash", "mksh", "posh", "zsh --emulate sh", "bash --posix")

COMPOSED = "SC1007,SC2015,SC2016,SC2030,SC2031,SC2034,SC2088,SC2154"
"""No fault in any text: variables of one that another uses, words for another shell in single quotes, a variable set to
nothing, variables of a subshell that is one for their sake, and ``A && B || C`` where C is meant for both."""

EXCEPTIONS = {
    ("entry", "SC2089"): "the text is for the login shell, which reads its quotes",
    ("entry", "SC2090"): "the text is for the login shell, which reads its quotes",
    ("launch", "SC2086"): "setsid and systemd-run are words, or nothing at all",
    ("prelude", "SC3044"): "only a bash comes there",
    ("remains", "SC2013"): "names in /proc have no spaces, and a pipe would be one more process of the thread",
}
"""By name and rule, why it stays. A complaint that is made no more has to go from here."""


def emitted(text_of: Callable[[str], str] = shipped) -> str:
    """A whole program with steps of every kind, as another engine gets it."""
    terms = AloneTerms(DEFAULT_LIMITS, (), lambda package: "")
    wished = HostTables(
        path=PathTable(),
        config={"model": "it's"},
        files=[FileTable(path="~/it's", content="it's")],
        login=LoginTable(kind=LoginKind.API_KEY, secret=SecretSource(environment="KEY")),
        server=ServerTable(memory="1GiB"),
        projects=[ProjectTable(repository="file:///it's", folder="~/it's", setup="true", smoke="true")],
    )
    made = [
        step.alone(terms)
        for codex in (CodexTable(), CodexTable(version="installed", source=CodexSource.NONE))
        for step in steps_for(
            HostSpec("devbox", structs.replace(wished, codex=codex), "0"),
            packages=MemoryPackages(),
            secrets=MemorySecrets("secret"),
            trust=NoTrustMemory(),
        )
    ]
    made.append(AloneStep(kind=PLACES, name=PLACES, title="it's there"))
    steps = list(enumerate(made, 1))
    return program(steps, count=len(steps), digest="0" * 64, operator="me", text_of=text_of)


def composed() -> dict[str, str]:
    """Each text of the package, and what is made of them."""
    begin = opening_lines() + first_script(
        "0" * 32, {"remora_folder": "it's"}, (shipped("prelude"), shipped("entry"), shipped("places"))
    )
    return {
        **{name: f"{{\n{shipped(name)}}}\n" for name in NAMES},
        "conversation": begin + becoming(("true", "it's")),
        "emitted": emitted(),
        "emitted-compact": emitted(lambda name: compact_shell(shipped(name))),
        "emitted-start": START,
        "suspects": shell_faults.RC_LINES + "\n",
    }


@cache
def complaints(*options: str) -> Mapping[str, list[tuple[str, str]]]:
    """By the name of the text, what shellcheck has to say: rule, and line with sentence."""
    tool = shutil.which("shellcheck") or missing("shellcheck is not installed")
    with tempfile.TemporaryDirectory() as folder:
        for name, text in composed().items():
            Path(folder, name.replace("/", ":")).write_text(text)
        words = [tool, "--shell=sh", "--format=json", f"--exclude={COMPOSED}", *options, *os.listdir(folder)]  # noqa: PTH208
        asked = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert not asked.stderr
    found = defaultdict(list)
    for one in json.loads(asked.stdout):
        found[one["file"].replace(":", "/")].append((f"SC{one['code']}", f"{one['line']}: {one['message']}"))
    return found


def shell_words(shell: str) -> list[str]:
    name, *options = shlex.split(shell)
    return [shutil.which(name) or missing(f"{name} is not installed"), *options]


def test_every_text_of_the_package_is_checked() -> None:
    assert len(NAMES) > 70
    assert {"prelude", "probe", "launch", "stop", "provision/common", "provision/alone/outer"} <= set(NAMES)


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_reads_every_text(shell: str, tmp_path: Path) -> None:
    texts = {**composed(), "broken": "if true; then\n"}
    wrong = []
    for name, text in texts.items():
        (tmp_path / "text").write_text(text)
        words = [*shell_words(shell), "-n", str(tmp_path / "text")]
        if subprocess.run(words, capture_output=True, check=False).stderr:
            wrong.append(name)
    assert wrong == ["broken"]


def test_shellcheck_finds_nothing_in_a_text_that_is_not_explained() -> None:
    found = {(name.rpartition("/")[2], rule) for name in NAMES for rule, _ in complaints()[name]}
    assert found - set(EXCEPTIONS) == set(), complaints()
    assert set(EXCEPTIONS) - found == set()


@pytest.mark.parametrize("name", ["conversation", "emitted", "emitted-start", "suspects"])
def test_shellcheck_finds_no_fault_in_what_is_put_together(name: str) -> None:
    rules = {rule for _, rule in EXCEPTIONS} | {"SC2209"}  # a kind of step has the name of a command: file
    assert [found for found in complaints("--severity=warning")[name] if found[0] not in rules] == []


RESOLVED = (
    ("folder", "folder"),
    ("link", "folder"),
    ("link/inner", "folder/inner"),
    ("through/file", "folder/inner/file"),
    ("through/..", "folder"),
    ("to-file", "folder/inner/file"),
    ("folder/dangling", "missing/file"),
    ("link/dangling", "missing/file"),
    ("missing/deep/file", "missing/deep/file"),
    ("folder/it's $HOME `x`", "folder/it's $HOME `x`"),
)


@pytest.mark.parametrize("shell", SHELLS)
def test_names_are_resolved_as_far_as_they_are_there(shell: str, tmp_path: Path) -> None:
    (tmp_path / "folder/inner").mkdir(parents=True)
    (tmp_path / "folder/inner/file").touch()
    for name, target in (
        ("link", "folder"),
        ("through", "link/inner"),
        ("to-file", "folder/inner/file"),
        ("folder/dangling", "../missing/file"),
        ("loop", "loop"),
    ):
        (tmp_path / name).symlink_to(target)
    names = [name for name, _ in RESOLVED]
    asking = "".join(f"remora_resolve {shlex.quote(name)}\n" for name in names)
    ends = "trap - 0\nremora_resolve loop && echo loop\nremora_resolve '' && echo nothing\nexit 0\n"
    (tmp_path / "text").write_text(opening_lines() + first_script("0" * 32, {}, (shipped("prelude"), asking, ends)))
    words = [*shell_words(shell), "text"]
    asked = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    assert asked.stderr == ""
    assert asked.stdout.splitlines() == [str(tmp_path / place) for _, place in RESOLVED]
