"""`remora demo` as a user's process: it plays to the end, and however it ends, nothing is left.

The leak check of every test looks for processes and files that belong to this test's folders.
"""

import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.base.required import missing

_LIMIT = 60.0


@pytest.fixture
def cache() -> Iterator[Path]:
    """An empty cache folder with a short name, for the paths of sockets."""
    if importlib.util.find_spec("codex_cli_bin") is None:
        missing("the real app server is not installed (scripts/setup --demo)")
    with tempfile.TemporaryDirectory(prefix="c") as folder:
        yield Path(folder)


def _start(cache: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [str(Path(sys.executable).with_name("remora")), "demo"],
        env={**os.environ, "XDG_CACHE_HOME": str(cache), "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.codex
def test_it_plays_to_the_end_and_leaves_nothing(cache: Path) -> None:
    user_files = Path.home() / ".ssh"
    before = sorted((path, path.stat().st_mtime_ns) for path in user_files.rglob("*"))
    with _start(cache) as demo:
        shown, _ = demo.communicate(timeout=_LIMIT)
    assert demo.returncode == 0, shown
    assert "the demo's own script answers" in shown
    assert "changed   price.sh" in shown
    assert not list(cache.rglob("demo-*"))
    assert sorted((path, path.stat().st_mtime_ns) for path in user_files.rglob("*")) == before


@pytest.mark.codex
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_in_the_middle_leaves_nothing_either(cache: Path, number: signal.Signals) -> None:
    with _start(cache) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if line.startswith("thread "):
                break
        demo.send_signal(number)
        rest, _ = demo.communicate(timeout=_LIMIT)
    assert demo.returncode in {130, 0}, rest
    assert "Traceback" not in rest
    assert not list(cache.rglob("demo-*"))
