"""Both ways to speak SSH, chosen as in production, for a configuration file of a test."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.support.base.loop import run

from remora.adapters.asyncssh_host import AsyncsshDialler
from remora.adapters.dialler_choice import ChoosingDialler
from remora.adapters.openssh_host import OpensshDialler
from remora.adapters.ssh.dial_gate import DialGate
from remora.adapters.ssh.openssh_config import OpenSshResolver
from remora.core.settings import DEFAULT_LIMITS, Transport
from remora.flows.host.dial import find_route
from remora.flows.kit.unattended import UnattendedDialogue
from remora.ports import ConnectionFacts, Dialler, Dialogue


@dataclass(slots=True)
class BothTransports:
    """A laptop with the SSH configuration `config`; `dialled` says who spoke SSH, in order."""

    config: Path
    sockets: Path
    dialled: list[Transport]
    dialler: ChoosingDialler

    def log_in(self, alias: str = "devbox", dialogue: Dialogue | None = None) -> ConnectionFacts:
        """One login and a command, then gone. Raises what a user would see."""

        async def work() -> ConnectionFacts:
            route = await find_route(alias, OpenSshResolver(str(self.config)))
            async with self.dialler.dial(route, dialogue or UnattendedDialogue()) as host:
                process = await host.start(("echo", "hello"))
                assert await process.read() == b"hello\n"
                assert (await process.wait()).status == 0
                return host.facts

        return run(work())


@contextlib.contextmanager
def both_transports(config: Path, *, transport: Transport = Transport.BUILT_IN) -> Iterator[BothTransports]:
    """`transport` is what the settings say. Sockets of ``ssh`` have a short path inside the block."""
    with tempfile.TemporaryDirectory(prefix="r", dir="/tmp") as folder:
        dialled: list[Transport] = []

        def make(transport: Transport) -> Dialler:
            dialled.append(transport)
            if transport is Transport.OPENSSH:
                return OpensshDialler(lambda: Path(folder), ssh_config=str(config))
            return AsyncsshDialler()

        gate = DialGate(DEFAULT_LIMITS, Random(1))  # noqa: S311 - spreads attempts, nothing else
        dialler = ChoosingDialler(lambda alias: transport, make, gate=gate)
        yield BothTransports(config, Path(folder), dialled, dialler)
