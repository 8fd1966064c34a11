"""`scripts/bench hosts`: what listing a large SSH config costs, as a whole process.

The configuration has 1,000 aliases in 20 included files. The budget is 2.5 times ``python -c pass`` and
100 ms on top; both are measured in turns, so that a busy machine slows them alike.
"""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

FILES: Final = 20
ALIASES: Final = 1_000
RUNS: Final = 15
RATIO: Final = 2.5
ALLOWANCE: Final = 0.100


def write_config(folder: Path, *, files: int = FILES, aliases: int = ALIASES) -> Path:
    """Write a configuration of ordinary blocks and give the file to name with ``--ssh-config``."""
    included = folder / "config.d"
    included.mkdir()
    share = aliases // files
    for number in range(files):
        blocks = [_block(number * share + index) for index in range(share)]
        (included / f"{number:03}.conf").write_text("".join(blocks), encoding="utf-8")
    main = folder / "config"
    main.write_text(f"Include {included}/*.conf\n\nHost *\n  ServerAliveInterval 30\n", encoding="utf-8")
    return main


def main() -> int:
    """Measure, print the medians, and say by the exit status whether the budget is kept."""
    program = shutil.which("remora", path=str(Path(sys.executable).parent))
    if program is None:
        print("bench hosts: remora is not installed beside this Python; run scripts/setup first", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        config = write_config(Path(folder))
        listing = [program, "hosts", "--json", "--ssh-config", str(config)]
        found = len(json.loads(subprocess.check_output(listing))["hosts"])
        if found != ALIASES:
            print(f"bench hosts: {found} aliases listed instead of {ALIASES}", file=sys.stderr)
            return 1
        bare, listed = _measure([sys.executable, "-c", "pass"], listing)
    budget = RATIO * bare + ALLOWANCE
    kept = listed <= budget
    print(f"remora hosts --json, {ALIASES} aliases in {FILES} files, median of {RUNS} runs")
    print(f"  python -c pass   {bare * 1000:7.1f} ms")
    print(f"  remora hosts     {listed * 1000:7.1f} ms   {listed / bare:.2f} x")
    print(f"  budget           {budget * 1000:7.1f} ms   {'kept' if kept else 'BROKEN'}")
    return 0 if kept else 1


def _block(number: int) -> str:
    return f"Host box-{number:04}\n  HostName 10.0.{number // 250}.{number % 250}\n  User dev\n  Port 2222\n\n"


def _measure(*commands: list[str]) -> list[float]:
    """Median seconds of each command; the commands take turns. The first turn only warms up."""
    times: list[list[float]] = [[] for _ in commands]
    for _ in range(RUNS + 1):
        for command, taken in zip(commands, times, strict=True):
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            taken.append(time.perf_counter() - start)
    return [statistics.median(taken[1:]) for taken in times]


if __name__ == "__main__":
    sys.exit(main())
