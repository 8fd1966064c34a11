"""A real host with a real codex, a hub of the test's own, and a model that speaks by script."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.codex.generations import configure, host_with
from tests.support.link.hubs import HubPlace, hub_place
from tests.support.sshd.account_sshd import AccountSshd

from remora.demo.scripted_model import ScriptedModel, Step

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class AttachedHost:
    """The host is called devbox; its threads work in `project` below its home."""

    sshd: AccountSshd
    hub: HubPlace
    model: ScriptedModel

    @property
    def project(self) -> Path:
        return self.sshd.home / "project"

    @property
    def environment(self) -> dict[str, str]:
        """For programs that call ``remora``."""
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return {**os.environ, **self.hub.environment, "PATH": path}

    def cut(self) -> None:
        """Kill every connection to the host."""
        self.sshd.drop_connections()

    @asynccontextmanager
    async def started(self, *words: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """A program with pipes for its streams, in this environment; killed when it is still there at the end."""
        process = await asyncio.create_subprocess_exec(
            *words,
            env=self.environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=2**26,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()


@contextmanager
def attached_host(
    steps: Sequence[Step],
    tmp_path: Path,
    version: str = "0.163.0",
    *,
    options: Sequence[str] = (),
    network: bool = True,
) -> Iterator[AttachedHost]:
    """Everything stands, and nothing is connected. `options` are sshd's; see :class:`AccountSshd` for `network`."""
    with ScriptedModel(steps) as model, host_with(version, *options, network=network) as sshd:
        config = configure(sshd, model, tmp_path)
        with hub_place(REMORA_SSH_CONFIG=config) as hub:
            yield AttachedHost(sshd, hub, model)
