"""A look at a machine's processes, with and without a system that shows their environment."""

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.base.required import missing
from tests.support.base.until import wait_until

from remora.core.thread.remains import Look, left_between, read_look
from remora.flows.server.shell import shipped

THREAD = str(uuid.uuid4())
"""Of this worker alone: the look is at the whole machine, where another worker runs the same test."""
OTHER = "01a22a49-8d7e-7983-8124-5d2df6e037d0"
SHELLS = pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])


@contextmanager
def sleeping(**environment: str) -> Iterator[int]:
    process = subprocess.Popen(
        ["sleep", "600"], env={**os.environ, **environment}, stdin=subprocess.DEVNULL, start_new_session=True
    )
    try:
        shown = Path(f"/proc/{process.pid}/environ")  # it comes a moment after the program has begun
        wait_until(lambda: not shown.parent.is_dir() or shown.read_bytes(), what="the environment of the process")
        yield process.pid
    finally:
        process.kill()
        process.wait()


def look(shell: str, text: str) -> Look:
    program = shutil.which(shell) or missing(f"{shell} is not installed")
    words = [program, "sh"] if shell == "busybox" else [program]
    done = subprocess.run([*words, "-c", text, "remora", THREAD], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    found = read_look(done.stdout)
    assert found is not None, done.stdout
    return found


@SHELLS
def test_what_carries_the_mark_of_the_thread_or_of_its_session_is_found_and_nothing_else(shell: str) -> None:
    with (
        sleeping(CODEX_THREAD_ID=THREAD) as marked,
        sleeping(CODEX_THREAD_ID=OTHER, CODEX_SESSION_ID=THREAD) as of_sub_agent,
        sleeping(CODEX_THREAD_ID=OTHER),
    ):
        found = look(shell, shipped("remains"))
        left = left_between(None, found)
    assert found.marked
    assert left is not None
    assert {(each.pid, each.command.strip()) for each in left} == {(marked, "sleep 600"), (of_sub_agent, "sleep 600")}


@SHELLS
def test_where_no_environment_is_shown_ps_tells_what_descends_from_the_server(shell: str) -> None:
    with sleeping() as child:
        found = look(shell, shipped("remains").replace("/proc/self/environ", "/nowhere"))
    assert not found.marked
    assert found.server == os.getpid()
    below = {process.pid: process.command for process in found.below_server()}
    assert below[child] == "sleep 600"
    assert found.own not in below


def test_a_machine_without_proc_and_ps_tells_nothing() -> None:
    text = shipped("remains").replace("/proc/self/environ", "/nowhere").replace("ps -A", "no-such-ps")
    done = subprocess.run(["/bin/sh", "-c", text, "remora", THREAD], capture_output=True, text=True, check=True)
    assert read_look(done.stdout) is None
