"""Connections that the system's ``ssh`` holds: the user's running control master, or one of ours."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from remora.adapters.machine.local_sockets import is_same_user
from remora.adapters.machine.runtime_folder import runtime_folder
from remora.adapters.openssh_host import failures
from remora.adapters.openssh_host.connection import MuxConnection
from remora.adapters.openssh_host.host import OpensshHost
from remora.adapters.openssh_host.master import CIPHER, METHOD, SERVER_VERSION, start_master
from remora.adapters.ssh.known_hosts_files import require_readable
from remora.core.host.hosts import Host, Route
from remora.core.settings import DEFAULT_LIMITS, Limits
from remora.ports import ConnectionFacts, Dialogue, RemoteHost, ShellMemory


class OpensshDialler:
    """A :class:`remora.ports.Dialler` over the system's ``ssh``: our process opens no network socket.

    `folder` gives the private folder for the control socket. ``ssh`` reads the configuration again, so jumps and
    ProxyCommand are its own business; nobody can be asked (BatchMode).
    """

    def __init__(
        self,
        folder: Callable[[], Path],
        *,
        ssh_config: str | None = None,
        limits: Limits = DEFAULT_LIMITS,
        program: str = "ssh",
        shells: ShellMemory | None = None,
    ) -> None:
        self._shells = shells
        self._command = [program, *([] if ssh_config is None else ["-F", ssh_config])]
        self._folder = folder
        self._limits = limits

    @contextlib.asynccontextmanager
    async def dial(self, route: Route, dialogue: Dialogue) -> AsyncIterator[RemoteHost]:
        """See :class:`remora.ports.Dialler`."""
        host = route.target
        for each in (*route.jumps, host):
            await asyncio.to_thread(require_readable, each)
        path = self._folder() / f"ssh-{secrets.token_hex(4)}"
        async with start_master(self._command, host, path, self._limits) as master:
            connection = MuxConnection(lambda: failures.connection_ended(host, master.said))
            if not await _join(connection, path):
                await master.settle()
                raise failures.login_failure(host, master.said)
            facts = ConnectionFacts(
                user=host.user,
                hostname=host.hostname,
                port=host.port,
                host_key_fingerprint=master.host_key(direct=not (route.jumps or host.proxy_command)),
                server_version=master.find(SERVER_VERSION),
                cipher=master.find(CIPHER),
                authentication=master.find(METHOD),
                notices=route.notices,
                shells=self._shells,
            )
            try:
                yield OpensshHost(host, connection, facts, self._limits, control=path, folder=self._folder)
            finally:
                connection.leave()


class UserMaster:
    """The user's own control master, which is asked for channels and for nothing else."""

    def __init__(
        self, host: Host, path: Path, limits: Limits = DEFAULT_LIMITS, *, shells: ShellMemory | None = None
    ) -> None:
        self._shells = shells
        self._host = host
        self._path = path
        self._limits = limits
        self._said = ""
        self._connection = MuxConnection(lambda: failures.connection_ended(host, self._said))
        self.mute = False
        """Whether it stopped answering while it was used: its own connection may be dead without its noticing."""

    async def join(self) -> bool:
        """Whether it lives and lets us in."""
        return await _join(self._connection, self._path, limit=self._limits.handshake)

    @contextlib.asynccontextmanager
    async def use(self, route: Route) -> AsyncIterator[RemoteHost]:
        """The connection that it holds. Its ``ssh`` may watch it less closely than we promise, so we do."""
        host = self._host
        facts = ConnectionFacts(
            user=host.user,
            hostname=host.hostname,
            port=host.port,
            host_key_fingerprint="",
            server_version="",
            cipher="",
            authentication="control master",
            notices=route.notices,
            shells=self._shells,
        )
        watching = asyncio.create_task(self._watch())
        try:
            yield OpensshHost(host, self._connection, facts, self._limits, control=self._path, folder=runtime_folder)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            self._connection.leave()

    async def _watch(self) -> None:
        """Break off when the host leaves as many keepalives unanswered as one may."""
        loop = asyncio.get_running_loop()
        interval = self._host.keepalive_interval or self._limits.keepalive_interval
        unanswered = 0
        while not self._connection.lost:
            asked = loop.time()
            await asyncio.sleep(interval)
            channel = self._connection.standing_channel()
            if self._connection.heard >= asked or channel is None:
                unanswered = 0
                continue
            unanswered += 1
            if unanswered > (self._host.keepalive_count or self._limits.keepalive_count):
                self.mute = True
                self._said = "The control master's host does not answer."
                self._connection.break_off()
                return
            channel.request("keepalive@openssh.com", answer=lambda agreed: None)


async def _join(connection: MuxConnection, path: Path, *, limit: float = 10.0) -> bool:
    try:
        async with asyncio.timeout(limit):
            transport, _ = await asyncio.get_running_loop().create_unix_connection(lambda: connection, str(path))
            if is_same_user(transport.get_extra_info("socket")):
                await connection.ready()
                return True
            connection.leave()
    except TimeoutError:
        connection.leave()
    except OSError:
        pass
    return False
