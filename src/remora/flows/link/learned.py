"""What a launch teaches a link about its host and the app server there."""

from dataclasses import dataclass

from remora.core.host.hosts import Notice
from remora.core.link.links import HostIdentity
from remora.core.server.launch_plan import BytePath, LaunchMode
from remora.core.server.probes import HostFacts
from remora.flows.host.identity import identity_of
from remora.flows.relay.relay_start import RelayPlace, relay_place
from remora.flows.server.launch import AppServer
from remora.ports import ConnectionFacts
from remora.wire.reports import notice_bodies
from remora.wire.reports.links import LinkBody


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What the last launch taught about the host and its app server."""

    connection: ConnectionFacts
    facts: HostFacts
    version: str | None
    owner: str
    codex_path: str | None
    mode: LaunchMode
    socket: str
    plain_path: BytePath
    place: RelayPlace | None
    notices: tuple[Notice, ...]

    @property
    def identity(self) -> HostIdentity:
        """What machine it is."""
        return identity_of(self.connection, self.facts)

    def describe(self, body: LinkBody) -> None:
        """Write it into the link's public form."""
        body.identity = self.identity
        body.user = self.connection.user
        body.hostname = self.connection.hostname
        body.server_version = self.version
        body.server_owner = self.owner
        body.codex_path = self.codex_path
        body.launch_mode = self.mode.value
        body.notices = notice_bodies(self.notices)
        body.provisioned = self.facts.marker

    def fits(self, connection: ConnectionFacts) -> bool:
        """Whether `connection` seems to lead to the same place."""
        known = self.connection
        return (known.user, known.host_key_fingerprint) == (connection.user, connection.host_key_fingerprint)


def learn(connection: ConnectionFacts, server: AppServer, before: Learned | None) -> Learned:
    """What `server`, launched to last on that connection, teaches one who knew `before`.

    A server that this link has started is still ``detached`` when it is found again.
    """
    if server.socket is None:
        raise AssertionError("a lasting server has a socket")
    same = before if before is not None and _is_same(before, connection, server) else None
    return Learned(
        connection=connection,
        facts=server.facts,
        version=server.version,
        owner=server.owner,
        codex_path=server.codex_path if same is None else same.codex_path,
        mode=server.mode if same is None else same.mode,
        socket=server.socket,
        plain_path=server.byte_path,
        place=relay_place(server.facts),
        notices=server.notices,
    )


def _is_same(before: Learned, connection: ConnectionFacts, server: AppServer) -> bool:
    """Whether it is the process from before; the owner names the process when it is ours."""
    known = (before.owner, before.facts.boot_id)
    return before.fits(connection) and known == (server.owner, server.facts.boot_id)
