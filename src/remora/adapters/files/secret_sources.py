"""Secrets of this machine: from the environment, a file, or what a command prints."""

import asyncio
import contextlib
import os
import stat
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from remora.core.errors import Code, ConfigProblem
from remora.core.secrets import MASK, Secret
from remora.core.settings import Limits

_Source = tuple[str | None, str | None, tuple[str, ...]]
_OTHERS: Final = stat.S_IRGRP | stat.S_IROTH
_PIECE: Final = 65536
_SHORTEST_HIDDEN: Final = 6
"""Characters: to hide less would hide words of the language."""


class SecretSources:
    """A :class:`remora.ports.SecretReader` that reads each source once, whoever asks; for use in one loop.

    :attr:`exposed` names the files read so far that other users of this machine may read, too.
    """

    def __init__(self, limits: Limits, *, environment: Mapping[str, str] = os.environ) -> None:
        self._limits = limits
        self._environment = environment
        self._readings: dict[_Source, asyncio.Task[Secret]] = {}
        self._hidden: set[str] = set()
        self.exposed: set[str] = set()

    async def read(self, *, environment: str | None, file: str | None, command: Sequence[str] | None) -> Secret:
        """The one that is named; errors (``secret-missing``) say what was read and why it gave nothing, never what."""
        source = (environment, file, tuple(command or ()))
        if source not in self._readings:
            self._readings[source] = asyncio.create_task(self._reading(*source))
        return await asyncio.shield(self._readings[source])

    def hide(self, text: str) -> str:
        """`text` with a mask wherever it holds a secret that was read, or a line of one."""
        for value in sorted(self._hidden, key=len, reverse=True):
            text = text.replace(value, MASK)
        return text

    def _reading(
        self, environment: str | None, file: str | None, command: tuple[str, ...]
    ) -> Coroutine[Any, Any, Secret]:
        if environment is not None:
            return self._from_environment(environment)
        return self._from_file(file) if file is not None else self._from_command(command)

    async def _from_environment(self, name: str) -> Secret:
        what, advice = f"The environment variable {name}", f"Set it: export {name}=…"
        if name not in self._environment:
            raise _missing(f"{what} is not set.", advice)
        return self._secret(self._environment[name].encode("utf-8", "surrogateescape"), what, advice)

    async def _from_file(self, name: str) -> Secret:
        what, advice = f"The file {name}", "Write the secret into that file, readable only by your account (chmod 600)."
        try:
            mode, data = await asyncio.to_thread(self._load, name)
        except (OSError, ValueError, RuntimeError) as error:  # a name may have a null byte, or a home of nobody
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise _missing(f"{what} cannot be read: {reason}.", advice) from None
        if mode & _OTHERS:
            self.exposed.add(name)
        return self._secret(data, what, advice)

    def _load(self, name: str) -> tuple[int, bytes]:
        with Path(name).expanduser().open("rb") as file:
            return os.fstat(file.fileno()).st_mode, file.read(self._limits.secret + 1)

    async def _from_command(self, words: tuple[str, ...]) -> Secret:
        what, advice = (
            f"The command {words[0]}",
            "Run it by hand; it must print the secret to standard output and exit with 0.",
        )
        try:
            child = await asyncio.create_subprocess_exec(
                *words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,  # what it says there may hold the secret
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise _missing(
                f"{what} cannot be started: {error.strerror if isinstance(error, OSError) else error}.", advice
            ) from None
        try:
            async with asyncio.timeout(self._limits.secret_command):
                data = await self._output(child)
                status = await child.wait()
        except TimeoutError:
            raise _missing(f"{what} did not end within {self._limits.secret_command:g} seconds.", advice) from None
        finally:
            await _end(child)
        if status != 0 and len(data) <= self._limits.secret:
            raise _missing(f"{what} failed with exit status {status}.", advice)
        return self._secret(data, what, advice)

    async def _output(self, child: asyncio.subprocess.Process) -> bytes:
        data = b""
        while len(data) <= self._limits.secret and child.stdout and (piece := await child.stdout.read(_PIECE)):
            data += piece
        if len(data) > self._limits.secret:
            _kill(child)
        return data

    def _secret(self, data: bytes, what: str, advice: str) -> Secret:
        if len(data) > self._limits.secret:
            raise _missing(f"{what} gives more than {self._limits.secret} bytes, more than a secret may have.", advice)
        try:
            value = data.decode("utf-8").removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise _missing(f"{what} gives bytes that are not UTF-8 text.", advice) from None
        if not value.strip():
            raise _missing(f"{what} gives no data.", advice)
        if "\0" in value:
            raise _missing(f"{what} gives a NUL byte, which a secret must not contain.", advice)
        self._hidden.update(part for part in (value, *value.splitlines()) if len(part) >= _SHORTEST_HIDDEN)
        return Secret(value)


def _missing(message: str, advice: str) -> ConfigProblem:
    return ConfigProblem(Code.SECRET_MISSING, message, next_step=advice)


def _kill(child: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, 9)


async def _end(child: asyncio.subprocess.Process) -> None:
    # What it left in the background may hold its output open.
    if child.returncode is None or (child.stdout is not None and not child.stdout.at_eof()):
        _kill(child)
        await child.wait()
