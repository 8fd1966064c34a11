"""How a hub that starts tells its starter how it went: the last line on standard error, and then its end."""

import os
import sys
from typing import Final

from remora.core.errors import Code, LaunchProblem, RemoraError
from remora.core.failure_lines import failure_lines
from remora.core.text import decode
from remora.wire.hub import control

READY: Final = "remora-hub: ready"
TAKEN: Final = "remora-hub: another hub runs"


def tell_starter(word: str, *, foreground: bool) -> None:
    """Say `word`. In the background standard error then leads nowhere: whoever started us may be gone."""
    sys.stderr.write(f"{word}\n")
    sys.stderr.flush()
    if not foreground:
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, 2)
        os.close(nowhere)


def tell_failure(error: RemoraError, *, foreground: bool) -> None:
    """Say why there will be no hub."""
    if foreground:
        sys.stderr.write("".join(f"{line}\n" for line in failure_lines(error)))
    else:
        tell_starter(control.encode(control.failed(error)).decode().rstrip("\n"), foreground=False)


def read_words(said: bytes) -> bool:
    """Whether the hub that said all this runs; false when another one does. Raises why neither is so."""
    lines = decode(said).strip().splitlines()
    last = lines[-1] if lines else ""
    if last in (READY, TAKEN):
        return last == READY
    try:
        message = control.read_from_hub(last.encode())
    except control.Unreadable:
        message = None
    if isinstance(message, control.RequestFailed):
        raise control.rebuild(message)
    raise LaunchProblem(
        Code.HUB_START_FAILED,
        "The hub did not start.",
        seen="\n".join(lines),
        next_step="See its output with: remora hub start --foreground",
    )
