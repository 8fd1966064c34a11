"""How streams to the app server and to ports come about on a live link: through the relay, or each by itself."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, Protocol

import msgspec

from remora.core.errors import Code, LaunchProblem
from remora.core.server.answers import read_answers
from remora.core.server.launch_plan import BytePath, LaunchRequest
from remora.core.server.markers import Marker, read_marker
from remora.core.server.probes import FolderFacts, FolderState
from remora.core.server.scripts import script
from remora.flows.kit.held_open import Holder
from remora.flows.relay.relay import RelaySession
from remora.flows.server.shell import ProbeRequest, RemoteShell, open_shell, shipped
from remora.flows.server.tunnel import open_tunnel
from remora.ports import ByteStream, Far, Near, RemoteHost, World

_MARKER: Final = ("lock", "provision/marker", "provision/marker_wait")
_ANSWER_LIMIT: Final = 4 * 1024 * 1024
"""Bytes of an answer about a folder: 200 neighbours with the longest names are far below."""


class Reach(Protocol):
    """What a live link can reach."""

    @property
    def byte_path(self) -> BytePath: ...

    async def open_server(self, *, transient: bool = False) -> ByteStream:
        """A connection to the app server's control socket. A `transient` one keeps nothing alive."""
        ...

    async def open_port(self, port: int) -> ByteStream:
        """A connection to a TCP port of the host's loopback."""
        ...

    def carry_port(self, port: int, near: Near, *, served: Callable[[], None], left: Callable[[], None]) -> Far | None:
        """The same for `near`, without waiting; `None` where that cannot be. See :meth:`RelaySession.carry`."""
        ...

    def flush(self) -> None:
        """Let go what was told to connections that are carried."""
        ...

    async def open_relay(self) -> ByteStream:
        """A connection for a relay session that somebody else has. Raises ``link-unsupported`` without a relay."""
        ...

    async def find_folder(self, folder: str | None) -> FolderFacts:
        """What `folder` is on the host; `None` is the home."""
        ...

    async def read_marker(self, state_folder: str) -> Marker:
        """The ready marker that lies in `state_folder` now."""
        ...


class RelayWay:
    """Streams of one relay session: they outlive the connection."""

    byte_path = BytePath.RELAY

    def __init__(self, relay: RelaySession, nonce: Callable[[], str]) -> None:
        self._relay = relay
        self._nonce = nonce

    async def open_server(self, *, transient: bool = False) -> ByteStream:
        """See :class:`Reach`."""
        return self._relay.open("server", transient=transient)

    async def open_port(self, port: int) -> ByteStream:
        """See :class:`Reach`."""
        return self._relay.open(f"port:{port}")

    def carry_port(self, port: int, near: Near, *, served: Callable[[], None], left: Callable[[], None]) -> Far | None:
        """See :class:`Reach`."""
        return self._relay.carry(f"port:{port}", near, served=served, left=left)

    def flush(self) -> None:
        """See :class:`Reach`."""
        self._relay.flush()

    async def open_relay(self) -> ByteStream:
        """See :class:`Reach`."""
        return self._relay.open("relay")

    async def find_folder(self, folder: str | None) -> FolderFacts:
        """See :class:`Reach`. One round trip."""
        answer = await self._ask(f"folder:{folder or ''}", b"")
        try:
            said = msgspec.json.decode(answer, type=_FolderAnswer)
        except (ValueError, RecursionError) as error:
            raise _unclear("the folder", answer, str(error)) from None
        return FolderFacts(path=said.path, state=said.state, siblings=tuple(said.siblings), brings=said.brings)

    async def read_marker(self, state_folder: str) -> Marker:
        """See :class:`Reach`. One round trip."""
        nonce = self._nonce()
        variables = {"remora_nonce": nonce, **_marker_variables(state_folder)}
        text = script(variables, [shipped(name) for name in ("prelude", *_MARKER)])
        answer = await self._ask("script", text.encode("utf-8", "surrogateescape"))
        answers = read_answers(answer, nonce)
        if answers.one("end") is None:
            raise _unclear("the ready marker", answer, "the answer is incomplete")
        return read_marker(answers)

    async def _ask(self, target: str, text: bytes) -> bytes:
        """All that the host says to `text`."""
        stream = self._relay.open(target, transient=True)
        try:
            if text:
                await stream.write(text)
            await stream.write_eof()
            answer = bytearray()
            while data := await stream.read():
                answer += data
                if len(answer) > _ANSWER_LIMIT:
                    raise _unclear("the answer to a question", answer, "the answer is incomplete")
        finally:
            await stream.close()
        return bytes(answer)


class _FolderAnswer(msgspec.Struct):
    path: str
    state: FolderState
    siblings: list[str] = []
    brings: bool = False


def _marker_variables(state_folder: str) -> dict[str, str]:
    return {"remora_state": state_folder, "remora_known": "", "remora_limit": "0"}


def _unclear(what: str, answer: bytes | bytearray, why: str) -> LaunchProblem:
    return LaunchProblem(
        Code.RELAY_FAILED,
        f"The relay did not report {what}.",
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
        """See :class:`Reach`. The host may refuse one more (``channel-refused``)."""
        if self.byte_path is BytePath.UNIX_SOCKET:
            return await self._host.open_unix_socket(self._socket)
        holder = Holder(self._proxy)
        try:
            return _Proxied(await holder.opened(), holder)
        except BaseException:
            await holder.close()
            raise

    async def open_port(self, port: int) -> ByteStream:
        """See :class:`Reach`."""
        return await self._host.open_port(port)

    def carry_port(self, port: int, near: Near, *, served: Callable[[], None], left: Callable[[], None]) -> Far | None:
        """See :class:`Reach`. A channel has to be asked for, and waited for."""
        return None

    def flush(self) -> None:
        """See :class:`Reach`."""

    async def open_relay(self) -> ByteStream:
        """See :class:`Reach`."""
        raise LaunchProblem(
            Code.LINK_UNSUPPORTED,
            "This host has no relay, so it cannot keep data while no client is connected.",
            next_step="Install Python 3.8 or newer on the host, and connect again.",
        )

    async def find_folder(self, folder: str | None) -> FolderFacts:
        """See :class:`Reach`."""
        async with self._shell() as shell:
            return (await shell.probe(ProbeRequest(folder=folder, codex=self._request.codex))).folder

    async def read_marker(self, state_folder: str) -> Marker:
        """See :class:`Reach`. The host may refuse one more session (``channel-refused``)."""
        async with self._shell() as shell:
            texts = [shipped(name) for name in _MARKER]
            limit = self._world.limits.probe
            return read_marker(await shell.enter("marker", _marker_variables(state_folder), texts, limit=limit))

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
