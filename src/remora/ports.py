"""The seams: what remora needs from the world, and nothing about who provides it.

:mod:`remora.testing` has in-memory twins of the clock, the resolver, the dialler, the host and its streams, and a
person who answers by script. Every host, the twin too, passes one contract suite (:mod:`remora.testing.contracts`).
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from random import Random
from typing import Protocol, runtime_checkable

from remora.core.aliases import Listing
from remora.core.approvals import ApprovalRequest, Decision
from remora.core.errors import Stage, Unreachable
from remora.core.hosts import Host, Notice, Route
from remora.core.secrets import Secret
from remora.core.settings import Limits


class ByteStream(Protocol):
    """A two-way stream of bytes with half-close and back-pressure.

    A broken connection raises :class:`remora.core.errors.Unreachable` from whatever waits on it: ``host-left`` when
    the far side ended it with a goodbye, else ``connection-lost``. The end of the other side's data is no error.
    """

    async def read(self, limit: int = 65536) -> bytes:
        """Wait for bytes and give at most `limit` of them; ``b""`` once the other side has ended."""
        ...

    async def write(self, data: bytes) -> None:
        """Send all of `data`; returns when the far end's window and our buffer allow more."""
        ...

    async def write_eof(self) -> None:
        """End our side; reading goes on. Twice is harmless."""
        ...

    async def close(self) -> None:
        """Let go of the stream at once. Idempotent; pending reads end with ``b""`` or the error."""
        ...


@runtime_checkable
class PromptStream(ByteStream, Protocol):
    """A stream that can also be written to without waiting."""

    @property
    def prompt(self) -> bool:
        """Whether nothing has to be waited for now."""
        ...

    def write_now(self, data: bytes) -> None:
        """Send all of `data`; only while :attr:`prompt`."""
        ...


@dataclass(frozen=True, slots=True)
class ExitStatus:
    """How a remote process ended: a status or a signal's name; both `None` when the host did not say."""

    status: int | None = None
    signal: str | None = None


class RemoteProcess(ByteStream, Protocol):
    """A command running on the host: the stream is its standard input and output."""

    async def read_error(self, limit: int = 65536) -> bytes:
        """Standard error, like :meth:`ByteStream.read`."""
        ...

    async def wait(self) -> ExitStatus:
        """Wait for the end of the process. Output not yet read stays readable."""
        ...

    async def kill(self) -> None:
        """Ask the host to kill the process and its process group, and close. Harmless when it has ended."""
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

    def serve_port(self, port: int, visitor: "Visitor") -> AbstractAsyncContextManager[int]:
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

    def dial(self, route: Route, dialogue: "Dialogue") -> AbstractAsyncContextManager[RemoteHost]:
        """Dial what `route` says, proving the host's key and authenticating once.

        Raises, classified: :class:`~remora.core.errors.Unreachable`,
        :class:`~remora.core.errors.HostKeyProblem`, :class:`~remora.core.errors.AuthenticationProblem`,
        :class:`~remora.core.errors.NeedsPerson`. On leaving, the connection and all channels are gone.
        """
        ...


class HostResolver(Protocol):
    """Asks OpenSSH what a name means now."""

    async def resolve(self, alias: str) -> Host:
        """One ``ssh -G -- ALIAS``. May run the user's ``Match exec`` commands.

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


class HostKeyAnswer(Enum):
    """What a person says to an unknown host key."""

    REFUSE = "refuse"
    ONCE = "once"
    RECORD = "record"
    """Trust it and add it to the user's known hosts file: the person asked for that change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostKeyQuestion:
    """A host showed a key that no known hosts file has."""

    alias: str
    hostname: str
    port: int
    key_type: str
    fingerprint: str
    known_hosts_file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretQuestion:
    """Something that only a person can type: a passphrase, password or code. `prompt` may be remote text."""

    alias: str
    prompt: str
    echo: bool = False


class Dialogue(Protocol):
    """How the library asks a person while connecting. It never asks the terminal itself."""

    async def accept_host_key(self, question: HostKeyQuestion) -> HostKeyAnswer:
        """Ask whether an unknown key may be trusted.

        Raises :class:`~remora.core.errors.NeedsPerson` when nobody may answer.
        """
        ...

    async def secret(self, question: SecretQuestion) -> Secret | None:
        """Ask for a secret; `None` when the person declines.

        Raises :class:`~remora.core.errors.NeedsPerson` when nobody may answer.
        """
        ...


class ApprovalHandler(Protocol):
    """Decides what the agent asks. There is no default that says yes."""

    async def decide(self, request: ApprovalRequest) -> Decision:
        """Choose among `request.choices`. May be cancelled when the request is answered elsewhere."""
        ...


class Clock(Protocol):
    """Time as an argument, so that tests own it."""

    def monotonic(self) -> float:
        """Seconds that only grow; they may stand still while the machine sleeps."""
        ...

    def wall(self) -> float:
        """Seconds since 1970, as the machine believes; they jump when it wakes or is set."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class LocalNetwork(Protocol):
    """How this machine is connected."""

    def signature(self) -> str:
        """A text that differs when the machine has moved: another address, a network that came back, a VPN."""
        ...


Visitor = Callable[[ByteStream], Awaitable[None]]
"""Serves one client that connected here. The stream is closed when it returns; what it raises is the client's end."""


class LocalSockets(Protocol):
    """Sockets on this machine, for programs of the same user."""

    def serve(self, path: str, visitor: Visitor) -> AbstractAsyncContextManager[None]:
        """Listen on a unix socket, mode 0600; peers of other users are turned away unheard.

        A socket at `path` that nobody listens on is replaced, a living one is not. On leaving it is removed and
        the visits are cancelled. Raises ``runtime-folder-unusable`` when it cannot be bound.
        """
        ...

    def serve_port(self, port: int, visitor: Visitor) -> AbstractAsyncContextManager[int]:
        """Listen on `port` of loopback, 0 for any, and give the port. Raises ``port-taken``."""
        ...

    async def connect(self, path: str) -> ByteStream:
        """Connect to a unix socket of the same user. Raises :class:`~remora.core.errors.Unreachable`."""
        ...


class Onward(Protocol):
    """Connections from this machine to elsewhere, for somebody who may not reach everything from here."""

    async def connect(self, host: str, port: int, *, admit: Callable[[str], bool]) -> ByteStream:
        """Connect to the first address of `host` that answers, of those that `admit` lets pass.

        Raises :class:`~remora.core.errors.Unreachable`; ``egress-refused`` when `admit` lets none pass.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """What a program must fit: as ``uname`` says them, ``Linux`` and ``x86_64``."""

    os: str
    architecture: str

    @property
    def name(self) -> str:
        """Both as one word."""
        return f"{self.os}-{self.architecture}"


class PackageForm(StrEnum):
    """How a package travels: whichever of these the host can unpack, and the link is best served with."""

    ZSTD = "zstd"
    GZIP = "gzip"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagePart:
    """One file of a package: its path there, and its bytes."""

    path: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A codex for one platform, ready to be sent: all its files one after another, as `parts` says. The program is the
    first, and a list of all with modes and digests the last. That is the payload; `size` are its bytes and `digest` is
    its SHA-256, in whatever form it travels.

    `file` holds it on this machine, compressed in `frames` of so many bytes each, which can be unpacked one by one.
    `content` is the digest of the list: the same files give the same one. `files` counts all, links too.
    """

    version: str
    platform: Platform
    file: str
    frames: tuple[int, ...]
    digest: str
    size: int
    content: str
    files: int
    parts: tuple[PackagePart, ...]

    @property
    def program(self) -> str:
        """The path of codex itself."""
        return self.parts[0].path

    @property
    def packed(self) -> int:
        """The bytes of `file`, which are about what travels."""
        return sum(self.frames)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A part of a payload in some form: `size` bytes, `data`, which belong behind the first `start` of the payload."""

    start: int
    size: int
    data: AsyncIterator[bytes]


class Packages(Protocol):
    """Where codex comes from, fetched by this machine once for many hosts."""

    async def find_version(self, source: str, version: str, platform: Platform) -> str:
        """What ``latest`` means now for ``wheel`` or ``npm``; a number is given back as it is. Asked once per run.

        Without network the newest that is kept here counts. Raises ``package-unavailable``.
        """
        ...

    async def fetch(
        self, source: str, version: str, platform: Platform, *, file: str | None = None, digest: str | None = None
    ) -> Package:
        """The package, from what is kept here or from the index; two who ask at once fetch once.

        `digest` pins the archive as the index has it. Raises ``package-unavailable``, ``digest-mismatch``,
        ``platform-unsupported``.
        """
        ...

    async def send(self, package: Package, form: PackageForm, start: int, *, stop: int | None = None) -> Parcel:
        """What a host wants that has `start` bytes of the payload; it may have to begin a little before that.

        All that is missing, or, of the plain form, what comes before `stop`.
        """
        ...

    async def archive(self, package: Package) -> Package:
        """The same with its `file` as ``gzip`` has it, which every host can unpack. Made on first need."""
        ...


class SecretReader(Protocol):
    """Reads secrets on this machine, at the last moment."""

    async def read(self, *, environment: str | None, file: str | None, command: Sequence[str] | None) -> Secret:
        """The one of the three that is not `None`, without the newline at its end. Raises ``secret-missing``."""
        ...


class RunLog(Protocol):
    """The log of one run at one host, on this machine, for its user alone."""

    @property
    def path(self) -> str: ...

    def write(self, line: str) -> None:
        """Add one line."""
        ...

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        ...


class RunLogs(Protocol):
    """Where the logs of runs are kept; the oldest of a host go."""

    def open(self, alias: str) -> RunLog:
        """A new log. Raises :class:`OSError` when there is no place for it."""
        ...


class EventSpool(Protocol):
    """Unread events, in order, in bounded memory: the rest waits on disk."""

    def put(self, record: bytes) -> None:
        """Add one record; never waits for the reader."""
        ...

    async def get(self) -> bytes | None:
        """The oldest record; waits for one; `None` after :meth:`finish` once all were read."""
        ...

    def finish(self) -> None:
        """No more records will come."""
        ...

    def close(self) -> None:
        """Let go of memory and disk. Idempotent."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """All that the flows touch, as one value: real in production, from :mod:`remora.testing` in tests.

    `nonce` gives a word of random hexadecimal digits, a new one at each call; `spool` an empty spool. Without
    `config` every name that the resolver answers for is a host; without `network` no move of the machine is noticed.
    Without `onward` nothing is reached from here for a host. `own_key` gives bytes that this machine keeps to itself.
    """

    config: ConfigReader | None = None
    network: LocalNetwork | None = None
    onward: Onward | None = None
    own_key: Callable[[], bytes] | None = None
    resolver: HostResolver
    dialler: Dialler
    clock: Clock
    random: Random
    nonce: Callable[[], str]
    spool: Callable[[], EventSpool]
    limits: Limits
