"""The ways out that a link gives its host, by the host's port."""

from remora.core.errors import Code, ConfigProblem
from remora.core.link.egress import EgressRequest, check_request
from remora.core.link.upstream import read_upstream
from remora.core.secrets import Secret
from remora.flows.forward.egress import USER, Egress
from remora.flows.forward.host_ports import HostPort, HostPorts
from remora.ports import World
from remora.wire.reports import error_body
from remora.wire.reports.links import EgressBody


class Egresses:
    """Those of one link. Each is opened again on every connection, and gone with the link.

    Each has a password of its own, which ends with it.
    """

    def __init__(self, alias: str, ports: HostPorts, world: World) -> None:
        self._alias = alias
        self._ports = ports
        self._world = world
        self._open: list[tuple[HostPort, Egress]] = []

    @property
    def bodies(self) -> list[EgressBody]:
        """All of them, in the order they were opened, without their passwords."""
        return [self._body(port, egress) for port, egress in self._open]

    async def open(self, request: EgressRequest) -> tuple[EgressBody, bool]:
        """What `request` asks for, and whether anything is new; one that is there already is used again.

        On a port that has one already the destinations are those of the latest request. Raises ``usage``,
        ``egress-refused``, ``link-missing``.
        """
        egress = self._make(request)
        there = self._find(request, egress)
        if there is not None and there[0].lost:
            await self.stop(there[0].wanted)
            there = None
        if there is None:
            port = await self._ports.add(request.port or 0, egress.visit)
            self._open.append((port, egress))
            return self._body(port, egress, told=True), True
        port, before = there
        changed = _differs(before, egress)
        before.destinations, before.upstream = egress.destinations, egress.upstream
        if before.password is None or egress.password is None:
            before.password = egress.password
        return self._body(port, before, told=True), changed

    async def stop(self, port: int | None = None) -> list[EgressBody]:
        """Close the one at `port` of the host, or all; those that were there. Their clients are let go."""
        stopped = [each for each in self._open if port in (None, each[0].port, each[0].wanted)]
        self._open = [each for each in self._open if each not in stopped]
        bodies = [self._body(*each) for each in stopped]
        for host_port, _ in stopped:
            await self._ports.remove(host_port)
        return bodies

    def _make(self, request: EgressRequest) -> Egress:
        destinations = check_request(request)
        if self._world.onward is None:
            raise ConfigProblem(
                Code.OPTION_UNSUPPORTED,
                "This program opens no egress.",
                next_step="Use the command: remora forward --egress",
            )
        return Egress(
            destinations,
            direct=request.to is not None,
            password=Secret(self._world.nonce()) if request.password and request.to is None else None,
            upstream=read_upstream(request.proxy, request.no_proxy),
            onward=self._world.onward,
            clock=self._world.clock,
            limits=self._world.limits,
        )

    def _find(self, request: EgressRequest, egress: Egress) -> tuple[HostPort, Egress] | None:
        for port, other in self._open:
            if other.direct is egress.direct and (
                request.port in (port.port, port.wanted)
                if request.port is not None
                else other.destinations == egress.destinations
            ):
                return port, other
        return None

    def _body(self, port: HostPort, egress: Egress, *, told: bool = False) -> EgressBody:
        return EgressBody(
            host=self._alias,
            shape="direct" if egress.direct else "proxy",
            destinations=[str(each) for each in egress.destinations],
            port=port.port,
            wanted=port.wanted,
            password=egress.password is not None,
            url=_url(port, egress) if told else None,
            upstream=None if egress.upstream is None else str(egress.upstream),
            clients=egress.clients,
            refused=egress.refused,
            trouble=egress.trouble,
            error=None if port.error is None else error_body(port.error),
        )


def _differs(one: Egress, other: Egress) -> bool:
    known = (one.destinations, one.upstream, one.password is None)
    return known != (other.destinations, other.upstream, other.password is None)


def _url(port: HostPort, egress: Egress) -> str:
    login = "" if egress.password is None else f"{USER}:{egress.password.reveal()}@"
    return f"http://{login}127.0.0.1:{port.port or port.wanted}"
