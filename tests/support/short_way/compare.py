"""The same traffic through asyncssh as it is and through the short way: what each side of both has seen.

A case is made of a seed alone. It is played between two connections in memory: a server of plain asyncssh, and a client
that is plain or takes the short way. What the server writes may be spoiled, and comes in pieces of any size. Keys,
cookies and padding are made of the seed, too: what a spoiled packet says is decided by them, so with other keys each
play would be another case, and the same bytes come from the server on both ways.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import asyncssh
from asyncssh.connection import (
    SSHClientConnection,
    SSHClientConnectionOptions,
    SSHServerConnectionOptions,
)
from asyncssh.constants import (
    MSG_CHANNEL_CLOSE,
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_EOF,
    MSG_CHANNEL_EXTENDED_DATA,
    MSG_CHANNEL_REQUEST,
    MSG_CHANNEL_WINDOW_ADJUST,
    MSG_IGNORE,
    MSG_KEX_LAST,
    MSG_KEXINIT,
    MSG_NEWKEYS,
)
from asyncssh.packet import Boolean, SSHPacket, SSHPacketLogger, String, UInt32
from tests.support.short_way.cases import Case
from tests.support.short_way.fixed import fixed_chance, fixed_key
from tests.support.short_way.server import CaseConnection, CaseServer
from tests.support.short_way.wire import Spoiling, ThreadlessLoop, Wire

from remora.adapters.asyncssh_host.short_way.lean_connection import LeanConnection

_PASSES: Final = 16
"""Passes of the loop without a byte after which both sides have done all that they would."""
_MOST_PASSES: Final = 20_000


@dataclass(slots=True)
class Transcript:
    """What was seen by either side."""

    login: str = ""
    channels: list[list[tuple[Any, ...]]] = field(default_factory=list)
    ended: str | None = None
    heard_by_server: list[tuple[int, bytes]] = field(default_factory=list)
    server_ended: str | None = None
    attempts: list[str] = field(default_factory=list)
    """The proofs that the server has judged."""
    written_by_server: str = ""
    """A digest of all that the server wrote, encrypted. If it differs, the two plays were not of the same case."""


def play(case: Case, *, short: bool) -> Transcript:
    """The transcript of a case."""
    with fixed_chance(case.seed), asyncio.Runner(loop_factory=ThreadlessLoop) as runner:
        return runner.run(_Player(case, short).play())


def difference(case: Case) -> str | None:
    """What is not the same on both ways; `None`: nothing."""
    plain, short = play(case, short=False), play(case, short=True)
    for name in Transcript.__slots__:
        theirs, ours = getattr(plain, name), getattr(short, name)
        if theirs != ours:
            return f"{name}: asyncssh {_brief(theirs)}, the short way {_brief(ours)}"
    return None


# -- how it is played


class _Heard(asyncssh.SSHClientSession[bytes]):
    """Notes what comes on one channel; pieces in a row are one."""

    def __init__(self, log: list[tuple[Any, ...]]) -> None:
        self._log = log

    def data_received(self, data: bytes, datatype: int | None) -> None:
        if self._log and self._log[-1][:2] == ("data", datatype):
            data = self._log.pop()[2] + data
        self._log.append(("data", datatype, data))

    def eof_received(self) -> bool:
        self._log.append(("eof",))
        return True

    def exit_status_received(self, status: int) -> None:
        self._log.append(("exit", status))

    def connection_lost(self, exc: Exception | None) -> None:
        self._log.append(("lost", _told(exc)))


class _Client(asyncssh.SSHClient):
    def __init__(self, transcript: Transcript, case: Case, short: bool) -> None:
        self._transcript = transcript
        self._short = short
        self._keys = {"key": [1], "second key": [0, 1], "denied": [0]}.get(case.login, [])

    def connection_made(self, conn: SSHClientConnection) -> None:
        if self._short:
            LeanConnection.adopt(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transcript.ended = _told(exc)

    def public_key_auth_requested(self) -> asyncssh.SSHKey | None:
        return fixed_key(self._keys.pop(0)) if self._keys else None

    def password_auth_requested(self) -> str | None:
        asked, self._asked = getattr(self, "_asked", False), True
        return None if asked else "let me in"


class _Player:
    def __init__(self, case: Case, short: bool) -> None:
        self._case = case
        self._transcript = Transcript(channels=[[] for _ in case.windows])
        self._short = short
        self._to_client, self._to_server = Wire(), Wire()
        self._host = CaseServer(case)
        self._client: SSHClientConnection
        self._server: CaseConnection
        self._channels: list[Any] = []
        self._spoiling: Spoiling | None = None

    async def play(self) -> Transcript:
        with self._recorded():
            await self._connect()
            if self._transcript.login == "in":
                await self._open_channels()
                for name, *rest in self._case.steps:
                    getattr(self, "_" + name.replace(" ", "_"))(*rest) if name != "go" else await self._go(*rest)
                await self._go(1.0)
            self._client.abort()
            self._server.abort()
            await self._settle(1.0)
        self._transcript.server_ended = _told(self._host.ended)
        self._transcript.attempts = self._host.attempts
        self._transcript.written_by_server = self._to_client.digest.hexdigest()
        return self._transcript

    async def _connect(self) -> None:
        loop, case = asyncio.get_running_loop(), self._case
        algorithms = {
            "encryption_algs": [case.cipher],
            "mac_algs": ["hmac-sha2-256"],
            "kex_algs": ["curve25519-sha256"],
            "compression_algs": ["zlib@openssh.com"] if case.compressed else ["none"],
        }
        served = SSHServerConnectionOptions(
            server_factory=lambda: self._host,
            server_host_keys=[fixed_key(2)],
            server_version="OpenSSH_9.9" if case.says_openssh else "Other_1.0",
            encoding=None,
            login_timeout=0,
            kbdint_auth=False,
            config=None,
            **algorithms,
        )
        wanted = SSHClientConnectionOptions(
            client_factory=partial(_Client, self._transcript, case, self._short),
            username="anybody",
            known_hosts=None,
            config=None,
            agent_path=None,
            client_keys=None,
            login_timeout=0,
            connect_timeout=0,
            preferred_auth="publickey,password",
            **algorithms,
        )
        wanted.waiter = loop.create_future()
        self._server = CaseConnection(loop, served)
        self._server.begin(case, self._to_client)
        self._client = SSHClientConnection(loop, wanted, wait="auth")
        self._server.connection_made(self._to_client)  # type: ignore[arg-type]
        self._client.connection_made(self._to_server)  # type: ignore[arg-type]
        await self._settle(case.login_share)
        waiter = wanted.waiter
        if not waiter.done():
            self._transcript.login = "waits"
        else:
            error = waiter.exception()
            self._transcript.login = "in" if error is None else _told(error) or ""

    async def _open_channels(self) -> None:
        self._transcript.heard_by_server.clear()  # a login in fewer flights is one of other requests
        for log, window in zip(self._transcript.channels, self._case.windows, strict=True):
            opening = asyncio.ensure_future(
                self._client.create_session(
                    partial(_Heard, log), "idle", encoding=None, window=window, max_pktsize=32 * 1024
                )
            )
            await self._settle(1.0)
            self._channels.append((await opening)[0])

    async def _go(self, share: float) -> None:
        """Let all that waits arrive, in pieces of that `share`."""
        await self._settle(share)

    async def _settle(self, share: float) -> None:
        quiet = 0
        for _ in range(_MOST_PASSES):
            quiet = 0 if await self._deliver(share) else quiet + 1
            if quiet == _PASSES:
                return
            await asyncio.sleep(0)
        raise AssertionError(f"the traffic of case {self._case.seed} does not end")

    async def _deliver(self, share: float) -> bool:
        packets, new_keys_from = self._to_client.take()
        said, _ = self._to_server.take()
        if said and not self._to_client.closed:
            self._server.data_received(b"".join(said), None)
        if packets and self._spoiling is not None and self._spoiling.spoil(packets, new_keys_from):
            self._spoiling = None
        came = b"".join(packets)
        step = max(int(len(came) * share), 1) if share >= 0.02 else 7
        for start in range(0, len(came), step):
            if not self._to_server.closed:
                self._client.data_received(came[start : start + step], None)
                await asyncio.sleep(0)  # as any socket: what a connection does about an error comes before more bytes
        return bool(packets or said)

    # -- what the server does

    def _send(self, kind: int, *content: bytes) -> None:
        if not self._to_client.closed:
            self._server.tell(kind, *content)

    def _number(self, channel: int) -> bytes:
        """What the client calls its channel: they are opened in order, and numbers are not used again."""
        return UInt32(channel)

    def _data(self, channel: int, data: bytes) -> None:
        self._send(MSG_CHANNEL_DATA, self._number(channel), String(data))

    def _row(self, pieces: tuple[tuple[int, bytes], ...]) -> None:
        for channel, data in pieces:
            self._data(channel, data)

    def _extended(self, channel: int, kind: int, data: bytes) -> None:
        self._send(MSG_CHANNEL_EXTENDED_DATA, self._number(channel), UInt32(kind), String(data))

    def _adjust(self, channel: int, amount: int) -> None:
        self._send(MSG_CHANNEL_WINDOW_ADJUST, self._number(channel), UInt32(amount))

    def _request(self, channel: int, name: bytes, answer: bool) -> None:
        self._send(MSG_CHANNEL_REQUEST, self._number(channel), String(name), Boolean(answer), UInt32(3))

    def _eof(self, channel: int) -> None:
        self._send(MSG_CHANNEL_EOF, self._number(channel))

    def _close(self, channel: int) -> None:
        self._send(MSG_CHANNEL_CLOSE, self._number(channel))

    def _packet(self, kind: int, content: bytes) -> None:
        if kind not in {MSG_KEXINIT, MSG_NEWKEYS}:  # those change what the server itself does next
            self._send(kind, content)

    def _malformed(self, channel: int, content: bytes, unknown: bool) -> None:
        self._send(MSG_CHANNEL_DATA, UInt32(77) if unknown else self._number(channel), content)

    def _raw(self, inside: bytes) -> None:
        if not self._to_client.closed:
            self._server.tell_raw(inside)

    def _new_keys(self) -> None:
        if not self._to_client.closed:
            self._server.exchange_keys()

    def _spoil_next(self, how: str, place: float, byte: int) -> None:
        self._spoiling = Spoiling(how, place, byte)

    def _spoil_after_new_keys(self, how: str, packet: int, byte: int) -> None:
        self._spoiling = Spoiling(how, packet, byte, after_new_keys=True)

    # -- what the client does

    def _new_keys_from_the_client(self) -> None:
        self._client._rekey_bytes_sent = self._client._rekey_bytes

    def _write(self, channel: int, data: bytes) -> None:
        self._try(lambda: self._channels[channel].write(data))

    def _write_eof(self, channel: int) -> None:
        self._try(self._channels[channel].write_eof)

    def _leave(self, channel: int) -> None:
        self._try(self._channels[channel].close)

    def _pause(self, channel: int) -> None:
        self._try(self._channels[channel].pause_reading)

    def _resume(self, channel: int) -> None:
        self._try(self._channels[channel].resume_reading)

    def _try(self, call: Callable[[], object]) -> None:
        try:
            call()
        except Exception as error:  # what asyncssh does not expect has to be the same, too
            self._transcript.channels[0].append(("refused", _told(error)))

    @contextmanager
    def _recorded(self) -> Iterator[None]:
        """Note each packet that the server has read, but for those that carry nothing or keys."""
        original = SSHPacketLogger.log_received_packet

        def note(handler: SSHPacketLogger, kind: int, number: int | None, packet: SSHPacket, remark: str = "") -> None:
            if getattr(handler, "_conn", handler) is not self._server or kind == MSG_IGNORE:
                return
            content = b"" if MSG_KEXINIT <= kind <= MSG_KEX_LAST else bytes(packet.get_full_payload())
            self._transcript.heard_by_server.append((kind, content))

        SSHPacketLogger.log_received_packet = note  # type: ignore[method-assign,assignment]
        try:
            yield
        finally:
            SSHPacketLogger.log_received_packet = original  # type: ignore[method-assign]


def _told(error: BaseException | None) -> str | None:
    return None if error is None else f"{type(error).__name__}: {error}"


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) < 400 else f"{text[:400]}… ({len(text)} characters)"
