"""`scripts/bench first`: first connections to a host are broken at random points between login and the first answer.

To show: never more than one app server and one relay on the host, and afterwards the app server alone.
"""

import argparse
import secrets
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.support.network.first_connects import break_first_connects

ROUNDS: Final = 200


def main() -> int:
    """Run and print; what piles up or stays is said by the exit status."""
    parser = argparse.ArgumentParser(prog="scripts/bench first", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32), help="repeats a run's points and breaks")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="f") as folder:
        outcome = break_first_connects(options.rounds, seed=options.seed, folder=Path(folder))
    print(f"seed {options.seed}: {options.rounds} first connections")
    for what, count in sorted(outcome.done.items()):
        print(f"  {count:4} {what}")
    print(f"At most at once: app servers {outcome.servers}, relays {outcome.relays}, processes {outcome.processes}.")
    return 0 if outcome.servers == outcome.relays == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
