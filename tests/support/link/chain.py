"""The whole way: a hub of a test's own, a proxy that fails on request, a real sshd, and an app server behind it."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.base.until import wait_until
from tests.support.link.hubs import HubPlace, hub_place
from tests.support.network.fault_proxy import FaultProxy
from tests.support.network.faults import RefuseFor
from tests.support.sshd.system_sshd import SystemSshd

from remora.core.link.links import Liveness
from remora.core.settings import DEFAULT_LIMITS
from remora.hub_client.client import HubClient
from remora.wire.reports.links import LinkBody

ALIAS = "devbox"
ALWAYS = f'[hosts.{ALIAS}]\nreconnect = "always"\n'
_END_LIMIT = 10.0


@dataclass(frozen=True, slots=True)
class HostProcesses:
    """What sessions have left running on the host, by what it is."""

    app_servers: tuple[int, ...]
    relays: tuple[int, ...]
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """One laptop and one host. Users' own commands go through :attr:`place`."""

    folder: Path
    sshd: SystemSshd
    proxy: FaultProxy
    place: HubPlace
    ssh_config: Path

    @property
    def hub(self) -> HubClient:
        """The hub, to look at."""
        return HubClient(self.place.places.socket, DEFAULT_LIMITS)

    def connect(self) -> LinkBody:
        """``remora connect``; the link, live."""
        done = self.place.run("connect", ALIAS, "--json")
        assert done.returncode == 0, (done.stdout, done.stderr)
        (link,) = asyncio.run(self.hub.links(ALIAS, str(self.ssh_config)))
        return link

    async def link_when(self, seen: Callable[[LinkBody], bool], *, limit: float = 60.0, alias: str = ALIAS) -> LinkBody:
        """Wait until the link is as `seen` wants it."""
        last = None
        try:
            async with asyncio.timeout(limit), aclosing(self.hub.watch()) as states:
                async for state in states:
                    for last in state.links:
                        if last.host == alias and seen(last):
                            return last
        except TimeoutError:
            raise AssertionError(f"not within {limit} s; the link was {last}") from None
        raise AssertionError("the hub ended")

    async def live(self, *, breaks: int = 0, limit: float = 60.0) -> LinkBody:
        """Wait until the link is live after at least so many breaks."""
        return await self.link_when(lambda link: link.liveness == Liveness.LIVE and link.breaks >= breaks, limit=limit)

    async def gone_for(self, seconds: float, *, meanwhile: Callable[[], None] = lambda: None) -> None:
        """No connection can be had for so long; then wait until the link is live again by itself."""
        before = (await self.live()).breaks
        self.proxy.strike(RefuseFor(seconds))
        await self.link_when(lambda link: link.liveness != Liveness.LIVE)
        meanwhile()
        await self.live(breaks=before + 1, limit=seconds + 60)

    def host_processes(self) -> HostProcesses:
        """What runs on the host beside the sessions of now."""
        return processes_on(self.sshd)

    def control_socket(self) -> str:
        """Where the host's one app server listens."""
        (server,) = self.host_processes().app_servers
        named = _command(server).rpartition("unix://")[2].strip()
        usual = self.sshd.home / ".codex/app-server-control/app-server-control.sock"
        return named or str(usual.resolve())  # behind a link there may be a shorter name

    def descriptors(self) -> int:
        """How many files the hub has open."""
        return len(os.listdir(f"/proc/{self.place.pid}/fd"))  # noqa: PTH208 - a process's own listing

    def memory(self) -> int:
        """Bytes of memory that the hub alone has: what would be free without it."""
        return private_memory(self.place.pid or 0)


def processes_on(sshd: SystemSshd) -> HostProcesses:
    """What sessions have left running there."""
    servers, relays, others = [], [], []
    for pid in sshd.session_processes():
        command = _command(pid)
        if "app-server" in command and "--listen" in command:
            servers.append(pid)
        elif "remora-relay" in command:
            relays.append(pid)
        elif command:
            others.append(command)
    return HostProcesses(tuple(servers), tuple(relays), tuple(others))


@contextmanager
def chain(
    codex: Path,
    *,
    furnish: Callable[[Path], None] = lambda codex_home: None,
    options: Sequence[str] = (),
    extra: Sequence[str] = (),
    settings: str = ALWAYS,
    base: Path | None = None,
    direct: bool = False,
) -> Iterator[Chain]:
    """A chain with `codex` on the host, whose home `furnish` may fill. Nothing of it is left outside.

    `options` go to the sshd, `extra` lines to the SSH config, `settings` into remora's own settings file. `base` is
    where the scratch folder lies; the usual place is below the temporary folder. With `direct` the way leads round the
    proxy: for measurements.
    """
    folder = Path(tempfile.mkdtemp(prefix="c", dir=base))
    try:
        with SystemSshd(folder, options=options) as sshd:
            furnish_host(sshd, codex)
            furnish(sshd.home / ".codex")
            config = folder / "config"

            def write_config(port: int) -> None:
                lines = [*extra, f"Port {port}", f"HostKeyAlias [127.0.0.1]:{sshd.port}"]
                fresh = config.with_name("config.new")
                fresh.write_text(sshd.ssh_config(ALIAS, extra=lines))
                fresh.rename(config)

            with FaultProxy(sshd.port, moved=write_config) as proxy:
                write_config(sshd.port if direct else proxy.port)
                (folder / "etc/remora").mkdir(parents=True)
                (folder / "etc/remora/config.toml").write_text(settings)
                with hub_place(REMORA_SSH_CONFIG=str(config), XDG_CONFIG_HOME=str(folder / "etc")) as place:
                    try:
                        yield Chain(folder, sshd, proxy, place, config)
                    finally:
                        proxy.heal()
            end_servers(sshd)
    finally:
        shutil.rmtree(folder)


def furnish_host(sshd: SystemSshd, codex: Path) -> None:
    """Put `codex` first on the PATH of the host's login shell, and a folder to work in."""
    for name in (".bashrc", ".profile", ".zshenv"):
        (sshd.home / name).write_text(f'PATH="{codex.parent}:$PATH"\nexport PATH\n')
    (sshd.home / "work").mkdir()
    (sshd.home / ".codex").mkdir(mode=0o700)


def end_servers(sshd: SystemSshd) -> None:
    """Ask all that sessions have left to end, so that they take their sockets along."""
    for process in sshd.session_processes():
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGTERM)
    with suppress(AssertionError):
        wait_until(lambda: not sshd.session_processes(), limit=_END_LIMIT)


def private_memory(pid: int) -> int:
    """Bytes that only this process has."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Private_"))


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""
