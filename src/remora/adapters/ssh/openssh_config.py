"""Asks the system's ``ssh`` what a name means: ``ssh [-F FILE] [-l USER] [-p PORT] -G -- ALIAS``."""

import asyncio
import os
import re
import shlex
import signal
import tempfile
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import IO, Any, Final

from remora.adapters.machine.own_account import own_account
from remora.adapters.ssh.ssh_failures import program_problem
from remora.core.errors import Code, ConfigProblem, RemoraError, TimeLimit
from remora.core.host.aliases import Listing
from remora.core.host.hosts import AGENT_VARIABLE, Host, is_safe_alias
from remora.core.host.ssh_answer import LocalAccount, parse_answer, read_options, unset_variable
from remora.core.host.ssh_options import unknown_options
from remora.core.settings import DEFAULT_LIMITS, Limits
from remora.core.text import decode
from remora.ports import ConfigReader

_OUTPUT_LIMIT: Final = 1024 * 1024
_GRACE: Final = 0.5
"""Seconds between asking the process group to end and ending it, and for its last members to vanish then."""
_LOOKS: Final = 100
_TERMINAL_NOTICE: Final = "Pseudo-terminal will not be allocated"
_NO_SESSION: Final = "-N"
"""Asks for no session, so that ForkAfterAuthentication wants no command; ``Match`` lines may see the difference."""
_WANTS_COMMAND: Final = "Cannot fork into background without a command"
_REFUSED: Final = re.compile(r"RefuseConnection: (?P<reason>.*)")
_UNSET: Final = re.compile(r"env var \$\{(\w+)\} has no value")
_UNKNOWN: Final = re.compile(r"Bad configuration option: (\w+)")
_SECRET: Final = re.compile(r"(?<=keyword \")[^\"\n]{31,}|(?<=option: )\S{31,}")
"""A word in the place of an option that is none: perhaps a line of a private key."""
_SPELT: Final = {"usekeychain": "UseKeychain"}
_PLACE: Final = re.compile(r"^(?P<file>\S.*?):? line (?P<line>\d+):? ", re.MULTILINE)


class OpenSshResolver:
    """See :class:`remora.ports.HostResolver`.

    `reader` is asked, after a time limit only, which ``Match exec`` lines may be the cause. `agent` gives the socket of
    the SSH agent to use; without it that of this process is used.
    """

    def __init__(
        self,
        ssh_config: str | None = None,
        *,
        reader: ConfigReader | None = None,
        limits: Limits = DEFAULT_LIMITS,
        program: str = "ssh",
        agent: Callable[[], str | None] | None = None,
    ) -> None:
        self._agent = agent
        self._program = program
        self._options = [] if ssh_config is None else ["-F", ssh_config]
        self._reader = reader
        self._limits = limits
        self._free = asyncio.Semaphore(limits.resolve_parallel)
        self._defaults: dict[str, tuple[str, ...]] | None = None

    async def resolve(self, alias: str, *, user: str | None = None, port: int | None = None) -> Host:
        """Resolve one name. Cancelling ends ``ssh`` and whatever it started before it returns."""
        if not is_safe_alias(alias):
            raise ConfigProblem(
                Code.ALIAS_UNSAFE,
                f"{alias!r} cannot be used as a host name.",
                next_step="List the aliases with: remora hosts",
                host=alias,
            )
        account = _local_account(self._environment())
        options = [
            *self._options,
            *(() if user is None else ("-l", user)),
            *(() if port is None else ("-p", str(port))),
        ]
        async with self._free:
            host = parse_answer(alias, await self._ask(alias, options), account)
            if (name := unset_variable(host, account.environment)) is not None:
                raise self._rejected(alias, f"env var ${{{name}}} has no value")
            if unknown_options(host):
                host = replace(host, options=await self._without_defaults(host))
        return replace(host, typed=tuple(options))

    async def _without_defaults(self, host: Host) -> dict[str, Sequence[str]]:
        """Without the options that nobody here knows and nobody has set: a newer OpenSSH prints them for every host."""
        if self._defaults is None:
            try:
                self._defaults = read_options(await self._ask(host.alias, ["-F", "none"]))
            except RemoraError:
                return dict(host.options)
        strange = unknown_options(host)
        defaults = self._defaults
        return {
            keyword: values
            for keyword, values in host.options.items()
            if keyword not in strange or defaults.get(keyword) != values
        }

    async def _ask(self, alias: str, options: Sequence[str]) -> str:
        with tempfile.TemporaryFile() as errors:
            process = await self._start_whole(alias, options, errors)
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
            said = _read_errors(errors)
        if status == 0:
            return decode(output)
        if _WANTS_COMMAND in said and _NO_SESSION not in options:
            return await self._ask(alias, [*options, _NO_SESSION])
        raise self._rejected(alias, said)

    async def _start_whole(self, alias: str, options: Sequence[str], errors: IO[bytes]) -> asyncio.subprocess.Process:
        """Start it; a cancel meanwhile would make asyncio end the leader alone, so it waits for the start."""
        starting = asyncio.create_task(self._start(alias, options, errors))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            await _complete(_end_started(starting))
            raise

    async def _start(self, alias: str, options: Sequence[str], errors: IO[bytes]) -> asyncio.subprocess.Process:
        # Errors go to a file: what a `Match exec` leaves running may hold a pipe open for ever.
        try:
            return await asyncio.create_subprocess_exec(
                self._program,
                *options,
                "-G",
                "--",
                alias,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
                env=self._environment(),
            )
        except OSError as error:
            raise program_problem(self._program, error, host=alias) from None

    def _environment(self) -> Mapping[str, str]:
        if self._agent is None:
            return os.environ
        others = {name: value for name, value in os.environ.items() if name != AGENT_VARIABLE}
        agent = self._agent()
        return others if agent is None else {**others, AGENT_VARIABLE: agent}

    async def _too_late(self, alias: str) -> TimeLimit:
        suspects = await asyncio.to_thread(self._executing_lines)
        cause = f" Match lines that run a command: {', '.join(suspects)}." if suspects else ""
        return TimeLimit(
            Code.RESOLVE_TIMEOUT,
            f"OpenSSH did not resolve {alias!r} within {self._limits.resolve:g} seconds.{cause}",
            next_step=(
                f"Find out why the command at {suspects[0]} does not end."
                if suspects
                else f"Find where this command hangs: {self._command(alias)}"
            ),
            host=alias,
        )

    def _executing_lines(self) -> Sequence[str]:
        listing = self._listing()
        lines = () if listing is None else listing.match_lines
        return [f"{line.file}:{line.line}" for line in lines if line.executes]

    def _listing(self) -> Listing | None:
        try:
            return None if self._reader is None else self._reader.read()
        except ConfigProblem:
            return None

    def _rejected(self, alias: str, errors: str) -> ConfigProblem:
        place = _PLACE.search(errors)
        where = f"{place['file']}:{place['line']}" if place else self._variable_place(errors)
        refused = _REFUSED.search(errors)
        if refused:
            return ConfigProblem(
                Code.CONFIG_REJECTED,
                f"The SSH configuration refuses connections to {alias}: {refused['reason']}",
                next_step=f"Check RefuseConnection at {where}."
                if where
                else "Check RefuseConnection in the SSH config.",
                host=alias,
            )
        correction = f"Correct {where}" if where else "Correct the error shown above"
        unknown = tuple(dict.fromkeys(_UNKNOWN.findall(errors)))
        if unknown:
            ignored = ",".join(_SPELT.get(option, option) for option in unknown)
            correction += f" (if another ssh needs it, write before it: IgnoreUnknown {ignored})"
        return ConfigProblem(
            Code.CONFIG_REJECTED,
            f"OpenSSH rejects the configuration at {where}." if where else "OpenSSH refused to resolve the name.",
            seen=errors,
            next_step=f"{correction}, then run: {self._command(alias)}",
            host=alias,
        )

    def _variable_place(self, errors: str) -> str | None:
        """Where the configuration mentions the variable that has no value; OpenSSH does not say."""
        unset = _UNSET.search(errors)
        listing = self._listing() if unset else None
        if unset is None or listing is None:
            return None
        return next((f"{use.file}:{use.line}" for use in listing.variables if unset[1] in use.names), None)

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
    return _SECRET.sub("(not shown)", "\n".join(line for line in lines if not line.startswith(_TERMINAL_NOTICE)))


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


def _local_account(environment: Mapping[str, str]) -> LocalAccount:
    entry = own_account()
    return LocalAccount(
        home=entry.pw_dir,
        user=entry.pw_name,
        uid=entry.pw_uid,
        hostname=os.uname().nodename,
        environment=environment,
    )
