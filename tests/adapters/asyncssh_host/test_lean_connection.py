"""The short way of packets inside asyncssh: the same bytes as on its own way, and that it is taken at all."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import pytest
from asyncssh.encryption import GCMEncryption
from tests.support.base.loop import run
from tests.support.sshd.system_sshd import SystemSshd

from remora.adapters.asyncssh_host import AsyncsshDialler
from remora.adapters.asyncssh_host.short_way.lean_connection import LeanConnection
from remora.adapters.ssh.openssh_config import OpenSshResolver
from remora.flows.host.dial import find_route
from remora.flows.kit.unattended import UnattendedDialogue
from remora.ports import RemoteHost

_PACKET = 32 * 1024
"""The most that sshd sends or takes in one packet."""
_MIB = 2**20


@asynccontextmanager
async def dialled(server: SystemSshd, folder: Path, *lines: str) -> AsyncIterator[RemoteHost]:
    config = folder / "config"
    config.write_text(server.ssh_config("devbox", extra=lines))
    route = await find_route("devbox", OpenSshResolver(str(config)))
    async with AsyncsshDialler().dial(route, UnattendedDialogue()) as host:
        yield host


async def echoed(host: RemoteHost, data: bytes, piece: int) -> bytes:
    process = await host.start(["cat"])

    async def send() -> None:
        for start in range(0, len(data), piece):
            await process.write(data[start : start + piece])
        await process.write_eof()

    sending = asyncio.create_task(send())
    received = bytearray()
    while got := await process.read():
        received += got
    await sending
    return bytes(received)


@pytest.mark.sshd
@pytest.mark.parametrize(
    "lines",
    [
        pytest.param((), id="as-it-comes"),
        pytest.param(("Ciphers aes256-gcm@openssh.com",), id="aes256-gcm"),
        pytest.param(("Ciphers chacha20-poly1305@openssh.com",), id="chacha20"),
        pytest.param(("Ciphers aes128-ctr",), id="aes-ctr"),
        pytest.param(("Compression yes",), id="compressed"),
        pytest.param(("RekeyLimit 1M",), id="new-keys-all-the-time"),
    ],
)
def test_every_byte_comes_back_over_channels_side_by_side(tmp_path: Path, lines: tuple[str, ...]) -> None:
    makers = [random.Random(number) for number in range(3)]  # noqa: S311
    sent = [maker.randbytes(3 * _MIB + maker.randrange(100)) for maker in makers]

    async def go() -> None:
        async with dialled(server, tmp_path, *lines) as host:
            pieces = (777, _PACKET, 200_000)
            assert await asyncio.gather(*map(echoed, [host] * 3, sent, pieces)) == sent

    with SystemSshd(tmp_path) as server:
        run(go())


class _Heard(asyncssh.SSHClientSession[bytes]):
    """Notes in which pieces bytes come."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.begun = asyncio.Event()
        self.over = asyncio.Event()
        self.reason: Exception | None = None

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self.sizes.append(len(data))
        self.begun.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.reason = exc
        self.over.set()


class _Tunnel:
    """The way of asyncssh to a host, in pieces of `piece` bytes; `spoil` may change what comes."""

    def __init__(self, *, piece: int | None = None) -> None:
        self._piece = piece
        self.spoil = False
        self.session: asyncio.Protocol

    async def create_connection(
        self, session_factory: object, host: str, port: int
    ) -> tuple[asyncio.BaseTransport, asyncio.Protocol]:
        """Called by asyncssh."""
        session = self.session = session_factory()  # type: ignore[operator]
        LeanConnection.adopt(session)
        transport, _ = await asyncio.get_running_loop().create_connection(lambda: _Between(self, session), host, port)
        return transport, session

    def pass_on(self, data: bytes) -> None:
        if self.spoil:
            data = data[:-1] + bytes([data[-1] ^ 1])
        step = self._piece or len(data)
        for start in range(0, len(data), step):
            self.session.data_received(data[start : start + step])


class _Between(asyncio.Protocol):
    def __init__(self, tunnel: _Tunnel, session: asyncio.Protocol) -> None:
        self._tunnel = tunnel
        self.connection_made = session.connection_made  # type: ignore[method-assign]
        self.connection_lost = session.connection_lost  # type: ignore[method-assign]
        self.pause_writing = session.pause_writing  # type: ignore[method-assign]
        self.resume_writing = session.resume_writing  # type: ignore[method-assign]

    def data_received(self, data: bytes) -> None:
        self._tunnel.pass_on(data)


@asynccontextmanager
async def connected(server: SystemSshd, tunnel: _Tunnel) -> AsyncIterator[asyncssh.SSHClientConnection]:
    async with asyncssh.connect(
        "127.0.0.1",
        server.port,
        username=server.user,
        client_keys=[str(server.identity)],
        known_hosts=None,
        config=None,
        tunnel=tunnel,
        encryption_algs=["aes128-gcm@openssh.com"],
    ) as connection:
        yield connection


async def begin(connection: asyncssh.SSHClientConnection, command: str) -> _Heard:
    _, heard = await connection.create_session(_Heard, command, encoding=None)
    assert isinstance(heard, _Heard)
    return heard


async def zeros(connection: asyncssh.SSHClientConnection, size: int) -> _Heard:
    heard = await begin(connection, f"head -c {size} /dev/zero")
    await heard.over.wait()
    return heard


@pytest.mark.sshd
def test_the_short_way_is_taken_by_this_asyncssh(tmp_path: Path) -> None:
    async def go() -> None:
        async with connected(server, tunnel := _Tunnel()) as connection:
            assert type(tunnel.session) is LeanConnection
            heard = await zeros(connection, 16 * _MIB)
            assert sum(heard.sizes) == 16 * _MIB
            assert max(heard.sizes) > _PACKET, "packets in a row no longer come as one"

    with SystemSshd(tmp_path) as server:
        run(go())


@pytest.mark.sshd
def test_nothing_but_data_is_written_where_data_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    encrypt = GCMEncryption.encrypt_packet

    def counted(self: GCMEncryption, seq: int, header: bytes, packet: bytes) -> tuple[bytes, bytes]:
        sizes.append(len(packet))
        return encrypt(self, seq, header, packet)

    monkeypatch.setattr(GCMEncryption, "encrypt_packet", counted)

    async def go() -> None:
        async with connected(server, _Tunnel()) as connection:
            process = await connection.create_process("cat >/dev/null", encoding=None)
            sizes.clear()
            process.stdin.write(bytes(40 * _PACKET))
            await process.stdin.drain()
            assert len(sizes) <= 42, "packets are sent that carry nothing"
            process.stdin.write_eof()
            await process.wait()

    with SystemSshd(tmp_path) as server:
        run(go())


@pytest.mark.sshd
@pytest.mark.parametrize("piece", [1, 7, 4099])
def test_packets_may_come_in_pieces_of_any_size(tmp_path: Path, piece: int) -> None:
    async def go() -> None:
        async with connected(server, _Tunnel(piece=piece)) as connection:
            assert sum((await zeros(connection, 100_001)).sizes) == 100_001

    with SystemSshd(tmp_path) as server:
        run(go())


@pytest.mark.sshd
def test_a_forged_packet_ends_the_connection(tmp_path: Path) -> None:
    async def go() -> None:
        async with connected(server, tunnel := _Tunnel()) as connection:
            heard = await begin(connection, "cat /dev/zero")
            await heard.begun.wait()
            tunnel.spoil = True
            await heard.over.wait()
            assert isinstance(heard.reason, asyncssh.MACError)

    with SystemSshd(tmp_path) as server:
        run(go())
