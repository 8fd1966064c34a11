"""What the hub and its callers say to each other: one JSON object a line, over the hub's local socket.

Both sides say :class:`Hello` first. Then the caller sends one request, and gets what belongs to it: questions for
a person, news, and one last reply. The hello and :class:`Stop` are the same in every version of this protocol, so
that an old hub can be told to go by a new program.
"""

from typing import Final, TypeVar

import msgspec

from remora.core.errors import (
    AppServerProblem,
    AuthenticationProblem,
    Code,
    ConfigProblem,
    ExitCode,
    HostKeyProblem,
    Interrupted,
    LaunchProblem,
    NeedsPerson,
    ProtocolProblem,
    RemoraError,
    ShellProblem,
    Stage,
    TaskFailed,
    TimeLimit,
    Unreachable,
    UsageProblem,
)
from remora.core.link.links import LinkName
from remora.core.link.meanings import Meaning, MeantName
from remora.core.settings import HostSettings, Limits
from remora.wire.reports import ErrorBody, error_body
from remora.wire.reports.links import EgressBody, ForwardBody, HubBody, LinkBody

T = TypeVar("T")

PROTOCOL: Final = 3
"""Changes whenever either side would misread the other."""
LINE_LIMIT: Final = 64 * 1024 * 1024
"""Bytes of one line of the hub's; a thousand links with their errors are far below."""
REQUEST_LIMIT: Final = 1024 * 1024
"""Bytes of one line of a caller's."""


class Hello(msgspec.Struct, kw_only=True, tag="hello"):
    """The first line of either side."""

    protocol: int
    program: str
    pid: int


class Connect(msgspec.Struct, kw_only=True, tag="connect"):
    """Have a link to `alias`, live, as the caller means it. Questions come back on this connection while `asks`.

    With `accepts_change` a link that stands still because its name leads to another machine goes on there.
    With `hold` the link is wanted only for as long as this connection stands, unless somebody wants it for longer.
    With `again` it was there before, in a hub that is no more: one that exists is left to itself, and so is one
    that is never to be dialled unasked; a new one stays when it cannot be live at once, unless that is hopeless.
    """

    alias: str
    ssh_config: str | None
    meaning: Meaning
    host: HostSettings
    limits: Limits
    agent: str | None = None
    asks: bool = False
    hold: bool = False
    again: bool = False
    accepts_change: bool = False

    @property
    def meant_name(self) -> MeantName:
        """The name, and what it means to the caller."""
        return MeantName(LinkName(self.alias, self.ssh_config), self.meaning.mark)


class Disconnect(msgspec.Struct, kw_only=True, tag="disconnect"):
    """Have no link to `alias`."""

    alias: str
    ssh_config: str | None
    stop_server: bool = False
    force: bool = False


class GetStatus(msgspec.Struct, tag="status"):
    """Tell :class:`Status`."""


class Watch(msgspec.Struct, tag="watch"):
    """Tell :class:`Status`, now and at each change, until the caller leaves."""


class GetLinks(msgspec.Struct, kw_only=True, tag="links"):
    """Tell :class:`NamedLinks`."""

    alias: str
    ssh_config: str | None


class FindFolder(msgspec.Struct, kw_only=True, tag="folder"):
    """Tell :class:`Folder`: what `folder` is called on the host of a link.

    Here and below `mark` says which meaning of the name is meant; `None`: that of the last :class:`Connect`.
    """

    alias: str
    ssh_config: str | None
    mark: str | None = None
    folder: str | None = None


class OpenForward(msgspec.Struct, kw_only=True, tag="forward-open"):
    """Have a local port that leads to `port` of the host; `local_port` is wanted, `None` for one that is free."""

    alias: str
    ssh_config: str | None
    port: int
    mark: str | None = None
    local_port: int | None = None


class StopForward(msgspec.Struct, kw_only=True, tag="forward-stop"):
    """Have no such port any more, whichever way it leads; without `port` none of this name.

    With `mark` that of one link. Without, where the name led elsewhere before, one with `port` is meant: that of now,
    else of before. `local_port` is where a forward begins here.
    """

    alias: str
    ssh_config: str | None
    mark: str | None = None
    port: int | None = None
    local_port: int | None = None


class OpenEgress(msgspec.Struct, kw_only=True, tag="egress-open"):
    """Let the host of a link reach `destinations`, or the one of `to`, through this machine.

    `port` is the host's, `None` for any. `proxy` and `no_proxy` are those of the caller.
    """

    alias: str
    ssh_config: str | None
    mark: str | None = None
    destinations: list[str] = []
    to: str | None = None
    port: int | None = None
    password: bool = True
    proxy: str | None = None
    no_proxy: str | None = None

    def __repr__(self) -> str:
        """Without the proxy: it may have a password."""
        return f"OpenEgress(alias={self.alias!r}, destinations={self.destinations!r}, to={self.to!r})"


class ListForwards(msgspec.Struct, tag="forwards"):
    """Tell :class:`ForwardList`: all of them."""


class Stop(msgspec.Struct, tag="stop"):
    """End. Understood in every version."""


class Ping(msgspec.Struct, tag="ping"):
    """Are you there? Allowed at any time after the request; answered at once with :class:`Pong`."""


class Answer(msgspec.Struct, kw_only=True, tag="answer"):
    """What the person said to a question; `None`: nothing, or nobody could be asked (`unattended` has the error)."""

    number: int
    text: str | None = None
    unattended: "RequestFailed | None" = None

    def __repr__(self) -> str:
        """Without the text: it may be a secret."""
        return f"Answer(number={self.number})"


Request = (
    Connect
    | Disconnect
    | GetStatus
    | Watch
    | GetLinks
    | FindFolder
    | OpenForward
    | OpenEgress
    | StopForward
    | ListForwards
    | Stop
)


class HostKeyAsked(msgspec.Struct, kw_only=True, tag="host-key"):
    """:class:`remora.ports.HostKeyQuestion`, lent to the caller; answered with a word of ``HostKeyAnswer``."""

    number: int
    alias: str
    hostname: str
    port: int
    key_type: str
    fingerprint: str
    known_hosts_file: str


class SecretAsked(msgspec.Struct, kw_only=True, tag="secret"):
    """:class:`remora.ports.SecretQuestion`, lent to the caller."""

    number: int
    alias: str
    prompt: str
    echo: bool


class RequestFailed(msgspec.Struct, kw_only=True, tag="failed"):
    """The request failed."""

    error: ErrorBody
    exit_code: int


class LinkConnected(msgspec.Struct, kw_only=True, tag="connected"):
    """The link lives. `changed` is false when it did before."""

    changed: bool
    link: LinkBody


class Disconnected(msgspec.Struct, kw_only=True, tag="disconnected"):
    """There is no such link. `changed` is false when there was none before; `server` as in the report."""

    changed: bool
    server: str


class Status(msgspec.Struct, kw_only=True, tag="status"):
    """The hub and all its links."""

    hub: HubBody
    links: list[LinkBody]


class NamedLinks(msgspec.Struct, kw_only=True, tag="links"):
    """The links under one name: one for each of its meanings that is in use."""

    links: list[LinkBody]


class Folder(msgspec.Struct, kw_only=True, tag="folder"):
    """An absolute path on the host; `brings` is as in :class:`remora.core.server.probes.FolderFacts`."""

    path: str
    brings: bool = False


class ForwardList(msgspec.Struct, kw_only=True, tag="forwards"):
    """Forwarded ports: those that the request named, or all."""

    forwards: list[ForwardBody]
    egresses: list[EgressBody] = []
    changed: bool = False


class Pong(msgspec.Struct, tag="pong"):
    """The hub is there."""


class Stopping(msgspec.Struct, kw_only=True, tag="stopping"):
    """The hub ends now, with so many links."""

    links: int


Question = HostKeyAsked | SecretAsked
Reply = RequestFailed | LinkConnected | Disconnected | Status | NamedLinks | Folder | ForwardList | Stopping
FromCaller = Hello | Request | Answer | Ping
FromHub = Hello | Question | Pong | Reply


class Unreadable(Exception):
    """A line that is no message of this protocol."""


_encoder: Final = msgspec.json.Encoder()
_from_caller: "Final[msgspec.json.Decoder[FromCaller]]" = msgspec.json.Decoder(FromCaller)
_from_hub: "Final[msgspec.json.Decoder[FromHub]]" = msgspec.json.Decoder(FromHub)


def encode(message: FromCaller | FromHub) -> bytes:
    """One line, with its end. Bytes of file names that are no UTF-8 have to be escaped before."""
    return _encoder.encode(message) + b"\n"


def read_from_caller(line: bytes) -> FromCaller:
    """Read a line as the hub. Raises :class:`Unreadable`."""
    return _read(_from_caller, line)


def read_from_hub(line: bytes) -> FromHub:
    """Read a line as a caller. Raises :class:`Unreadable`."""
    return _read(_from_hub, line)


def _read(decoder: "msgspec.json.Decoder[T]", line: bytes) -> T:
    try:
        return decoder.decode(line)
    except (ValueError, RecursionError) as error:
        raise Unreadable(str(error)) from None


_CODES: Final = {code.value: code for code in Code}
_KINDS: Final[dict[ExitCode, type[RemoraError]]] = {
    kind.exit_code: kind
    for kind in (
        UsageProblem,
        ConfigProblem,
        Unreachable,
        HostKeyProblem,
        AuthenticationProblem,
        ShellProblem,
        AppServerProblem,
        LaunchProblem,
        ProtocolProblem,
        NeedsPerson,
        TimeLimit,
        Interrupted,
        TaskFailed,
    )
}


def failed(error: RemoraError) -> RequestFailed:
    """An error as it crosses to the other side."""
    return RequestFailed(error=error_body(error), exit_code=int(error.exit_code))


def rebuild(failure: RequestFailed) -> RemoraError:
    """The error that the other side had. One of a code that this version does not know becomes ``internal``."""
    body = failure.error
    try:
        code, stage, kind = _CODES[body.code], Stage(body.stage), _KINDS[ExitCode(failure.exit_code)]
    except (ValueError, KeyError):
        code, stage, kind = Code.INTERNAL, Stage.INTERNAL, RemoraError
    return kind(code, body.message, next_step=body.next, seen=body.seen, host=body.host, stage=stage)
