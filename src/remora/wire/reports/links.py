"""The documents of ``connect``, ``disconnect``, ``status``, ``forward`` and ``hub``. Times are seconds since 1970."""

from typing import ClassVar

import msgspec

from remora.core.link.links import HostIdentity
from remora.core.server.markers import Marker
from remora.wire.reports import Document, ErrorBody, NoticeBody, Report


class ActiveThread(msgspec.Struct, kw_only=True):
    """A thread that works or waits; `waits_for_approval` when the agent asked and nobody has answered."""

    thread_id: str
    waits_for_approval: bool
    name: str | None = None


class ForwardBody(msgspec.Struct, kw_only=True):
    """A port of the host that is reached through a port of this machine.

    `ssh_config`, `leads_to` and `mark` are those of its link. `notices` say where its name means another place by now
    (``alias-changed``), or another machine answers there (``host-changed``). They are told in listings, and when it is
    stopped.
    """

    host: str
    remote_port: int
    local_port: int
    clients: int = 0
    ssh_config: str | None = None
    leads_to: str | None = None
    mark: str = ""
    notices: list[NoticeBody] = []


class EgressBody(msgspec.Struct, kw_only=True):
    """A port of the host that leads through this machine to named destinations, and nowhere else.

    `shape` is ``proxy`` (HTTP) or ``direct``: then all bytes go to the one destination. `port` is `None` while nobody
    listens there, and differs from `wanted` where that one was taken. `url` has the password, and is told to whoever
    opens it only. `refused` counts clients that got no further, `trouble` says why the last one did not. What follows
    `error` is as in :class:`ForwardBody`.
    """

    host: str
    shape: str
    destinations: list[str]
    port: int | None
    wanted: int
    password: bool
    url: str | None = None
    upstream: str | None = None
    clients: int = 0
    refused: int = 0
    trouble: str | None = None
    error: ErrorBody | None = None
    ssh_config: str | None = None
    leads_to: str | None = None
    mark: str = ""
    notices: list[NoticeBody] = []


class LinkBody(msgspec.Struct, kw_only=True):
    """One link, as it is now.

    `leads_to` is what the name meant in the SSH configuration when the link got it, and `mark` differs where it
    meant something else; `machine` stays where only the way to it does, and is `None` where no ``HostKeyAlias`` says
    so. `liveness` is a word of :class:`Liveness`. `socket` is the local socket that speaks what the
    app server's control socket speaks; it is there while the link exists, live or not. `stalled_since` is set while the
    host owes an answer on a connection that still stands. `clients` counts who is attached to the socket; `breaks` how
    often the connection was lost and made again. What is only known on a connection is `None` before the first.
    `provisioned` is the host's ready marker: of now where the link is live and answers, else as it was last seen.
    """

    host: str
    aliases: list[str]
    ssh_config: str | None
    liveness: str
    since: float
    socket: str
    policy: str
    leads_to: str | None = None
    mark: str | None = None
    machine: str | None = None
    stalled_since: float | None = None
    next_attempt: float | None = None
    error: ErrorBody | None = None
    identity: HostIdentity | None = None
    user: str | None = None
    hostname: str | None = None
    server_version: str | None = None
    server_owner: str | None = None
    codex_path: str | None = None
    launch_mode: str | None = None
    byte_path: str | None = None
    clients: int = 0
    breaks: int = 0
    active_threads: list[ActiveThread] = []
    waiting_approvals: int = 0
    forwards: list[ForwardBody] = []
    egresses: list[EgressBody] = []
    notices: list[NoticeBody] = []
    provisioned: Marker | None = None


class HubBody(msgspec.Struct, kw_only=True):
    """The background process; without one, `running` is false and the rest is `None`."""

    running: bool
    pid: int | None = None
    version: str | None = None
    since: float | None = None
    socket: str | None = None
    log: str | None = None


class StatusReport(Document, kw_only=True):
    """All links, by alias; with ``--watch`` one document for each change."""

    kind: ClassVar[str] = "status"
    hub: HubBody
    links: list[LinkBody]


class ConnectResult(msgspec.Struct, kw_only=True):
    """One alias: its link, or why there is none. `changed` is false when it was live already."""

    host: str
    ok: bool
    changed: bool = False
    link: LinkBody | None = None
    error: ErrorBody | None = None


class ConnectReport(Report, kw_only=True):
    """The outcome of ``connect``, in the order asked."""

    kind: ClassVar[str] = "connect"
    hosts: list[ConnectResult]


class DisconnectResult(msgspec.Struct, kw_only=True):
    """One alias. `changed` is false when there was no link; `server` is ``left``, ``stopped`` or ``absent``."""

    host: str
    ok: bool
    changed: bool = False
    server: str = "left"
    error: ErrorBody | None = None


class DisconnectReport(Report, kw_only=True):
    """The outcome of ``disconnect``, in the order asked."""

    kind: ClassVar[str] = "disconnect"
    hosts: list[DisconnectResult]


class ForwardReport(Document, kw_only=True):
    """Ports that are forwarded: the one opened or stopped, or all of them. `changed` is false when nothing was new.

    `egresses` are those that lead the other way.
    """

    kind: ClassVar[str] = "forward"
    forwards: list[ForwardBody]
    egresses: list[EgressBody] = []
    changed: bool = False


class HubReport(Document, kw_only=True):
    """The outcome of ``hub start``, ``hub stop`` and ``hub status``."""

    kind: ClassVar[str] = "hub"
    hub: HubBody
    changed: bool = False
    links: int = 0


class HubLogReport(Document, kw_only=True):
    """Lines of the hub's log, oldest first; with ``--follow`` one document for each piece that comes."""

    kind: ClassVar[str] = "hub-log"
    file: str
    lines: list[str]
