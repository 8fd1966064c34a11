"""The container engine that ``scripts/containers`` makes ready, asked through its ordinary client."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.base.required import missing
from tests.support.base.until import LIMIT

ROOT: Final = Path(__file__).parents[3]
SCRIPT: Final = ROOT / "scripts" / "containers"


@dataclass(frozen=True, slots=True)
class Engine:
    """Where the engine listens, as ``DOCKER_HOST`` has it."""

    address: str

    def command(self, *words: str) -> list[str]:
        """The client's command line for `words`."""
        return ["docker", "--host", self.address, *words]

    def call(self, *words: str, stdin: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the client to its end; with `check`, an assertion fails when it does not succeed."""
        done = subprocess.run(
            self.command(*words), input=stdin, capture_output=True, text=True, timeout=LIMIT, check=False
        )
        assert not check or done.returncode == 0, f"docker {' '.join(words)}: {done.stderr or done.stdout}"
        return done

    def call_all(self, commands: Sequence[Sequence[str]]) -> list[str]:
        """Run several at once; what each printed, in their order. All must succeed."""
        running = [
            subprocess.Popen(
                self.command(*words),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for words in commands
        ]
        said = [process.communicate(timeout=LIMIT)[0] for process in running]
        for process, text in zip(running, said, strict=True):
            assert process.returncode == 0, f"{process.args!r}: {text}"
        return said


def engine() -> Engine:
    """The engine that runs; without one the test is skipped, or fails where all is required."""
    done = subprocess.run([SCRIPT, "address"], capture_output=True, text=True, timeout=LIMIT, check=False)
    if done.returncode:
        missing(done.stderr.strip())
    return Engine(done.stdout.strip())
