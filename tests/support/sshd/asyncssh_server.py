"""A small SSH server whose way of asking for a login is chosen by the test."""

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh
from tests.support.sshd.system_sshd import make_key, public_key

from remora.core.host.hosts import Host, Route


@dataclass(slots=True)
class QuestioningServer:
    """What the server asks, and what it saw. `rounds` are prompts that come together, with whether they echo."""

    rounds: Sequence[Sequence[tuple[str, bool]]] = ()
    answers: Sequence[Sequence[str]] = ()
    password: str | None = None
    banner: str = ""
    seen_answers: list[list[str]] = field(default_factory=list)
    seen_passwords: list[str] = field(default_factory=list)
    seen_users: list[str] = field(default_factory=list)
    connections: int = 0
    logins: int = 0
    port: int = 0
    known_hosts: str = ""

    def route(self, **changes: object) -> Route:
        """The way to this server; `changes` replace fields of the host."""
        fields: dict[str, object] = {
            "alias": "asking",
            "hostname": "127.0.0.1",
            "port": self.port,
            "user": "anybody",
            "user_known_hosts": (self.known_hosts,),
            "options": {},
        }
        return Route(Host(**{**fields, **changes}))  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def questioning_server(folder: Path, server: QuestioningServer) -> AsyncIterator[QuestioningServer]:
    """Listen inside the block."""
    listening = loopback_server(
        folder,
        lambda: _Questions(server),
        kbdint_auth=bool(server.rounds),
        password_auth=server.password is not None,
        public_key_auth=False,
    )
    async with listening as (server.port, server.known_hosts):
        yield server


@contextlib.asynccontextmanager
async def loopback_server(
    folder: Path, factory: Callable[[], asyncssh.SSHServer], **options: Any
) -> AsyncIterator[tuple[int, str]]:
    """Any SSH server inside the block: its port, and a file of known hosts that has its key."""
    host_key = make_key(folder / "server_host")
    acceptor = await asyncssh.listen(
        "127.0.0.1", 0, server_factory=factory, server_host_keys=[str(host_key)], **options
    )
    port = acceptor.get_port()
    known_hosts = folder / "server_known_hosts"
    known_hosts.write_text(f"[127.0.0.1]:{port} {public_key(host_key)}\n")
    async with acceptor:
        yield port, str(known_hosts)


class _Questions(asyncssh.SSHServer):
    def __init__(self, server: QuestioningServer) -> None:
        self._server = server
        self._round = 0

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._server.connections += 1
        self._connection = conn

    def begin_auth(self, username: str) -> bool:
        self._server.seen_users.append(username)
        if self._server.banner:
            self._connection.send_auth_banner(self._server.banner)
        return True

    def auth_completed(self) -> None:
        self._server.logins += 1

    def kbdint_auth_supported(self) -> bool:
        return bool(self._server.rounds)

    def password_auth_supported(self) -> bool:
        return self._server.password is not None

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> object:  # type: ignore[override]
        return "Sign in", "Answer all questions.", "", self._server.rounds[0]

    def validate_kbdint_response(self, username: str, responses: Sequence[str]) -> object:  # type: ignore[override]
        self._server.seen_answers.append(list(responses))
        if list(responses) != list(self._server.answers[self._round]):
            return False
        self._round += 1
        if self._round == len(self._server.rounds):
            return True
        return "", "", "", self._server.rounds[self._round]

    def validate_password(self, username: str, password: str) -> bool:
        self._server.seen_passwords.append(password)
        return password == self._server.password
