"""`scripts/bench fuzz`: the short way through asyncssh beside asyncssh itself, over random traffic, for an hour.

Each case is made of a number alone, its keys as well, so one that differs can be played again with the same sources:
`--first NUMBER --cases 1`.
"""

import argparse
import sys
import time

from tests.support.short_way.cases import make_case
from tests.support.short_way.compare import difference

_AGAIN = 30.0
"""Seconds between two lines that say how far it is."""


def main() -> int:
    """Play cases until the time is over; by the exit status, whether all were the same on both ways."""
    parser = argparse.ArgumentParser(prog="scripts/bench fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="how long")
    parser.add_argument("--cases", type=int, help="so many cases, however long they take")
    parser.add_argument("--first", type=int, default=int(time.time()) * 1000, help="the number of the first case")
    options = parser.parse_args()
    began = told = time.monotonic()
    number, differing = options.first, 0
    while number - options.first < options.cases if options.cases else time.monotonic() - began < options.minutes * 60:
        found = difference(make_case(number))
        if found is not None:
            differing += 1
            print(f"case {number} differs: {found}", flush=True)
        number += 1
        if time.monotonic() - told > _AGAIN:
            told = time.monotonic()
            print(f"{number - options.first} cases, {differing} differ", file=sys.stderr, flush=True)
    minutes = (time.monotonic() - began) / 60
    print(f"{number - options.first} cases from {options.first} in {minutes:.1f} minutes: {differing} differ")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
