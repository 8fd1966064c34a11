"""The program `remora`, run as a user runs it."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.base.until import LIMIT


def remora(
    *words: str,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    limit: float = LIMIT,
) -> subprocess.CompletedProcess[bytes]:
    """Run one command line to its end, in `folder`, without a terminal; `environment` comes on top of ours."""
    return subprocess.run(
        [sys.executable, "-m", "remora", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=limit,
        check=False,
        cwd=folder,
        env={**os.environ, **(environment or {})},
    )


def run_script(script: str, *words: str) -> subprocess.CompletedProcess[bytes]:
    """Run Python text that ends in calling `main`, with `words` as its command line."""
    return subprocess.run(
        [sys.executable, "-c", script, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=LIMIT,
        check=False,
    )
