"""`scripts/bench volume`: gigabytes through one connection at a link's door, both ways, to a reader far behind.

Every byte is checked, and so is the end. To show: memory of the hub and of the relay does not grow with the volume.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.support.base.loop import run
from tests.support.codex.fake_codex import Fault, install
from tests.support.link.chain import chain
from tests.support.network.volume import move_volume

GIGABYTES: Final = 4.0
BEHIND: Final = 500_000_000
_LIMIT: Final = 3600.0


def main() -> int:
    """Move it and print what it took; a byte that is wrong raises."""
    parser = argparse.ArgumentParser(prog="scripts/bench volume", description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=GIGABYTES)
    options = parser.parse_args()
    total = int(options.gigabytes * 1e9)
    with tempfile.TemporaryDirectory() as folder:
        codex = install(Path(folder) / "programs/codex", Fault.PLAIN_BYTES)
        with chain(codex, direct=True) as way:
            way.connect()
            cost = run(move_volume(way, total, behind=BEHIND), limit=_LIMIT)
    print(f"{total:,} bytes there and back in {cost.seconds:.0f} s; the reader {BEHIND:,} bytes behind.")
    print(f"At most in memory: hub {cost.hub / 2**20:.0f} MiB, relay {cost.relay / 2**20:.0f} MiB.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
