"""A link that does what a test says."""

import asyncio
from collections.abc import Callable

from remora import wiring
from remora.core.errors import Code, NeedsPerson, RemoraError, Unreachable
from remora.core.link.egress import EgressRequest, check_request
from remora.core.link.links import HostIdentity, LinkName, Liveness
from remora.core.server.probes import FolderFacts, FolderState
from remora.core.settings import ReconnectPolicy
from remora.flows.kit.news import News
from remora.flows.link.targets import Aim
from remora.hub.held import LinkCaller
from remora.ports import ByteStream, Dialogue, Far, Near, SecretQuestion
from remora.testing.memory_streams import memory_stream_pair
from remora.wire.hub.control import Connect
from remora.wire.reports import error_body
from remora.wire.reports.links import EgressBody, LinkBody


def machine(name: str) -> HostIdentity:
    """A machine of that name."""
    return HostIdentity(
        host_key_fingerprint=f"SHA256:{name}", machine_id=name, boot_id=None, account="me", codex_home="/home/me/.codex"
    )


class FakeEgresses:
    """See :class:`remora.hub.held.LinkEgresses`: ports of a host that is not there."""

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self.bodies: list[EgressBody] = []

    async def open(self, request: EgressRequest) -> tuple[EgressBody, bool]:
        body = EgressBody(
            host=self._alias,
            shape="proxy",
            destinations=[str(each) for each in check_request(request)],
            port=request.port or 50000,
            wanted=request.port or 50000,
            password=request.password,
        )
        self.bodies.append(body)
        return body, True

    async def stop(self, port: int | None = None) -> list[EgressBody]:
        stopped = [body for body in self.bodies if port in (None, body.port)]
        self.bodies = [body for body in self.bodies if body not in stopped]
        return stopped


class FakeLink:
    """See :class:`remora.hub.held.SupervisedLink`. `trouble` is raised by attempts; `asks` is a prompt before each."""

    def __init__(self, name: LinkName, socket: str, *, identity: HostIdentity) -> None:
        self.name = name
        self.identity: HostIdentity | None = identity
        self.doors = {name: socket}
        self.egresses = FakeEgresses(name.alias)
        self.trouble: RemoraError | None = None
        self.asks: str | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.liveness = Liveness.CONNECTING
        self.error: RemoraError | None = None
        self.secrets: list[str] = []
        self.clients = 0
        self.mends = False
        """Whether another way to the same machine helps."""
        self.dials = 0
        self.crash: Exception | None = None
        self._news = News()
        self._over = asyncio.Event()

    @property
    def aliases(self) -> tuple[LinkName, ...]:
        return tuple(self.doors)

    async def refresh(self) -> None:
        """Nothing changes there unheard."""

    async def run(self) -> None:
        await self._over.wait()
        if self.crash is not None:
            raise self.crash

    async def bring_up(self, dialogue: Dialogue, *, accepts_change: bool = False) -> bool:
        if self.liveness is Liveness.LIVE:
            return False
        self.dials += 1
        try:
            await self.gate.wait()
            if self.asks is not None:
                secret = await dialogue.secret(SecretQuestion(alias=self.name.alias, prompt=self.asks))
                self.secrets.append("" if secret is None else secret.reveal())
            if self.trouble is not None:
                raise self.trouble
        except RemoraError as error:
            self.error = error
            self._become(Liveness.NEEDS_HUMAN if isinstance(error, NeedsPerson) else Liveness.SUSPENDED)
            raise
        self._become(Liveness.LIVE)
        return True

    def body(self, name: LinkName | None = None) -> LinkBody:
        name = name or self.name
        return LinkBody(
            host=name.alias,
            aliases=[other.alias for other in self.doors],
            ssh_config=name.ssh_config,
            liveness=self.liveness,
            since=0.0,
            socket=self.doors.get(name, ""),
            policy="while-active",
            clients=self.clients,
            error=None if self.error is None else error_body(self.error),
        )

    async def changed(self, seen: int) -> int:
        return await self._news.since(seen)

    async def add_alias(self, name: LinkName, aim: Aim, socket_path: str) -> None:
        self.doors.setdefault(name, socket_path)
        if self.mends:
            self.trouble = None

    def set_policy(self, policy: ReconnectPolicy) -> None:
        """Nothing reconnects here."""

    async def remove_alias(self, name: LinkName) -> None:
        self.doors.pop(name, None)

    def carry_port(self, port: int, near: Near, *, left: Callable[[], None]) -> Far | None:
        return None

    def flush(self) -> None:
        pass

    async def open_port(self, port: int) -> ByteStream:
        near, far = memory_stream_pair()
        await far.write(f"port {port}".encode())
        await far.write_eof()
        return near

    async def find_folder(self, folder: str | None) -> FolderFacts:
        return FolderFacts(path=f"/home/me/{folder or ''}", state=FolderState.OK)

    async def stop(self, *, stop_server: bool = False, force: bool = False) -> str:
        if stop_server and self.trouble is not None and not force:
            raise self.trouble
        self._become(Liveness.STOPPED)
        self._over.set()
        return "stopped" if stop_server else "left"

    def leave(self) -> None:
        """The last client leaves."""
        self.clients = 0
        self._news.tell()

    def lose(self, error: RemoraError) -> None:
        """Lose the connection; attempts fail like that from now on."""
        self.trouble = self.error = error
        self._become(Liveness.SUSPENDED)

    def fail(self, error: Exception) -> None:
        """End in a way that no link should."""
        self.crash = error
        self._over.set()

    def _become(self, liveness: Liveness) -> None:
        self.liveness = liveness
        self._news.tell()


class FakeLinks:
    """Makes them; `prepare` changes each before it is used. `made` has all, by alias."""

    def __init__(self, prepare: Callable[[FakeLink], None] = lambda link: None) -> None:
        self._prepare = prepare
        self.made: dict[str, FakeLink] = {}

    def aim(self, request: Connect, caller: LinkCaller) -> Aim:
        """See :class:`remora.hub.registry.LinkMaker`: nothing is dialled."""
        return Aim(request.alias, wiring.default_world(), meaning=request.meaning)

    def make(self, request: Connect, socket_path: str, caller: LinkCaller) -> FakeLink:
        """See :class:`remora.hub.registry.LinkMaker`."""
        name = request.meant_name.name
        link = self.made[name.alias] = FakeLink(name, socket_path, identity=machine(name.alias))
        self._prepare(link)
        return link


def dead(alias: str) -> Unreachable:
    """What a machine that is off says."""
    return Unreachable(Code.CONNECTION_REFUSED, "Nobody is there.", next_step="Switch it on.", host=alias)
