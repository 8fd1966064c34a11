"""Signals at the moments in which a program usually has none to hear them."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.base.program import run_script
from tests.support.base.until import LIMIT

BEFORE_ANYTHING_IS_LOADED = """
import os, signal, sys
from remora.cli import start
assert "typer" not in sys.modules and "remora.core.errors" not in sys.modules
os.kill(os.getpid(), signal.SIGINT)
start.program()
"""
AS_THE_FIRST_MODULE_LOADS = """
import os, sys
class Strikes:
    def find_spec(self, name, path=None, target=None):
        if not name.startswith("remora"):
            os.kill(os.getpid(), 2)
sys.meta_path.insert(0, Strikes())
from remora.cli import start
"""
WHILE_A_MODULE_LOADS = """
import os, signal, sys
class Strikes:
    def find_spec(self, name, path=None, target=None):
        if name == "remora.cli.app":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Strikes())
from remora.cli import start
start.program()
"""
WHEN_ALL_IS_DONE = """
import atexit, os, signal, sys
class Strikes:
    def __del__(self, kill=os.kill, pid=os.getpid(), number=signal.SIGINT):
        kill(pid, number)
at_the_end_of_python = Strikes()
atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))
from remora.cli import start
if "--json" in sys.argv:
    os.kill(os.getpid(), signal.SIGINT)
start.program()
"""
NOTHING_STOPS_IT = """
import os, sys
from remora.cli.process.signals import SIGNALS
SIGNALS.hear()
read, write = os.pipe()
with SIGNALS.interruptible():
    while True:
        try:
            print("blocked", flush=True)
            os.read(read, 1)
        except KeyboardInterrupt:
            pass
"""
IT_HEARS_NOTHING = """
import ctypes
from remora.cli.frame.options import Options
from remora.cli.frame.timed_run import run_async
from remora.cli.process.signals import SIGNALS
SIGNALS.hear()
async def work():
    while True:
        print("blocked", flush=True)
        ctypes.CDLL(None).usleep(100_000)
run_async(work(), Options())
"""
WHERE_STREAMS_LEAD = """
import os, sys
from remora.cli import start
seen = sys.argv.pop()
sys.argv.append("--version")
start.main()
with open(seen, "w") as file:
    print(*(os.readlink(f"/proc/self/fd/{number}") for number in range(3)), sep="\\n", file=file)
"""


@pytest.mark.parametrize("script", [BEFORE_ANYTHING_IS_LOADED, WHILE_A_MODULE_LOADS], ids=["before", "while loading"])
def test_ctrl_c_before_the_program_is_loaded_is_told_as_any_other(script: str) -> None:
    done = run_script(script, "hosts", "--json")
    assert done.returncode == 130
    assert json.loads(done.stdout)["error"]["code"] == "interrupted"
    assert done.stderr == b""


def test_ctrl_c_as_the_first_module_loads_ends_the_program_without_a_traceback() -> None:
    done = run_script(AS_THE_FIRST_MODULE_LOADS, "hosts")
    assert (done.returncode, done.stderr) == (130, b"")


def test_ctrl_c_when_all_is_done_changes_nothing() -> None:
    done = run_script(WHEN_ALL_IS_DONE, "--version")
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_second_ctrl_c_while_the_program_ends_changes_nothing() -> None:
    done = run_script(WHEN_ALL_IS_DONE, "hosts", "--json")
    assert (done.returncode, done.stderr) == (130, b"")
    assert json.loads(done.stdout)["error"]["code"] == "interrupted"


@pytest.mark.parametrize("script", [NOTHING_STOPS_IT, IT_HEARS_NOTHING], ids=["swallowed", "in C"])
def test_a_second_ctrl_c_ends_a_program_that_does_not_end(script: str) -> None:
    words = [sys.executable, "-c", script]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=os.environ) as program:
        assert program.stdout is not None
        for _ in range(2):
            assert program.stdout.readline() == b"blocked\n"
            program.send_signal(signal.SIGINT)
        assert program.wait(LIMIT) == 130


@pytest.mark.parametrize("closed", [(1,), (2,), (0, 1, 2)], ids=str)
def test_no_file_of_a_program_without_standard_streams_gets_their_numbers(
    closed: tuple[int, ...], tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    streams = " ".join(f"{number}>&-" for number in closed)
    words = ["/bin/sh", "-c", f'exec "$0" -c "$1" "$2" {streams}', sys.executable, WHERE_STREAMS_LEAD, str(seen)]
    assert subprocess.run(words, stdin=subprocess.DEVNULL, timeout=LIMIT, check=False).returncode == 0
    kinds = seen.read_text().splitlines()
    assert [kinds[number] for number in closed] == [os.devnull] * len(closed)
