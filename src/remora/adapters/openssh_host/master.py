"""The system's ``ssh`` as remora's own control master: one login, and gone soon after we are, however we end."""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Final

from remora.adapters.openssh_host import failures, packets
from remora.adapters.openssh_host.guard import Guard
from remora.adapters.ssh.session_options import program_environment
from remora.adapters.ssh.ssh_failures import program_problem
from remora.core.host.hosts import Host
from remora.core.settings import Limits
from remora.core.text import decode

_SAID_KEPT: Final = 64 * 1024
_STOP_GRACE: Final = 1.0
_LAST_WORDS: Final = 0.5
_PERSIST: Final = 5
"""Seconds after which the master ends by itself when nobody has used it: when we were killed while it logged in."""

_OURS: Final = (
    "ControlMaster=yes",
    f"ControlPersist={_PERSIST}",
    "RemoteCommand=none",
    "PermitLocalCommand=no",
    "ClearAllForwardings=yes",
    "BatchMode=yes",
)
"""What we need of a master; nothing else of the user's is overridden."""

_FINGERPRINT: Final = re.compile(r"^debug1: Server host key: \S+ (\S+)", re.MULTILINE)
SERVER_VERSION: Final = re.compile(
    r"^debug1: Remote protocol version \S+, remote software version (.*?)\r?$", re.MULTILINE
)
CIPHER: Final = re.compile(r"^debug1: kex: client->server cipher: (\S+)", re.MULTILINE)
METHOD: Final = re.compile(r'^Authenticated to .* using "([^"]+)"', re.MULTILINE)
"""What it says about a connection while it logs in."""


class Master:
    """A master that we have started, and what it says on the pipe `errors`."""

    def __init__(self, errors: int) -> None:
        self._errors = errors
        self._said = bytearray()
        self._forgot = False
        self._silent = asyncio.Event()
        os.set_blocking(errors, False)
        asyncio.get_running_loop().add_reader(errors, self._listen)

    @property
    def said(self) -> str:
        """The end of what it has said until now: what it says last counts, and it ends right afterwards."""
        self._listen()
        return decode(bytes(self._said))

    def find(self, pattern: re.Pattern[str]) -> str:
        """The last match in what it said; empty when there is none."""
        return next(iter(pattern.findall(self.said)[-1:]), "")

    def host_key(self, *, direct: bool) -> str:
        """The host's key; empty where that is not certain.

        A banner can say anything, in the words of ``ssh``, too; but it comes after the key. On the way through others
        (not `direct`) there are keys and banners of theirs before, so only what nothing contradicts counts.
        """
        found = [] if self._forgot else _FINGERPRINT.findall(self.said)
        return found[0] if found and (direct or len(set(found)) == 1) else ""

    async def settle(self) -> None:
        """Wait a little for last words."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._silent.wait(), _LAST_WORDS)

    def close(self) -> None:
        """Nothing that it says matters any more."""
        self._listen()
        self._end()
        os.close(self._errors)

    def _listen(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while not self._silent.is_set():
                data = os.read(self._errors, _SAID_KEPT)
                self._said += data
                self._forgot = self._forgot or len(self._said) > _SAID_KEPT
                del self._said[:-_SAID_KEPT]
                if not data:
                    self._end()
                if len(data) < _SAID_KEPT:  # what comes later is read later, however much it is
                    return

    def _end(self) -> None:
        self._silent.set()
        asyncio.get_running_loop().remove_reader(self._errors)


@contextlib.asynccontextmanager
async def start_master(command: Sequence[str], host: Host, path: Path, limits: Limits) -> AsyncIterator[Master]:
    """Log in; inside the block the master listens at `path`. `command` is ``ssh`` with the options of our caller's.

    Raises the classified failure of the login. On leaving nothing of it is left.
    """
    read_end, write_end = os.pipe()
    master = Master(read_end)
    guard: Guard | None = None
    try:
        try:
            process = await _spawn((*command, *_arguments(host, path, limits)), write_end, host)
        finally:
            os.close(write_end)
        await _log_in(process, master, host, limits)
        with _starting(command[0], host):
            guard = await Guard.start(command[0], path)
        yield master
    finally:
        await _end_master(path)
        master.close()
        if guard is not None:
            await guard.end()


def _arguments(host: Host, path: Path, limits: Limits) -> list[str]:
    options = list(_OURS)
    if host.connect_timeout is None:
        options.append(f"ConnectTimeout={max(1, round(limits.connect))}")
    if host.keepalive_interval is None:
        options.append(f"ServerAliveInterval={max(1, round(limits.keepalive_interval))}")
        if host.keepalive_count is None:
            options.append(f"ServerAliveCountMax={limits.keepalive_count}")
    if host.forward_agent is not None:  # more than the configuration says, where an agent is lent for a purpose
        options.append(f"ForwardAgent={host.forward_agent}")
    # -v also keeps standard error open after the login; there it says why a connection has ended.
    return ["-v", "-N", "-T", "-S", str(path).replace("%", "%%"), *(f"-o{each}" for each in options), "--", host.alias]


async def _spawn(command: Sequence[str], errors: int, host: Host) -> asyncio.subprocess.Process:
    nothing = asyncio.subprocess.DEVNULL
    with _starting(command[0], host):
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=nothing,
            stdout=nothing,
            stderr=errors,
            start_new_session=True,
            env=program_environment(host),
        )


@contextlib.contextmanager
def _starting(program: str, host: Host) -> Iterator[None]:
    """What starts inside is reported as the program when it cannot be started."""
    try:
        yield
    except OSError as error:
        raise program_problem(program, error, host=host.alias) from None


async def _log_in(process: asyncio.subprocess.Process, master: Master, host: Host, limits: Limits) -> None:
    """Wait until ``ssh`` has logged in and gone to the background, which it tells by ending with 0."""
    try:
        async with asyncio.timeout(limits.login):
            status = await process.wait()
    except TimeoutError:
        raise failures.login_too_slow(host, limits.login, master.said) from None
    finally:
        if process.returncode is None:
            await _end_group(process)
    if status != 0:
        await master.settle()
        raise failures.login_failure(host, master.said)


async def _end_group(process: asyncio.subprocess.Process) -> None:
    for number, limit in ((signal.SIGTERM, _STOP_GRACE), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), limit)


async def _end_master(path: Path) -> None:
    """Ask the master to end, and insist while it still holds its end of the socket: then its pid is its own."""
    try:
        reader, writer = await asyncio.open_unix_connection(str(path))
    except OSError:
        _unlink(path)
        return
    pid = 0
    try:
        async with asyncio.timeout(_STOP_GRACE):
            writer.write(
                packets.mux_packet(packets.MUX_HELLO, packets.MUX_VERSION)
                + packets.mux_packet(packets.MUX_ALIVE_CHECK, 1)
                + packets.mux_packet(packets.MUX_TERMINATE, 2)
            )
            while size := int.from_bytes(await reader.readexactly(4), "big"):
                fields = packets.Reader(await reader.readexactly(size))
                if fields.number() == packets.MUX_ALIVE:
                    fields.number()
                    pid = fields.number()
    except TimeoutError:
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    except (OSError, EOFError, ValueError):
        pass  # it has ended
    finally:
        writer.transport.abort()
        _unlink(path)


def _unlink(path: Path) -> None:
    path.unlink(missing_ok=True)
