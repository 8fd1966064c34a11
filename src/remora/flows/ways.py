"""How streams to the app server and to ports come about on a live link: through the relay, or each by itself."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, Protocol

import msgspec

from remora.core.errors import Code, LaunchProblem
from remora.core.launching import BytePath, LaunchRequest
from remora.core.probes import FolderFacts, FolderState
from remora.flows.holding import Holder
from remora.flows.relay import RelaySession
from remora.flows.shell import ProbeRequest, RemoteShell, open_shell
from remora.flows.tunnel import open_tunnel
from remora.ports import ByteStream, RemoteHost, World

_ANSWER_LIMIT: Final = 4 * 1024 * 1024
"""Bytes of an answer about a folder: 200 neighbours with the longest names are far below."""


class Way(Protocol):
    """What a live link can reach."""

    @property
    def byte_path(self) -> BytePath: ...

    async def open_server(self, *, transient: bool = False) -> ByteStream:
        """A connection to the app server's control socket. A `transient` one keeps nothing alive."""
        ...

    async def open_port(self, port: int) -> ByteStream:
        """A connection to a TCP port of the host's loopback."""
        ...

    async def open_relay(self) -> ByteStream:
        """A connection for a relay session that somebody else has. Raises ``link-unsupported`` without a relay."""
        ...

    async def find_folder(self, folder: str | None) -> FolderFacts:
        """What `folder` is on the host; `None` is the home."""
        ...


class RelayWay:
    """Streams of one relay session: they outlive the connection."""

    byte_path = BytePath.RELAY

    def __init__(self, relay: RelaySession) -> None:
        self._relay = relay

    async def open_server(self, *, transient: bool = False) -> ByteStream:
        """See :class:`Way`."""
        return self._relay.open("server", transient=transient)

    async def open_port(self, port: int) -> ByteStream:
        """See :class:`Way`."""
        return self._relay.open(f"port:{port}")

    async def open_relay(self) -> ByteStream:
        """See :class:`Way`."""
        return self._relay.open("relay")

    async def find_folder(self, folder: str | None) -> FolderFacts:
        """See :class:`Way`. One round trip."""
        stream = self._relay.open(f"folder:{folder or ''}", transient=True)
        try:
            answer = bytearray()
            while data := await stream.read():
                answer += data
                if len(answer) > _ANSWER_LIMIT:
                    raise _unclear(answer, "the answer has no end")
        finally:
            await stream.close()
        try:
            said = msgspec.json.decode(bytes(answer), type=_FolderAnswer)
        except (ValueError, RecursionError) as error:
            raise _unclear(answer, str(error)) from None
        return FolderFacts(path=said.path, state=said.state, siblings=tuple(said.siblings))


class _FolderAnswer(msgspec.Struct):
    path: str
    state: FolderState
    siblings: list[str] = []


def _unclear(answer: bytes | bytearray, why: str) -> LaunchProblem:
    return LaunchProblem(
        Code.RELAY_FAILED,
        "The relay did not tell what the folder is.",
        seen=f"{why}: {bytes(answer[:200])!r}",
        next_step="Try again.",
    )


class PlainWay:
    """Each stream is a channel of the connection, or a proxy in a shell of its own; it ends with the connection."""

    def __init__(
        self, host: RemoteHost, request: LaunchRequest, world: World, *, socket: str, byte_path: BytePath
    ) -> None:
        self._host = host
        self._request = request
        self._world = world
        self._socket = socket
        self.byte_path = byte_path

    async def open_server(self, *, transient: bool = False) -> ByteStream:
        """See :class:`Way`. The host may refuse one more (``channel-refused``)."""
        if self.byte_path is BytePath.UNIX_SOCKET:
            return await self._host.open_unix_socket(self._socket)
        holder = Holder(self._proxy)
        try:
            return _Proxied(await holder.opened(), holder)
        except BaseException:
            await holder.close()
            raise

    async def open_port(self, port: int) -> ByteStream:
        """See :class:`Way`."""
        return await self._host.open_port(port)

    async def open_relay(self) -> ByteStream:
        """See :class:`Way`."""
        raise LaunchProblem(
            Code.LINK_UNSUPPORTED,
            "This host has no relay, so nothing can be kept there while nobody is connected.",
            next_step="Install Python 3.8 or newer on the host, and connect again.",
        )

    async def find_folder(self, folder: str | None) -> FolderFacts:
        """See :class:`Way`."""
        async with self._shell() as shell:
            return (await shell.probe(ProbeRequest(folder=folder, codex=self._request.codex))).folder

    @asynccontextmanager
    async def _proxy(self) -> AsyncIterator[ByteStream]:
        async with self._shell() as shell:
            facts = await shell.probe(ProbeRequest(codex=self._request.codex))
            yield (await open_tunnel(self._host, shell, self._socket, facts.codex)).stream

    def _shell(self) -> AbstractAsyncContextManager[RemoteShell]:
        world = self._world
        return open_shell(self._host, clock=world.clock, limits=world.limits, nonce=world.nonce)


class _Proxied:
    """A stream that ends with the shell it runs in."""

    def __init__(self, stream: ByteStream, holder: Holder[ByteStream]) -> None:
        self.read = stream.read
        self.write = stream.write
        self.write_eof = stream.write_eof
        self.close = holder.close
