"""A real app server on this machine, reached without SSH, over links that a test can cut."""

import asyncio
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from tests.support.codex.binaries import codex_binary
from tests.support.codex.schema import protocol_schema
from tests.support.network.streams import CuttableStream, ListeningStream, PipeStream, link_lost

from remora.adapters.machine.system_clock import SystemClock
from remora.core.host.hosts import Notice
from remora.core.link.links import HostIdentity
from remora.core.server.launch_plan import BytePath, LaunchMode
from remora.core.server.probes import FolderFacts, FolderState
from remora.core.settings import DEFAULT_LIMITS, Limits
from remora.flows.server.launch import Ahead, nothing_ahead
from remora.flows.server.rpc import RpcClient, open_rpc
from remora.wire.appserver.jsonrpc import Framing


@dataclass
class LocalServer:
    """What :class:`remora.flows.thread.run.RunServer` asks for."""

    rpc: RpcClient
    mode: LaunchMode
    byte_path: StrEnum
    version: str | None
    folder: str | None
    identity: HostIdentity | None = None
    user: str = "me"
    hostname: str = "localhost"
    owner: str | None = None
    codex_path: str | None = None
    notices: Sequence[Notice] = ()


@dataclass
class LocalAppServer:
    """``codex app-server`` of one version; the first generation speaks lines and ends with its link."""

    version: str
    config: str
    limits: Limits = DEFAULT_LIMITS
    links: list[CuttableStream] = field(default_factory=list)
    sent: list[Any] = field(default_factory=list)
    """Every message that we sent, over all links; each was checked against the server's own schema."""
    takes_ahead: bool = True
    """Whether requests may travel with ``initialize``; false: the thread is asked for when that is answered."""
    lose_before: str | None = None
    """Break the link when this method is about to leave, once: the server never gets it."""
    lose_after: str | None = None
    """Break the link when this method has left, once: the server may or may not get it. ``answer``: any of ours."""
    lose_answer_of: str | None = None
    """Break the link when the server answers this method, once: it has got it, and we do not know."""
    lose_when: Callable[[], Awaitable[None]] | None = None
    """What must have happened before that break. 0.133 forgets a turn whose client leaves before it has begun."""

    requirements: str | None = None
    """What ``/etc/codex/requirements.toml`` says to it alone, in a mount namespace (:func:`need_mounts`)."""

    async def __aenter__(self) -> Self:
        self._scratch = tempfile.TemporaryDirectory(prefix="app-server-")
        self.home = Path(self._scratch.name) / "home"
        self.folder = Path(self._scratch.name) / "work"
        self.home.mkdir(mode=0o700)
        self.folder.mkdir()
        (self.home / "config.toml").write_text(self.config)
        self._process: asyncio.subprocess.Process | None = None
        if not self.is_attached:
            await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()
        self._scratch.cleanup()

    @property
    def is_attached(self) -> bool:
        return self.version == "0.120.0"

    async def start(self) -> None:
        """Start the server on its socket and wait until it listens."""
        self._process = await asyncio.create_subprocess_exec(
            *(*self._program(), "app-server", "--listen", f"unix://{self._socket}"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=self._environment,
        )
        async with asyncio.timeout(20):
            while True:
                try:
                    _, writer = await asyncio.open_unix_connection(self._socket)
                except OSError:
                    await asyncio.sleep(0.01)
                    continue
                writer.close()
                await writer.wait_closed()
                return

    def _program(self) -> list[str]:
        codex = str(codex_binary(self.version))
        if self.requirements is None:
            return [codex]
        etc = Path(self._scratch.name) / "etc"
        if not etc.exists():
            subprocess.run(["cp", "-a", "/etc", str(etc)], check=True)
            (etc / "codex").mkdir(exist_ok=True)
            (etc / "codex/requirements.toml").write_text(self.requirements)
        return ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc && exec "$@"', str(etc), codex]

    async def stop(self) -> None:
        """Kill the server; its socket goes too, as after a restart of the machine."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
        if process is not None:
            await process.wait()
        self._socket.unlink(missing_ok=True)

    @asynccontextmanager
    async def connect(self, ahead: Ahead = nothing_ahead) -> AsyncIterator[LocalServer]:
        """A new link, as the launch flow would give it."""
        framing = Framing.LINES if self.is_attached else Framing.WEBSOCKET
        async with self._stream() as plain:
            link = CuttableStream(ListeningStream(plain, framing, self._heard))
            self.links.append(link)
            brings = any((place / ".codex").exists() for place in (self.folder, *self.folder.parents))
            found = FolderFacts(path=str(self.folder), state=FolderState.OK, brings=brings)
            first = ahead(found) if self.takes_ahead else ()
            async with open_rpc(link, framing, clock=SystemClock(), limits=self.limits, ahead=first) as rpc:
                yield LocalServer(
                    rpc,
                    LaunchMode.ATTACHED if self.is_attached else LaunchMode.ADOPTED,
                    BytePath.STDIO if self.is_attached else BytePath.UNIX_SOCKET,
                    self.version,
                    str(self.folder),
                )

    def cut(self) -> None:
        """Break the newest link."""
        self.links[-1].cut()

    def methods(self) -> list[str]:
        """The methods that we called, in order."""
        return [message["method"] for message in self.sent if "method" in message]

    def _heard(self, message: Any) -> None:
        self.sent.append(message)
        protocol_schema(self.version).check_message(message)
        method = message.get("method", "answer")
        if method == self.lose_before:
            self.lose_before = None
            self.cut()
            raise link_lost()
        if method == self.lose_after:
            self.lose_after = None
            self.links[-1].cut_after_write = True
        if method == self.lose_answer_of:
            self.lose_answer_of = None
            self.links[-1].before_cut = self.lose_when
            self.links[-1].cut_at_next_read = True

    @asynccontextmanager
    async def _stream(self) -> AsyncIterator[PipeStream]:
        if not self.is_attached:
            reader, writer = await asyncio.open_unix_connection(self._socket, limit=2**20)
            yield PipeStream(reader, writer)
            return
        process = await asyncio.create_subprocess_exec(
            *(*self._program(), "app-server"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=self._environment,
        )
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield PipeStream(process.stdout, process.stdin)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    @property
    def _socket(self) -> Path:
        return Path(self._scratch.name) / "s.sock"

    @property
    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CODEX")}
        return {**kept, "CODEX_HOME": str(self.home), "HOME": str(self.home), "TMPDIR": self._scratch.name}
