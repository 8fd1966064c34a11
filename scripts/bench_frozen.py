"""`scripts/bench frozen`: five busy hosts behind one hub, and one of them stops: are the other four as quick as before?

The 95th percentile of their latency with and without the frozen host, in turns, so that a busy machine slows both; what
counts is the median of the ratios. To show: at most 1.10.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.support.sshd.busy_hosts import BusyHosts, busy_hosts

ROUNDS: Final = 30
TARGET: Final = 1.10


async def measure(hosts: BusyHosts, rounds: int) -> list[tuple[float, float]]:
    """Seconds without and with a frozen host, for each round; which comes first alternates."""
    await hosts.tail()
    figures = []
    for number in range(rounds):
        before = await hosts.tail() if number % 2 else None
        async with hosts.one_frozen():
            during = await hosts.tail()
        figures.append((before if before is not None else await hosts.tail(), during))
    return figures


def main() -> int:
    """Measure and print; a median beyond the target is said by the exit status."""
    parser = argparse.ArgumentParser(prog="scripts/bench frozen", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="f") as folder, busy_hosts(Path(folder)) as hosts:
        figures = asyncio.run(measure(hosts, options.rounds))
    ratios = [during / before for before, during in figures]
    low, middle, high = statistics.quantiles(ratios, n=4)
    quiet, frozen = (statistics.median(column) * 1000 for column in zip(*figures, strict=True))
    print(f"95th percentile of four hosts, median of {options.rounds} rounds: {quiet:.2f} ms; ", end="")
    print(f"with the fifth one frozen {frozen:.2f} ms.")
    print(f"Ratio: {middle:.3f} (quartiles {low:.3f} to {high:.3f}); to reach: {TARGET:.2f}.")
    return 0 if middle <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
