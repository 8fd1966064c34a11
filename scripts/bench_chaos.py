"""`scripts/bench chaos`: a link is broken again and again, at random points and under load.

Real threads of a real app server run through it, and a stream in which every byte is counted. To show: nothing lost,
nothing doubled, every turn's true outcome, and afterwards one app server, one relay and no more than before.
"""

import argparse
import secrets
import statistics
import sys
from pathlib import Path
from typing import Final

import platformdirs
from tests.support.network.chaos import CODEX, Verdict, run_chaos

BREAKS: Final = 1000


def main() -> int:
    """Run, print, and say by the exit status whether everything held."""
    parser = argparse.ArgumentParser(prog="scripts/bench chaos", description=__doc__)
    parser.add_argument("--breaks", type=int, default=BREAKS)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32), help="repeats a run's points and faults")
    parser.add_argument("--workers", type=int, default=2, help="threads that run at once")
    options = parser.parse_args()
    print(f"seed {options.seed}", file=sys.stderr)
    base = Path(platformdirs.user_cache_dir("remora"))
    base.mkdir(parents=True, exist_ok=True)
    verdict = run_chaos(
        options.breaks,
        seed=options.seed,
        workers=options.workers,
        tell=lambda line: print(line, file=sys.stderr, flush=True),
        base=base,
    )
    print(_table(verdict))
    return 1 if verdict.faults else 0


def _table(verdict: Verdict) -> str:
    """What came of it, as a Markdown table."""
    recovery = sorted(verdict.recovery) or [0.0]
    kinds = ", ".join(f"{name} {count}" for name, count in sorted(verdict.breaks.items()))
    turns = ", ".join(f"{name} {count}" for name, count in sorted(verdict.turns.items()))
    rows = [
        ("breaks", f"{verdict.breaks.total()} ({kinds})"),
        ("connections lost and made again", str(verdict.connections_lost)),
        (
            "from the break until 100 kB had come back",
            f"median {statistics.median(recovery):.2f} s, 95 % {_quantile(recovery):.2f} s, most {recovery[-1]:.2f} s",
        ),
        ("bytes counted there and back", f"{verdict.echoed:,}"),
        ("turns by outcome", turns),
        ("items compared with the server's history", str(verdict.items)),
        ("open files of the hub", f"{verdict.descriptors[0]} at first, {verdict.descriptors[-1]} at the end"),
        (
            "memory of the hub",
            f"{verdict.memory[0] / 2**20:.1f} MiB at first, {verdict.memory[-1] / 2**20:.1f} MiB at the end",
        ),
        ("wrong", "; ".join(verdict.faults) or "nothing"),
    ]
    lines = [f"codex {CODEX}, seed {verdict.seed}, {verdict.seconds:.0f} s.", "", "| | |", "|---|---|"]
    return "\n".join(lines + [f"| {name} | {value} |" for name, value in rows])


def _quantile(ordered: list[float]) -> float:
    return ordered[int(len(ordered) * 0.95)]


if __name__ == "__main__":
    sys.exit(main())
