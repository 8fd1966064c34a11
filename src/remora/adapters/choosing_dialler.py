"""Which way to a host: the user's live control master, else what the settings say."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from remora.adapters.dial_gate import DialGate
from remora.core.hosts import Host, Notice, Route
from remora.core.settings import DEFAULT_LIMITS, Limits, Transport
from remora.ports import Dialler, Dialogue, RemoteHost


class ChoosingDialler:
    """A :class:`remora.ports.Dialler` that makes no login where the user's control master lives.

    `choose` names the transport for an alias, `make` gives the dialler for one. Logins of our own wait at
    `gate` for each other.
    """

    def __init__(
        self,
        choose: Callable[[str], Transport],
        make: Callable[[Transport], Dialler],
        *,
        gate: DialGate,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._gate = gate
        self._choose = choose
        self._make = make
        self._limits = limits
        self._mute: set[tuple[int, int]] = set()

    @asynccontextmanager
    async def dial(self, route: Route, dialogue: Dialogue) -> AsyncIterator[RemoteHost]:
        """See :class:`remora.ports.Dialler`."""
        host, path = route.target, control_path(route.target)
        mark = None if path is None else _mark(path)
        if path is not None and mark is not None and mark not in self._mute:
            from remora.adapters.openssh_host import UserMaster

            master = UserMaster(host, path, self._limits)
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
        dialler = self._make(self._choose(host.alias))
        async with self._gate.dial(dialler, route, dialogue) as remote:
            yield remote


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
        "a connection of its own was made.",
    )
