"""This machine as a remote host: commands run under a shell here, their pipes are the channel."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Mapping, Sequence

from tests.support.network.streams import PipeStream, link_lost

from remora.core.errors import Code, ShellProblem, Unreachable
from remora.core.server.shells import quote_words
from remora.ports import ByteStream, ConnectionFacts, ExitStatus, RemoteProcess, Visitor
from remora.testing.memory_host import MemoryHost

_BUFFER = 1024 * 1024


class LocalProcess(PipeStream):
    """A :class:`remora.ports.RemoteProcess` without a network."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        assert process.stdin is not None
        super().__init__(process.stdout, process.stdin)
        self.process = process
        self._closed = False

    async def read(self, limit: int = 65536) -> bytes:
        if self._closed:
            raise link_lost()
        return await super().read(limit)

    async def write_eof(self) -> None:
        with contextlib.suppress(OSError):
            await super().write_eof()

    async def read_error(self, limit: int = 65536) -> bytes:
        assert self.process.stderr is not None
        return await self.process.stderr.read(limit)

    async def wait(self) -> ExitStatus:
        return ExitStatus(status=await self.process.wait())

    async def kill(self) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go, as sshd does when the connection has ended: the pipes close, the process lives on if it can."""
        self._closed = True
        self._writer.close()
        transport = self.process._transport  # type: ignore[attr-defined]
        for number in (0, 1, 2):
            if (pipe := transport.get_pipe_transport(number)) is not None:
                pipe.close()


class LocalHost:
    """A :class:`remora.ports.RemoteHost` whose commands run here; ended by :func:`local_host`.

    `noise` is what its login shell says first.
    """

    def __init__(self, environment: Mapping[str, str] | None = None, *, noise: str = "") -> None:
        self._environment = environment
        self._noise = noise
        self.processes: list[LocalProcess] = []

    @property
    def facts(self) -> ConnectionFacts:
        return MemoryHost(lambda words: None).facts

    async def start(self, words: Sequence[str]) -> RemoteProcess:
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", f"{self._noise}\n{quote_words(words)}"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._environment,
            limit=_BUFFER,
        )
        self.processes.append(LocalProcess(process))
        return self.processes[-1]

    async def open_unix_socket(self, path: str) -> ByteStream:
        raise _refused()

    async def open_port(self, port: int) -> ByteStream:
        raise _refused()

    def serve_port(self, port: int, visitor: Visitor) -> contextlib.AbstractAsyncContextManager[int]:
        raise _refused()

    async def wait_lost(self) -> Unreachable:
        never: asyncio.Future[Unreachable] = asyncio.get_running_loop().create_future()
        return await never

    async def end(self) -> None:
        """Let go of everything, and wait until it is gone; what does not go within seconds is killed."""
        for process in self.processes:
            await process.close()
        for process in self.processes:
            try:
                async with asyncio.timeout(10):
                    await process.wait()
            except TimeoutError:
                process.process.send_signal(signal.SIGKILL)
                await process.wait()
                raise AssertionError("a command outlived its channel") from None


@contextlib.asynccontextmanager
async def local_host(environment: Mapping[str, str] | None = None, *, noise: str = "") -> AsyncIterator[LocalHost]:
    """A host inside the block."""
    host = LocalHost(environment, noise=noise)
    try:
        yield host
    finally:
        await host.end()


def _refused() -> ShellProblem:
    return ShellProblem(Code.CHANNEL_REFUSED, "This host opens no channels.", next_step="Use the relay.")
