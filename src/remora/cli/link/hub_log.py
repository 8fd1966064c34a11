"""The hub's log, shown."""

import asyncio
import os
from collections import deque
from pathlib import Path
from typing import IO

from remora import api
from remora.cli.frame.options import Options
from remora.cli.frame.output import short_path, tell, write_document, write_listing
from remora.cli.process.early_end import EarlyEnd
from remora.core.errors import Code, ConfigProblem, ExitCode, RemoraError, TimeLimit
from remora.core.text import neutralise
from remora.wire.reports.links import HubLogReport

_LOOK = 0.3
"""Seconds between looks at a file that grows."""


def show_log(options: Options, *, lines: int) -> int:
    """Show the last lines."""
    path = api.hub_log()
    stream = _open(path)
    if stream is None and not options.json:
        tell(f"remora: the log does not exist yet; it will be {short_path(str(path))}")
    if stream is None:
        last = []
    else:
        with stream:
            last = _tail(stream, lines)
    _show(path, last, options)
    return ExitCode.DONE


async def follow_log(options: Options, ending: EarlyEnd, *, lines: int) -> int:
    """Show the last lines and what comes, also when another file takes the place of this one, until told to end."""
    told = asyncio.Event()

    def hear(reason: RemoraError | None) -> bool:
        told.set()
        return not isinstance(reason, TimeLimit)

    ending.listen(hear)
    ending.watch_readers()
    path = api.hub_log()
    stream = _open(path)
    try:
        _show(path, _tail(stream, lines) if stream is not None else [], options)
        while not told.is_set():
            await _pause(told)
            if stream is not None and (more := stream.read()):
                _show(path, more.splitlines(), options)
            if stream is None or not _is_there(path, stream):
                if stream is not None:
                    stream.close()
                stream = _open(path)
    finally:
        if stream is not None:
            stream.close()
    return ExitCode.INTERRUPTED


async def _pause(told: asyncio.Event) -> None:
    waiting = asyncio.ensure_future(told.wait())
    await asyncio.wait({waiting}, timeout=_LOOK)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


def _open(path: Path) -> IO[str] | None:
    try:
        return path.open(encoding="utf-8", errors="backslashreplace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigProblem(
            Code.CONFIG_UNREADABLE,
            f"The log {path} cannot be read: {error.strerror}.",
            next_step="Check the permissions of that file.",
        ) from None


def _tail(stream: IO[str], lines: int) -> list[str]:
    return [line.rstrip("\n") for line in deque(stream, maxlen=lines)]


def _is_there(path: Path, stream: IO[str]) -> bool:
    """Whether the path still leads to this file."""
    try:
        return os.path.samestat(path.stat(), os.fstat(stream.fileno()))
    except OSError:
        return False


def _show(path: Path, lines: list[str], options: Options) -> None:
    if options.json:
        write_document(HubLogReport(file=str(path), lines=lines))
    elif lines:
        write_listing([neutralise(line, limit=None) for line in lines])
