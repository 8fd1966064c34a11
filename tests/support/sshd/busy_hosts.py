"""Several hosts behind one hub that answer all the time, and one of them that stops."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.codex.fake_codex import Fault, install
from tests.support.link.chain import end_servers
from tests.support.link.hubs import HubPlace, hub_place
from tests.support.network.byte_server import ECHO
from tests.support.sshd.system_sshd import SystemSshd

from remora.adapters.machine.local_sockets import SystemSockets
from remora.ports import ByteStream

COUNT: Final = 5
MESSAGES: Final = 200


@contextmanager
def hub_over(folder: Path, hosts: Sequence[SystemSshd]) -> Iterator[HubPlace]:
    """A hub that knows the hosts as host0, host1 and so on."""
    config = folder / "ssh_config"
    config.write_text("".join(host.ssh_config(f"host{number}") for number, host in enumerate(hosts)))
    with hub_place(REMORA_SSH_CONFIG=str(config), XDG_CONFIG_HOME=str(folder)) as place:
        yield place


def connect(place: HubPlace, count: int) -> list[str]:
    """Live links to the first `count` hosts; their sockets."""
    answer = place.document("connect", *(f"host{number}" for number in range(count)))
    assert answer["ok"], answer
    return [host["link"]["socket"] for host in answer["hosts"]]


async def said_back(stream: ByteStream, message: bytes) -> float:
    """Seconds until `message` has come back."""
    began = time.perf_counter()
    await stream.write(message)
    left = len(message)
    while left:
        data = await stream.read()
        assert data
        left -= len(data)
    return time.perf_counter() - began


async def echoes(socket: str, count: int = MESSAGES) -> list[float]:
    """How long so many messages took over one connection to the app server's place."""
    stream = await SystemSockets().connect(socket)
    await stream.write(ECHO)
    try:
        return [await said_back(stream, bytes(200)) for _ in range(count)]
    finally:
        await stream.close()


@dataclass(frozen=True, slots=True)
class BusyHosts:
    """Live links to all of them; the first one is the one that may stop."""

    place: HubPlace
    sockets: list[str]
    victim: SystemSshd

    async def tail(self) -> float:
        """The 95th percentile of the seconds that messages to all others take."""
        taken = await asyncio.gather(*(echoes(socket) for socket in self.sockets[1:]))
        return statistics.quantiles([each for one in taken for each in one], n=20)[-1]

    @asynccontextmanager
    async def one_frozen(self) -> AsyncIterator[None]:
        """Inside the block the first host does nothing, with a message on its way to it."""
        with self.victim.paused():
            stuck = asyncio.ensure_future(echoes(self.sockets[0], 1))
            yield
            assert not stuck.done()
        await stuck


@contextmanager
def busy_hosts(folder: Path) -> Iterator[BusyHosts]:
    """They are there inside the block."""
    with ExitStack() as stack:
        hosts = [stack.enter_context(SystemSshd(folder)) for _ in range(COUNT)]
        for number, host in enumerate(hosts):
            stack.callback(end_servers, host)
            fake = install(folder / "programs/codex", Fault.PLAIN_BYTES)
            (host.home / ".profile").write_text(
                f'PATH="{fake.parent}:$PATH"\nCODEX_HOME="$HOME/{number}"\nexport PATH CODEX_HOME\n'
            )
            (host.home / ".bashrc").write_text((host.home / ".profile").read_text())
        place = stack.enter_context(hub_over(folder, hosts))
        yield BusyHosts(place, connect(place, COUNT), hosts[0])
