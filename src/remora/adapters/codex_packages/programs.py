"""Programs that fetch for us: started with nothing to ask anybody, watched, and ended with all their children."""

import asyncio
import os
import re
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from remora.core.text import decode
from remora.ports import Clock

_TAIL: Final = 4000
_BEAT: Final = 0.5
_SECRET: Final = re.compile(r"(?<=://)[^/\s@]+@")
_STALLED: Final = "It was ended: no data arrived for {:g} seconds."


_SIZE: Final = re.compile(rb"Downloading [^\n]* \(([0-9.]+) (bytes|kB|MB|GB)\)\n")
_UNITS: Final = {b"bytes": 1, b"kB": 1_000, b"MB": 1_000_000, b"GB": 1_000_000_000}
TellBytes = Callable[[int, int], None]
"""Hears how many bytes have come, and of how many; 0 where that is not known."""


class ProgramFailed(Exception):
    """A program ended with a failure, was not there, or stood still; the text is what it said."""


async def run_program(
    words: Sequence[str],
    *,
    folder: Path,
    clock: Clock,
    stall: float,
    environment: Mapping[str, str] | None = None,
    tell: TellBytes | None = None,
    reasons: re.Pattern[str] | None = None,
) -> str:
    """Run a program in `folder`, which is its place for temporary files too, and give its standard output.

    `tell` hears how many bytes lie in `folder`, and of how many, 0 where the program has not said so as pip says it
    (``Downloading NAME (144.4 MB)``); when neither that nor its output has grown for `stall` seconds the
    program is ended. Raises :class:`ProgramFailed` with what fits `reasons` in its output, and then what its standard
    error, or else its output, ends with. Passwords in addresses are left out of what it said.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=folder,
            env={**os.environ, "TMPDIR": str(folder), **(environment or {})},
            start_new_session=True,
        )
    except OSError as error:
        raise ProgramFailed(f"{words[0]} cannot be started: {error.strerror}") from None
    assert process.stdout is not None  # noqa: S101 - so it is for pipes
    assert process.stderr is not None  # noqa: S101
    output, errors = bytearray(), bytearray()
    reading = asyncio.gather(_collect(process.stdout, output), _collect(process.stderr, errors), process.wait())
    try:
        stalled = await _watch(reading, folder, (output, errors), clock=clock, stall=stall, tell=tell)
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        await reading
    if stalled or process.returncode:
        told = [] if reasons is None else dict.fromkeys(reasons.findall(decode(bytes(output))))
        ended = decode(bytes(errors[-_TAIL:] or output[-_TAIL:]))
        said = _SECRET.sub("", "\n".join([*told, ended])).strip()
        raise ProgramFailed(f"{said}\n{_STALLED.format(stall)}".strip() if stalled else said)
    return decode(bytes(output))


async def _watch(
    reading: "asyncio.Future[tuple[None, None, int]]",
    folder: Path,
    said: tuple[bytearray, bytearray],
    *,
    clock: Clock,
    stall: float,
    tell: TellBytes | None,
) -> bool:
    """Wait for the end; true when nothing moved for `stall` seconds instead."""
    moved, last = clock.monotonic(), (0, 0)
    while not reading.done():
        beat = asyncio.ensure_future(clock.sleep(_BEAT))
        try:
            await asyncio.wait((reading, beat), return_when=asyncio.FIRST_COMPLETED)
        finally:
            beat.cancel()
        held = await asyncio.to_thread(_bytes_below, folder)
        now = (held, sum(map(len, said)))
        if now != last:
            moved, last = clock.monotonic(), now
            if tell is not None:
                tell(held, _announced(said[0]))
        elif clock.monotonic() - moved >= stall:
            return True
    return False


def _announced(output: bytearray) -> int:
    """The size, in bytes, of what pip downloads by its own word, as exactly as it says it; 0 before."""
    found = _SIZE.search(output)
    return 0 if found is None else int(float(found[1]) * _UNITS[found[2]])


async def _collect(stream: asyncio.StreamReader, into: bytearray) -> None:
    while data := await stream.read(65536):
        into += data


def _bytes_below(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += Path(parent, name).lstat().st_size
    return total
