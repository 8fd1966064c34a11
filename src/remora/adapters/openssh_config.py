"""Asks the system's ``ssh`` what a name means: ``ssh [-F FILE] -G -- ALIAS``."""

import asyncio
import os
import pwd
import re
import shlex
import signal
import tempfile
from collections.abc import Coroutine, Sequence
from typing import IO, Any, Final

from remora.core.errors import Code, ConfigProblem, TimeLimit
from remora.core.hosts import Host, is_safe_alias
from remora.core.settings import DEFAULT_LIMITS, Limits
from remora.core.ssh_answer import LocalAccount, parse_answer
from remora.core.text import decode
from remora.ports import ConfigReader

_OUTPUT_LIMIT: Final = 1024 * 1024
_GRACE: Final = 0.5
"""Seconds between asking the process group to end and ending it, and for its last members to vanish then."""
_LOOKS: Final = 100
_TERMINAL_NOTICE: Final = "Pseudo-terminal will not be allocated"
_PLACE: Final = re.compile(r"^(?P<file>\S.*?):? line (?P<line>\d+):? ", re.MULTILINE)


class OpenSshResolver:
    """See :class:`remora.ports.HostResolver`.

    `reader` is asked, after a time limit only, which ``Match exec`` lines may be the cause.
    """

    def __init__(
        self,
        ssh_config: str | None = None,
        *,
        reader: ConfigReader | None = None,
        limits: Limits = DEFAULT_LIMITS,
        program: str = "ssh",
    ) -> None:
        self._program = program
        self._options = [] if ssh_config is None else ["-F", ssh_config]
        self._reader = reader
        self._limits = limits
        self._free = asyncio.Semaphore(limits.resolve_parallel)

    async def resolve(self, alias: str) -> Host:
        """Resolve one name. Cancelling ends ``ssh`` and whatever it started before it returns."""
        if not (is_safe_alias(alias) or _is_address(alias)):
            raise ConfigProblem(
                Code.ALIAS_UNSAFE,
                f"{alias!r} is not usable as a host name.",
                next_step="List the aliases with: remora hosts",
                host=alias,
            )
        async with self._free:
            answer = await self._ask(alias)
        return parse_answer(alias, answer, _local_account())

    async def _ask(self, alias: str) -> str:
        with tempfile.TemporaryFile() as errors:
            process = await self._start_whole(alias, errors)
            try:
                async with asyncio.timeout(self._limits.resolve):
                    assert process.stdout is not None  # noqa: S101
                    output = await _read(process.stdout)
                    status = await process.wait()
            except TimeoutError:
                await _complete(_end_group(process))
                raise await self._too_late(alias) from None
            except BaseException:
                await _complete(_end_group(process))
                raise
            if status != 0:
                raise self._rejected(alias, _read_errors(errors))
        return decode(output)

    async def _start_whole(self, alias: str, errors: IO[bytes]) -> asyncio.subprocess.Process:
        """Start it; a cancel meanwhile would make asyncio end the leader alone, so it waits for the start."""
        starting = asyncio.create_task(self._start(alias, errors))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            await _complete(_end_started(starting))
            raise

    async def _start(self, alias: str, errors: IO[bytes]) -> asyncio.subprocess.Process:
        # Errors go to a file: what a `Match exec` leaves running may hold a pipe open for ever.
        try:
            return await asyncio.create_subprocess_exec(
                self._program,
                *self._options,
                "-G",
                "--",
                alias,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        except OSError as error:
            raise ConfigProblem(
                Code.SSH_MISSING,
                f"The program {self._program!r} cannot be run on this machine.",
                seen=str(error),
                next_step="Install the OpenSSH client, or put it on PATH.",
                host=alias,
            ) from None

    async def _too_late(self, alias: str) -> TimeLimit:
        suspects = await asyncio.to_thread(self._executing_lines)
        cause = f" Match lines that run a command: {', '.join(suspects)}." if suspects else ""
        return TimeLimit(
            Code.RESOLVE_TIMEOUT,
            f"OpenSSH did not say what {alias!r} means within {self._limits.resolve:g} seconds.{cause}",
            next_step=(
                f"See why the command at {suspects[0]} does not end."
                if suspects
                else f"See where this hangs: {self._command(alias)}"
            ),
            host=alias,
        )

    def _executing_lines(self) -> Sequence[str]:
        if self._reader is None:
            return ()
        try:
            listing = self._reader.read()
        except ConfigProblem:
            return ()
        return [f"{line.file}:{line.line}" for line in listing.match_lines if line.executes]

    def _rejected(self, alias: str, errors: str) -> ConfigProblem:
        place = _PLACE.search(errors)
        where = f"{place['file']}:{place['line']}" if place else None
        return ConfigProblem(
            Code.CONFIG_REJECTED,
            f"OpenSSH refuses the configuration at {where}." if where else "OpenSSH refused to resolve the name.",
            seen=errors,
            next_step=f"{f'Correct {where}' if where else 'Correct what it says'}, and try: {self._command(alias)}",
            host=alias,
        )

    def _command(self, alias: str) -> str:
        return shlex.join([self._program, *self._options, "-G", "--", alias])


async def _read(stream: asyncio.StreamReader) -> bytes:
    output = bytearray()
    while data := await stream.read(65536):
        if len(output) < _OUTPUT_LIMIT:
            output += data
    return bytes(output)


def _read_errors(errors: IO[bytes]) -> str:
    """What ssh said, without the notice that it writes whenever its input is no terminal."""
    errors.seek(0)
    lines = decode(errors.read(_OUTPUT_LIMIT)).splitlines()
    return "\n".join(line for line in lines if not line.startswith(_TERMINAL_NOTICE))


async def _complete(work: Coroutine[Any, Any, None]) -> None:
    """Do `work` to its end, however often the caller is cancelled; the caller raises what it was raising."""
    task = asyncio.create_task(work)
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            continue


async def _end_started(starting: asyncio.Task[asyncio.subprocess.Process]) -> None:
    try:
        process = await starting
    except ConfigProblem:
        return
    await _end_group(process)


async def _end_group(process: asyncio.subprocess.Process) -> None:
    """End ssh and the commands it started: ask, wait a moment, insist."""
    if process.returncode is not None:
        return
    _signal_group(process.pid, signal.SIGTERM)
    try:
        async with asyncio.timeout(_GRACE):
            await process.wait()
    except TimeoutError:
        pass
    # The group, not only its leader: a command of `Match exec` may have outlived ssh.
    _signal_group(process.pid, signal.SIGKILL)
    await process.wait()
    for _ in range(_LOOKS):
        if not _signal_group(process.pid, 0):
            return
        await asyncio.sleep(_GRACE / _LOOKS)


def _signal_group(leader: int, number: int) -> bool:
    """Whether the group had members left to signal; 0 only asks."""
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        return False
    return True


def _is_address(name: str) -> bool:
    from ipaddress import ip_address

    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _local_account() -> LocalAccount:
    entry = pwd.getpwuid(os.getuid())
    return LocalAccount(
        home=entry.pw_dir,
        user=entry.pw_name,
        uid=entry.pw_uid,
        hostname=os.uname().nodename,
        environment=os.environ,
    )
