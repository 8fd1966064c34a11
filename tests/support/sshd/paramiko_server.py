"""An SSH server that shares no code with our client: paramiko, running commands with bash."""

import contextlib
import os
import signal
import socket
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import paramiko
from paramiko.common import cMSG_CHANNEL_REQUEST
from tests.support.sshd.system_sshd import make_key, public_key

from remora.core.host.hosts import Host, Route

_BLOCK = 65536
_JOIN_LIMIT = 10.0


class ParamikoServer:
    """A context manager: listens on a free loopback port, lets `identity` in, runs commands.

    paramiko gives a server no way to learn the path of a unix socket channel, so those are refused.
    """

    def __init__(self, folder: Path) -> None:
        self._host_key = make_key(folder / "paramiko_host")
        self.identity = make_key(folder / "paramiko_identity")
        self.known_hosts = folder / "paramiko_known_hosts"
        self._authorized = public_key(self.identity).split()[1]
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {public_key(self._host_key)}\n")
        self._transports: list[paramiko.Transport] = []
        self._threads: list[threading.Thread] = []
        self._children: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self.run_in_thread(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop_connections()
        for child in self._children:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
        while self._threads or self._transports:  # one that still runs may start another
            (self._threads or self._transports).pop().join(_JOIN_LIMIT)

    def route(self) -> Route:
        """The way to this server."""
        return Route(
            Host(
                alias="paramiko",
                hostname="127.0.0.1",
                port=self.port,
                user="anybody",
                identity_files=(str(self.identity),),
                user_known_hosts=(str(self.known_hosts),),
                options={},
            )
        )

    def drop_connections(self) -> None:
        """Cut every connection."""
        for transport in self._transports:
            transport.close()

    def accepts(self, key: Any) -> bool:
        """Whether a public key may log in."""
        return bool(key.get_base64() == self._authorized)

    def run_in_thread(self, work: Any, *arguments: Any) -> threading.Thread:
        """Start a thread that leaving the server waits for."""
        thread = threading.Thread(target=work, args=arguments)
        thread.start()
        self._threads.append(thread)
        return thread

    def run_command(self, channel: Any, command: str) -> None:
        """Run one command on a channel until it has ended and its output is sent."""
        child = subprocess.Popen(
            ["bash", "-c", command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._children.append(child)
        self.run_in_thread(_feed, channel, child)
        errors = self.run_in_thread(_copy, child.stderr, channel.sendall_stderr)
        _copy(child.stdout, channel.sendall)
        errors.join()
        status = child.wait()
        with contextlib.suppress(OSError, EOFError):
            if status >= 0:
                channel.send_exit_status(status)
            else:
                _send_exit_signal(channel, signal.Signals(-status).name.removeprefix("SIG"))
            channel.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transport.add_server_key(paramiko.Ed25519Key.from_private_key_file(str(self._host_key)))
            self._transports.append(transport)
            with contextlib.suppress(paramiko.SSHException, EOFError):
                transport.start_server(event=threading.Event(), server=_Interface(self))


class _Interface(paramiko.ServerInterface):  # type: ignore[misc]
    def __init__(self, server: ParamikoServer) -> None:
        self._server = server

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: Any) -> int:
        return int(paramiko.AUTH_SUCCESSFUL if self._server.accepts(key) else paramiko.AUTH_FAILED)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        if kind == "session":
            return int(paramiko.OPEN_SUCCEEDED)
        return int(paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED)

    def check_channel_exec_request(self, channel: Any, command: bytes) -> bool:
        self._server.run_in_thread(self._server.run_command, channel, command.decode())
        return True


def _feed(channel: Any, child: "subprocess.Popen[bytes]") -> None:
    assert child.stdin is not None
    with contextlib.suppress(OSError, EOFError), child.stdin:
        while data := channel.recv(_BLOCK):
            child.stdin.write(data)
            child.stdin.flush()


def _copy(source: Any, send: Any) -> None:
    with contextlib.suppress(OSError, EOFError), source:
        while data := source.read1(_BLOCK):
            send(data)


def _send_exit_signal(channel: Any, name: str) -> None:
    message = paramiko.Message()
    message.add_byte(cMSG_CHANNEL_REQUEST)
    message.add_int(channel.remote_chanid)
    message.add_string("exit-signal")
    message.add_boolean(False)
    message.add_string(name)
    message.add_boolean(False)
    message.add_string("")
    message.add_string("")
    channel.transport._send_user_message(message)
