"""Which way to a host: the user's live control master, else what the settings say, else what the host understands."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeAlias

from remora.adapters.ssh.dial_gate import DialGate
from remora.adapters.ssh.ssh_failures import refused_silently
from remora.core.errors import AuthenticationProblem, Code, RemoraError, Stage
from remora.core.host.hosts import Host, Notice, Route
from remora.core.settings import DEFAULT_LIMITS, Limits, Transport
from remora.ports import Dialler, Dialogue, RemoteHost, ShellMemory

_Way: TypeAlias = tuple[tuple[str, str, int], ...]
"""Whose logins they are, and where: a user, a name and a port for each hop."""

_ONLY_OPENSSH: Final = frozenset({Code.OPTION_UNSUPPORTED, Code.KEY_EXCHANGE_FAILED, Code.AGENT_REFUSED})
"""Failures of the built-in SSH that the system's ``ssh`` may not have; none of them is a no of the host.

An agent signs with a key that is for certain hosts only when ``ssh`` has shown it the host's own proof.
"""


class ChoosingDialler:
    """A :class:`remora.ports.Dialler` that makes no login where the user's control master lives.

    `choose` names the transport for an alias, `make` gives the dialler for one. Logins of our own wait at
    `gate` for each other. Where the built-in SSH cannot do what the configuration or the host asks for, the system's
    ``ssh`` connects, and a notice says so; it connects at once from then on where the host was the reason.
    """

    def __init__(
        self,
        choose: Callable[[str], Transport],
        make: Callable[[Transport], Dialler],
        *,
        gate: DialGate,
        limits: Limits = DEFAULT_LIMITS,
        shells: ShellMemory | None = None,
    ) -> None:
        self._shells = shells
        self._gate = gate
        self._choose = choose
        self._make = make
        self._limits = limits
        self._mute: set[tuple[int, int]] = set()
        self._beyond: dict[_Way, Notice] = {}
        self._cut: set[_Way] = set()

    @asynccontextmanager
    async def dial(self, route: Route, dialogue: Dialogue) -> AsyncIterator[RemoteHost]:
        """See :class:`remora.ports.Dialler`."""
        host, path = route.target, control_path(route.target)
        mark = None if path is None else _mark(path)
        if path is not None and mark is not None and mark not in self._mute:
            from remora.adapters.openssh_host import UserMaster

            master = UserMaster(host, path, self._limits, shells=self._shells)
            if await master.join():
                try:
                    async with master.use(route) as remote:
                        yield remote
                finally:
                    if master.mute:
                        self._mute.add(mark)
                return
        if mark is not None:
            route = replace(route, notices=(*route.notices, _unused(host, path)))
        async with AsyncExitStack() as stack:
            way = tuple((host.user, host.hostname, host.port) for host in (*route.jumps, route.target))
            try:
                remote = await self._log_in(stack, way, route, dialogue)
            except RemoraError as error:
                raise self._repeated(way, route, error) from None
            self._cut.discard(way)
            yield remote

    def _repeated(self, way: "_Way", route: Route, error: RemoraError) -> RemoraError:
        """A login that ends twice in a row, when the host should have said yes, is refused; once may be the network."""
        if error.code is not Code.CONNECTION_CLOSED or error.stage is not Stage.AUTHENTICATION:
            self._cut.discard(way)
            return error
        if way in self._cut:
            return refused_silently(route.target, error.seen)
        self._cut.add(way)
        return error

    async def _log_in(self, stack: AsyncExitStack, way: "_Way", route: Route, dialogue: Dialogue) -> RemoteHost:
        transport, reason = self._choose(route.target.alias), self._beyond.get(way)
        agent_refused: RemoraError | None = None
        if transport is Transport.BUILT_IN and reason is None:
            try:
                return await stack.enter_async_context(self._gate.dial(self._make(transport), route, dialogue))
            except RemoraError as error:
                if error.code not in _ONLY_OPENSSH:
                    raise
                reason = Notice("openssh-used", f"{error.message} remora uses the system's ssh.")
                if error.code is Code.AGENT_REFUSED:
                    agent_refused = error
                if error.code is Code.KEY_EXCHANGE_FAILED:
                    self._beyond[way] = reason
        if reason is not None:
            route = replace(route, notices=(*route.notices, reason))
        try:
            openssh = self._make(Transport.OPENSSH)
            return await stack.enter_async_context(self._gate.dial(openssh, route, dialogue))
        except RemoraError as error:
            self._beyond.pop(way, None)
            if agent_refused is not None and isinstance(error, AuthenticationProblem):
                raise agent_refused from None
            if reason is not None:
                error.seen = f"{reason.message}\n{error.seen}".strip()
            raise


def control_path(host: Host) -> Path | None:
    """Where the configuration has a control master for this host; ``ssh -G`` has expanded it."""
    value = next(iter(host.options.get("controlpath", ())), "none")
    return Path(value) if value.startswith("/") else None


def _mark(path: Path) -> tuple[int, int] | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_dev, facts.st_ino


def _unused(host: Host, path: Path | None) -> Notice:
    return Notice(
        "control-master-unused",
        f"The control socket {path} of {host.alias} is there, but no master answers behind it; "
        "remora made a new connection.",
    )
