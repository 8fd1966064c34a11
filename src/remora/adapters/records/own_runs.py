"""Runs of this user on this machine: each has a word that others cannot make up, and counts as long as it lives."""

import fcntl
import hmac
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from platformdirs import user_state_path

from remora.core.errors import RemoraError

_HALF: Final = 16
"""Characters of the number, and of what proves it."""


class OwnRuns:
    """A run is a file with a kernel lock, which goes with the process however that ends."""

    def __init__(self, key: Callable[[], bytes], folder: Path | None = None) -> None:
        self._key = key
        self._folder = folder or user_state_path("remora", appauthor=False) / "runs"
        self._file: int | None = None

    def begin(self, number: str) -> str:
        """A word for the run of this process, from a random hexadecimal `number`; "" where no state can be kept."""
        number = number[:_HALF].ljust(_HALF, "0")
        try:
            proof = self._proof(number)
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._sweep()
            self._file = os.open(self._folder / number, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX)
        except (OSError, RemoraError):
            return ""
        return number + proof

    def end(self) -> None:
        """The run that was begun is over."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def is_over(self, word: str) -> bool:
        """Whether `word` is of a run here that has ended; false for whatever is not ours to know."""
        number, proof = word[:_HALF], word[_HALF:]
        try:
            return hmac.compare_digest(proof, self._proof(number)) and not _is_held(self._folder / number)
        except (OSError, RemoraError, TypeError, ValueError):
            return False

    def _proof(self, number: str) -> str:
        """Of this machine alone: a home, and with it the key, may be on several."""
        text = f"run {number} on {socket.gethostname()}"
        return hmac.digest(self._key(), text.encode(), "sha256").hex()[:_HALF]

    def _sweep(self) -> None:
        for path in self._folder.iterdir():
            with suppress(OSError):
                if not _is_held(path):
                    path.unlink()


def _is_held(path: Path) -> bool:
    try:
        file = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False
