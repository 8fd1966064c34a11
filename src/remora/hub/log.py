"""The hub's log: a file that is kept small, without secrets, safe to look at on a terminal."""

import asyncio
import logging
import logging.handlers
import sys
from pathlib import Path
from typing import Any, Final

from remora.core.text import neutralise

_SIZE: Final = 1024 * 1024
_OLDER_FILES: Final = 3
_LINE_LIMIT: Final = 20_000


class _Safe(logging.Formatter):
    """One record; whatever came from elsewhere has its control characters made visible, and begins no line."""

    def format(self, record: logging.LogRecord) -> str:
        return neutralise(super().format(record), limit=_LINE_LIMIT).replace("\n", "\n    ")


def start_log(file: Path, *, foreground: bool) -> None:
    """Write what ``remora.hub`` says to `file`, and in the foreground to standard error, too.

    A folder that cannot be written to costs the log, not the hub.
    """
    logger = logging.getLogger("remora.hub")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)] if foreground else []
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handlers.append(
            logging.handlers.RotatingFileHandler(
                file, maxBytes=_SIZE, backupCount=_OLDER_FILES, encoding="utf-8", errors="backslashreplace"
            )
        )
    except OSError as error:
        if foreground:
            sys.stderr.write(f"remora: no log: {error}\n")
    for handler in handlers:
        handler.setFormatter(_Safe("%(asctime)s %(levelname)-7s %(message)s"))
        logger.addHandler(handler)
    logging.raiseExceptions = False  # a full disk is no reason to fail


def log_faults(loop: asyncio.AbstractEventLoop) -> None:
    """Faults that nobody waits for go to the log."""

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        logging.getLogger("remora.hub").error("%s", context.get("message"), exc_info=context.get("exception"))

    loop.set_exception_handler(handle)
