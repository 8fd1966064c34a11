"""asyncssh's connection with a login in fewer flights.

asyncssh waits for an answer to each of four questions: may I log in, without proof, with this key, with this signature.
OpenSSH's server takes them as they come, so all of them leave together here, once it has said which signatures it
knows: three round trips less. What the host sees, and in which order, stays what it was, but for the question whether
it would take the key: one that signs without a person being asked signs at once. Any other server, and one that says
nothing of signatures, is asked in asyncssh's own way. Uses private parts of asyncssh, as :mod:`.lean_connection` does.
"""

from typing import Any, Final

import asyncssh
from asyncssh.auth import _ClientPublicKeyAuth
from asyncssh.constants import MSG_EXT_INFO, MSG_SERVICE_ACCEPT, MSG_USERAUTH_FAILURE, MSG_USERAUTH_SUCCESS
from asyncssh.misc import ProtocolError, ServiceNotAvailable
from asyncssh.packet import Boolean, SSHPacket, String

_USERAUTH: Final = b"ssh-userauth"
_PUBLIC_KEY: Final = b"publickey"
_SERVERS: Final = b"SSH-2.0-OpenSSH_"


class EarlyLogin(asyncssh.SSHClientConnection):
    """A connection that logs in before it has been told that it may."""

    _begun = False
    """Whether the login has begun before the host said that it may."""
    _ahead: "_KeyAhead | None" = None
    """The first key, on its way while the answer to the request without proof is."""
    _unwanted = 0
    """How many answers are still to come to requests that are of no use any more."""

    def try_next_auth(self, *, next_method: bool = False) -> None:
        """Called by asyncssh when the host has said no, and in the beginning."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            if self._auth_methods[:1] == [_PUBLIC_KEY] and not ahead.missing:
                if self._auth is not None:
                    self._auth.cancel()
                self._auth = ahead
                return
            ahead.cancel()
            self._unwanted += ahead.sent
        super().try_next_auth(next_method=next_method)

    def _cleanup(self, exc: Exception | None) -> None:
        """Called by asyncssh in the end, however it comes."""
        self._give_up_ahead()
        super()._cleanup(exc)

    def _give_up_ahead(self) -> None:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.cancel()

    def _process_ext_info(self, kind: int, number: int, packet: SSHPacket) -> None:
        super()._process_ext_info(kind, number, packet)
        first = not self._begun  # a host may say twice what it knows, and is to be asked once
        if first and self._next_service == _USERAUTH and self._server_version.startswith(_SERVERS):
            self._begun = True
            self._auth_in_progress = True
            self._owner.begin_auth(self._username)
            self.try_next_auth()
            if (self._preferred_auth or [])[:1] == [_PUBLIC_KEY]:
                self._ahead = _KeyAhead(self, _PUBLIC_KEY)

    def _process_service_accept(self, kind: int, number: int, packet: SSHPacket) -> None:
        if not self._begun:
            super()._process_service_accept(kind, number, packet)
            return
        service = packet.get_string()
        packet.check_end()
        if service != self._next_service:
            raise ServiceNotAvailable("Unexpected service in service accept")
        self._next_service = None

    def _process_userauth_failure(self, kind: int, number: int, packet: SSHPacket) -> None:
        self._refuse_before_service("failure")
        tell = getattr(self._owner, "host_allows", None)
        if tell is not None:
            methods = SSHPacket(packet.get_remaining_payload()).get_namelist()
            tell([method.decode("ascii", "replace") for method in methods])
        if self._unwanted:
            self._unwanted -= 1
        else:
            super()._process_userauth_failure(kind, number, packet)

    def _process_userauth_success(self, kind: int, number: int, packet: SSHPacket) -> None:
        self._refuse_before_service("success")
        self._give_up_ahead()
        super()._process_userauth_success(kind, number, packet)

    def _refuse_before_service(self, answer: str) -> None:
        """Fail as asyncssh does where a host answers to a login before it has said that there is one."""
        if self._next_service is not None:
            raise ProtocolError(f"Unexpected userauth {answer} response")

    _packet_handlers: Any = {
        **asyncssh.SSHClientConnection._packet_handlers,  # noqa: SLF001
        MSG_EXT_INFO: _process_ext_info,
        MSG_SERVICE_ACCEPT: _process_service_accept,
        MSG_USERAUTH_FAILURE: _process_userauth_failure,
        MSG_USERAUTH_SUCCESS: _process_userauth_success,
    }


class _KeyAhead(_ClientPublicKeyAuth):
    """The first key, offered before the host has said whether it takes keys at all."""

    sent = False
    """Whether the host will have an answer to it."""
    missing = False
    """Whether there is no key."""

    async def _start(self) -> None:
        pair = self._keypair = await self._conn.public_key_auth_requested()
        if pair is not None:
            await self._offer(pair, signed=getattr(pair, "signs_alone", False))
            self.sent = True
        elif self._conn._auth is self:  # noqa: SLF001
            self._conn.try_next_auth(next_method=True)
        else:
            self.missing = True

    async def _offer(self, pair: asyncssh.SSHKeyPair, *, signed: bool) -> None:
        await self.send_request(
            Boolean(signed),
            String(pair.algorithm),
            String(pair.public_data),
            key=pair if signed else None,
            trivial=not signed,
        )
