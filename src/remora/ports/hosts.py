"""Other machines: what their names mean, the one connection to each, and what it carries."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from remora.core.errors import Stage, Unreachable
from remora.core.host.aliases import Listing
from remora.core.host.hosts import Host, Notice, Route
from remora.ports.people import Dialogue
from remora.ports.streams import ByteStream, RemoteProcess, Visitor


class ShellMemory(Protocol):
    """Which accounts of which hosts have answered as a shell before."""

    def knows(self, facts: "ConnectionFacts") -> bool:
        """Whether a shell has answered there."""
        ...

    def note(self, facts: "ConnectionFacts") -> None:
        """A shell has answered there. Where that cannot be kept it is forgotten."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionFacts:
    """What is known about a connection once it stands."""

    user: str
    hostname: str
    port: int
    host_key_fingerprint: str
    server_version: str
    cipher: str
    authentication: str
    """The method that let us in, such as ``publickey``."""
    seconds: Mapping[Stage, float] = field(default_factory=dict)
    """How long the stages from name to authentication took; jumps belong to the route. Empty where not measured."""
    notices: tuple[Notice, ...] = ()
    shells: ShellMemory | None = None
    """What is remembered of hosts like this one; `None`: whatever answers is taken for a shell."""


class RemoteHost(Protocol):
    """One authenticated SSH connection; everything else is multiplexed inside it."""

    @property
    def facts(self) -> ConnectionFacts: ...

    async def start(self, words: Sequence[str]) -> RemoteProcess:
        """Start a command without a terminal.

        `words` reach the login shell as one line, each word quoted so that every common shell
        (Bourne, csh, fish) reads it as itself. Raises :class:`remora.core.errors.ShellProblem`
        (``channel-refused``) when the host refuses another session. It does not wait for the host's word on the
        command itself: should the host refuse that, reading and writing raise the same error.
        """
        ...

    async def open_unix_socket(self, path: str) -> ByteStream:
        """Open a channel to a unix socket on the host.

        Raises :class:`remora.core.errors.ShellProblem` (``channel-refused``) when the host forbids it or
        nothing listens there; the host does not tell which.
        """
        ...

    async def open_port(self, port: int) -> ByteStream:
        """Open a channel to a TCP port of the host's own loopback; errors as :meth:`open_unix_socket`."""
        ...

    def serve_port(self, port: int, visitor: Visitor) -> AbstractAsyncContextManager[int]:
        """Listen on `port` of the host's own loopback, 0 for any, and give the port; each client there is a visit here.

        Raises :class:`remora.core.errors.ShellProblem` (``channel-refused``) when the host forbids it or the port is
        taken; the host does not tell which. On leaving nobody listens there any more and the visits are cancelled.
        """
        ...

    async def wait_lost(self) -> Unreachable:
        """Return when the connection has ended, and why: ``host-left`` after a goodbye, else ``connection-lost``.

        A stream may end in order just before: a server that leaves may close its channels first.
        """
        ...


class Dialler(Protocol):
    """Makes the one SSH connection."""

    def dial(self, route: Route, dialogue: Dialogue) -> AbstractAsyncContextManager[RemoteHost]:
        """Dial what `route` says, proving the host's key and authenticating once.

        Raises, classified: :class:`~remora.core.errors.Unreachable`,
        :class:`~remora.core.errors.HostKeyProblem`, :class:`~remora.core.errors.AuthenticationProblem`,
        :class:`~remora.core.errors.NeedsPerson`. On leaving, the connection and all channels are gone.
        """
        ...


class HostResolver(Protocol):
    """Asks OpenSSH what a name means now."""

    async def resolve(self, alias: str, *, user: str | None = None, port: int | None = None) -> Host:
        """One ``ssh -G -- ALIAS``. May run the user's ``Match exec`` commands.

        `user` and `port` are what was written with the name: they win, and decide which ``Match`` lines fit.
        Raises :class:`~remora.core.errors.ConfigProblem` with OpenSSH's own words.
        """
        ...


class ConfigReader(Protocol):
    """Reads which names the SSH config has, and where."""

    def read(self) -> Listing:
        """Every file anew. Executes nothing and touches no network; blocks only on the files themselves.

        Raises :class:`~remora.core.errors.ConfigProblem` when a file that the user named cannot be read.
        """
        ...
