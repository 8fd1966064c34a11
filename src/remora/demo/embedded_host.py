"""An SSH host inside this process: a server on loopback with fresh keys, the real login shell, a scratch home.

What is started on it runs as the user of this process, like on a real host, and may detach itself; when
the host stops, everything that was started under it is ended and its folder removed. The user's own
``~/.ssh``, agent and home stay untouched.
"""

import asyncio
import os
import pwd
import secrets
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import asyncssh
import platformdirs

from remora.demo.search_path import write_search_path
from remora.demo.tagged_processes import end_tagged

ALIAS: Final = "demo"
_SYSTEM_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TAG: Final = "REMORA_EMBEDDED_HOST"
_LONGEST_HOME: Final = 53
"""Bytes; a longer home leaves too little of a socket path (about 104) for codex's own folders."""
_NO_ENVIRONMENT: Final[Mapping[str, str]] = MappingProxyType({})
_BLOCK: Final = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedHost:
    """A running embedded host: how to reach it, and what happened on it so far."""

    ssh_config: Path
    """A configuration file that knows the alias ``demo`` and nothing else."""
    known_hosts: Path
    identity: Path
    home: Path
    port: int
    user: str
    alias: str = ALIAS
    commands: Sequence[str]
    """Every command line that the login shell was given so far, in order."""
    logins: Sequence[str]
    """The user name of every authentication that succeeded so far."""
    drop_connections: Callable[[], None]
    """Cut every connection, as a lost network would; what runs on the host goes on."""
    dismiss_connections: Callable[[], None]
    """End every connection with a goodbye, as a host that shuts down may."""


@asynccontextmanager
async def embedded_host(
    *,
    programs: Sequence[Path] = (),
    environment: Mapping[str, str] = _NO_ENVIRONMENT,
    login_shell: str | None = None,
    forward_sockets: bool = True,
) -> AsyncIterator[EmbeddedHost]:
    """Run a host until the block is left; then its processes, sockets and files are gone.

    `programs` are folders that the account has on its PATH and `environment` more variables of the
    sessions. `login_shell` is the account's own unless given. With `forward_sockets` false the server
    refuses channels to unix sockets, as hardened hosts do.
    """
    account = pwd.getpwuid(os.getuid())
    shell = login_shell or account.pw_shell or "/bin/sh"
    tag = f"{_TAG}={secrets.token_hex(16)}"
    folder = _make_folder()
    home = folder / "home"
    variables = _account_variables(account.pw_name, shell, folder) | {**environment, _TAG: tag.partition("=")[2]}
    server = _State(shell, variables, forward_sockets)
    try:
        write_search_path(home, programs)
        host_key, user_key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
        acceptor = await _listen(server, host_key, user_key)
        try:
            client = _ClientFiles(folder / "client", acceptor.get_port(), account.pw_name)
            client.write(host_key, user_key)
            yield EmbeddedHost(
                ssh_config=client.ssh_config,
                known_hosts=client.known_hosts,
                identity=client.identity,
                home=home,
                port=client.port,
                user=client.user,
                commands=server.commands,
                logins=server.logins,
                drop_connections=server.drop_connections,
                dismiss_connections=server.dismiss_connections,
            )
        finally:
            acceptor.close()
            server.drop_connections()
            try:
                await server.end_sessions(tag)
            except asyncio.CancelledError:
                await server.end_sessions(tag)
                raise
    finally:
        shutil.rmtree(folder)  # not in a thread: waiting for one could be cancelled before it began


def _account_variables(user: str, shell: str, folder: Path) -> dict[str, str]:
    return {
        "PATH": _SYSTEM_PATH,
        "HOME": str(folder / "home"),
        "USER": user,
        "LOGNAME": user,
        "SHELL": shell,
        "TMPDIR": str(folder / "tmp"),
        "LANG": "C.UTF-8",
    }


async def _listen(server: "_State", host_key: asyncssh.SSHKey, user_key: asyncssh.SSHKey) -> asyncssh.SSHAcceptor:
    """Accept the one key, on a port of the system's choice, and nothing else."""
    return await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=lambda: _Server(server),
        process_factory=server.run_session,
        server_host_keys=[host_key],
        authorized_client_keys=asyncssh.import_authorized_keys(user_key.export_public_key().decode()),
        password_auth=False,
        kbdint_auth=False,
        encoding=None,
        allow_pty=False,
        agent_forwarding=False,
    )


class _State:
    """What the server's connections share."""

    def __init__(self, shell: str, variables: Mapping[str, str], forward_sockets: bool) -> None:
        self.forward_sockets = forward_sockets
        self.connections: set[asyncssh.SSHServerConnection] = set()
        self.commands: list[str] = []
        self.logins: list[str] = []
        self._shell = shell
        self._variables = dict(variables)
        self._sessions: set[asyncio.Task[None]] = set()

    def drop_connections(self) -> None:
        for connection in list(self.connections):
            connection.abort()

    def dismiss_connections(self) -> None:
        for connection in list(self.connections):
            connection.disconnect(asyncssh.DISC_BY_APPLICATION, "The host goes down.")

    async def run_session(self, process: "asyncssh.SSHServerProcess[bytes]") -> None:
        """Run one exec or shell request in the login shell, the way sshd does without a terminal."""
        task = asyncio.create_task(self._run(process))
        self._sessions.add(task)
        task.add_done_callback(self._sessions.discard)
        await asyncio.shield(task)

    async def end_sessions(self, tag: str) -> None:
        """End what was started, detached or not, until neither a process nor a session is left."""
        await end_tagged(tag)
        while self._sessions:
            await asyncio.wait(self._sessions, timeout=0.1)
            await end_tagged(tag)

    async def _run(self, process: "asyncssh.SSHServerProcess[bytes]") -> None:
        words = [self._shell]
        if process.command is not None:
            words += ["-c", process.command]
            self.commands.append(process.command)
        child = await asyncio.create_subprocess_exec(
            *words,
            cwd=self._variables["HOME"],
            env=self._variables | _connection_variables(process),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        status = await _carry(process, child)
        if status < 0:
            process.exit_with_signal(signal.Signals(-status).name.removeprefix("SIG"))
        else:
            process.exit(status)


class _Server(asyncssh.SSHServer):
    def __init__(self, state: _State) -> None:
        self._state = state
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._state.connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._connection is not None:
            self._state.connections.discard(self._connection)

    def auth_completed(self) -> None:
        if self._connection is not None:
            self._state.logins.append(str(self._connection.get_extra_info("username")))

    def unix_connection_requested(self, dest_path: str) -> bool:
        return self._state.forward_sockets


def _connection_variables(process: "asyncssh.SSHServerProcess[bytes]") -> dict[str, str]:
    """What sshd tells a session about its connection; bash reads ``.bashrc`` when it finds these."""
    client, server = process.get_extra_info("peername"), process.get_extra_info("sockname")
    return {
        "SSH_CLIENT": f"{client[0]} {client[1]} {server[1]}",
        "SSH_CONNECTION": f"{client[0]} {client[1]} {server[0]} {server[1]}",
    }


async def _carry(process: "asyncssh.SSHServerProcess[bytes]", child: asyncio.subprocess.Process) -> int:
    """Copy between channel and child until the child has ended and its output is sent; give its status.

    A lost connection closes the child's pipes and nothing else: sshd kills nobody either.
    """
    if child.stdin is None or child.stdout is None or child.stderr is None:
        raise TypeError("the child was not started with three pipes")
    feeding = asyncio.create_task(_feed(process.stdin, child.stdin))
    try:
        await asyncio.gather(_drain(child.stdout, process.stdout), _drain(child.stderr, process.stderr))
        return await child.wait()
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)


async def _feed(source: "asyncssh.SSHReader[bytes]", target: asyncio.StreamWriter) -> None:
    try:
        while block := await source.read(_BLOCK):
            target.write(block)
            await target.drain()
    except (OSError, asyncssh.Error):
        pass
    finally:
        target.close()


async def _drain(source: asyncio.StreamReader, target: "asyncssh.SSHWriter[bytes]") -> None:
    while block := await source.read(_BLOCK):
        try:
            target.write(block)
            await target.drain()
        except (OSError, asyncssh.Error):
            continue  # nobody listens any more; the child may still write


def _make_folder() -> Path:
    """A private folder in the user's cache, or in the temporary folder when that path is too long for sockets.

    Not below the temporary folder by choice: codex makes no helper programs when its home lies there.
    """
    cache = Path(platformdirs.user_cache_dir("remora"))
    parent: Path | None = cache
    if len(os.fsencode(cache / "demo-12345678" / "home")) > _LONGEST_HOME:
        parent = None
    else:
        cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = Path(tempfile.mkdtemp(prefix="demo-", dir=parent)).resolve()
    for name in ("home", "tmp", "client"):
        (folder / name).mkdir(mode=0o700)
    return folder


class _ClientFiles:
    """What a client needs to log in: a configuration with one alias, the host's key, and a key of its own."""

    def __init__(self, folder: Path, port: int, user: str) -> None:
        self.port = port
        self.user = user
        self.ssh_config = folder / "config"
        self.known_hosts = folder / "known_hosts"
        self.identity = folder / "identity"

    def write(self, host_key: asyncssh.SSHKey, user_key: asyncssh.SSHKey) -> None:
        self.identity.touch(mode=0o600)
        self.identity.write_bytes(user_key.export_private_key())
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {host_key.export_public_key().decode()}")
        self.ssh_config.write_text(
            f"""\
Host {ALIAS}
  HostName 127.0.0.1
  Port {self.port}
  User {self.user}
  IdentityFile {_quoted(self.identity)}
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile {_quoted(self.known_hosts)}
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
"""
        )


def _quoted(path: Path) -> str:
    """A path as an SSH configuration value; ``%`` would start a token there."""
    return '"' + str(path).replace("%", "%%") + '"'
