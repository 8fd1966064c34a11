"""The host of a case: a server of plain asyncssh that takes the case's login and writes the packets it is told to."""

from typing import Any

import asyncssh
from asyncssh.connection import SSHServerConnection
from asyncssh.constants import MSG_EXT_INFO, MSG_IGNORE, MSG_NEWKEYS, MSG_SERVICE_ACCEPT
from asyncssh.packet import SSHPacketLogger, UInt32
from tests.support.short_way.cases import Case
from tests.support.short_way.fixed import fixed_key
from tests.support.short_way.wire import Wire


class CaseServer(asyncssh.SSHServer):
    """Takes the logins that the case says."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self.ended: Exception | None = None
        self.attempts: list[str] = []

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = exc

    def begin_auth(self, username: str) -> bool:
        return self._case.login != "open"

    def public_key_auth_supported(self) -> bool:
        return self._case.login in {"key", "second key", "denied"}

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        self.attempts.append(key.get_fingerprint())
        return bool(key == fixed_key(1).convert_to_public())

    def password_auth_supported(self) -> bool:
        return self._case.login in {"password", "denied"}

    def validate_password(self, username: str, password: str) -> bool:
        self.attempts.append(password)
        return self._case.login == "password" and password == "let me in"

    def session_requested(self) -> asyncssh.SSHServerSession[bytes]:
        return _Idle()


class _Idle(asyncssh.SSHServerSession[bytes]):
    """A program that takes everything and says what the case says."""

    def exec_requested(self, command: str) -> bool:
        return True


class CaseConnection(SSHServerConnection):
    """Writes what it is told to, and on the case's word no empty packets of its own accord, as sshd does."""

    _case: Case
    _wire: Wire
    _told_to = False

    def begin(self, case: Case, wire: Wire) -> None:
        """Say what to do, and where it is written."""
        self._case, self._wire = case, wire

    def send_packet(self, pkttype: int, *args: bytes, handler: SSHPacketLogger | None = None) -> None:
        told_to, self._told_to = self._told_to, False
        if pkttype == MSG_IGNORE and self._case.bare and not told_to:
            return
        if pkttype == MSG_SERVICE_ACCEPT and self._case.says_ahead is not None:
            kind, content = self._case.says_ahead
            super().send_packet(kind, content)
        super().send_packet(pkttype, *args, handler=handler)
        if pkttype == MSG_EXT_INFO and self._case.says_signatures_twice:
            super().send_packet(pkttype, *args, handler=handler)
        if pkttype == MSG_NEWKEYS:
            self._wire.mark_new_keys()

    def tell(self, kind: int, *content: bytes) -> None:
        """Write one packet, also one without content."""
        if self._transport is not None:
            self._told_to = True
            self.send_packet(kind, *content)

    def tell_raw(self, inside: bytes) -> None:
        """Seal `inside` as a packet as it is: the length of its padding, what it says, and padding, or none of that."""
        sealing: Any = self._send_encryption
        if self._transport is not None and self._kex_complete:
            sealed, mac = sealing.encrypt_packet(self._send_seq, UInt32(len(inside)), inside)
            self._send(sealed + mac)
            self._send_seq = (self._send_seq + 1) & 0xFFFFFFFF

    def exchange_keys(self) -> None:
        """Begin to."""
        if self._transport is not None and self._kex_complete:
            self._send_kexinit()
            self._kexinit_sent = True
