"""One login: proving the host's key, then offering keys and answering the host's questions."""

from collections.abc import Callable, Sequence
from typing import Final

import asyncssh
from asyncssh.packet import PacketDecodeError, SSHPacket

from remora.adapters.asyncssh_host.keys import Identities
from remora.adapters.asyncssh_host.options import authority_signatures
from remora.adapters.asyncssh_host.short_way.lean_connection import LeanConnection
from remora.adapters.ssh.session_options import required_rsa_size
from remora.core.host.hosts import Host
from remora.core.host.known_hosts import KeyJudgement, KnownKeys, authority_signature, rsa_bits
from remora.ports import Dialogue, SecretQuestion

_COOKIE: Final = 16
_BANNER_KEPT: Final = 2000


class Login(asyncssh.SSHClient):
    """What asyncssh asks us while it logs in, and a record of how it went.

    The host key is judged before anything is sent, not even a user name. `shown` is the key that was not trusted (the
    authority's, if `shown_authority`); a caller that lets a person accept it logs in again with it as `accepted`, so
    that no login timer of the host runs while the person decides. `weak_bits` is the length of an RSA key of the host
    that is too short. `refused` once the host said no to something; `allowed` are the ways to log in that it named
    then, `last_words` what it said about the account.
    """

    def __init__(
        self,
        host: Host,
        dialogue: Dialogue,
        *,
        known: KnownKeys,
        accepted: bytes | None,
        key_types: Sequence[str],
        short_way: bool,
        key_proven: Callable[[], None],
        lost: Callable[[Exception | None], None],
    ) -> None:
        self.identities = Identities(host, dialogue)
        self.shown: asyncssh.SSHKey | None = None
        self.weak_bits: int | None = None
        self.shown_authority = False
        self.proven = False
        self.answered = False
        self.refused = False
        self.methods: list[str] = []
        self.allowed: list[str] = []
        self.banner = ""
        self.last_words = ""
        self._host = host
        self._dialogue = dialogue
        self._known = known
        self._accepted = accepted
        self._short_way = short_way
        self._key_types = key_types
        self._key_proven = key_proven
        self._lost = lost
        self._declined = False
        self._connection: asyncssh.SSHClientConnection | None = None
        self._proof = b""

    @property
    def attempted(self) -> bool:
        """Whether the host saw a key or an answer, so that another try counts against the user."""
        return self.identities.offered > 0 or self.answered

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        """Nothing has been sent yet."""
        self._connection = conn
        if self._short_way:
            LeanConnection.adopt(conn)
        validate = conn.validate_server_host_key

        def keep_and_validate(key_data: bytes) -> asyncssh.SSHKey:
            self._proof = key_data
            return validate(key_data)

        conn.validate_server_host_key = keep_and_validate  # type: ignore[method-assign]

    def connection_lost(self, exc: Exception | None) -> None:
        """End of the connection."""
        self.identities.close()
        self._lost(exc)

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Judge a plain host key."""
        if self._is_weak(key):
            return False
        trusted = self._known.judge(key.public_data) is KeyJudgement.TRUSTED or key.public_data == self._accepted
        return self._conclude(key, trusted=trusted)

    def validate_host_ca_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Judge the authority behind a host certificate; asyncssh then checks the certificate itself.

        Raises :class:`ValueError`, as asyncssh does, for a certificate that does not hold.
        """
        trusted = self._known.judge_authority(key.public_data) is KeyJudgement.TRUSTED
        signature = authority_signature(self._proof, key.public_data)
        if trusted and signature not in authority_signatures(self._host):
            raise ValueError(f"Its certificate authority signed with {signature!r}, which is not allowed")
        self.shown_authority = not trusted
        return self._conclude(key, trusted=trusted)

    def host_allows(self, methods: Sequence[str]) -> None:
        """Called when the host has said no: these are the ways to log in that it leaves."""
        self.allowed = list(methods)

    def auth_banner_received(self, msg: str, lang: str) -> None:
        """Keep the banner: it often says why a login is refused.

        A greeting comes before the host has refused anything; what comes later is about the account.
        """
        self.banner = (self.banner + msg)[-_BANNER_KEPT:]
        if self._connection is not None and "none" not in self._connection.get_server_auth_methods():
            self.last_words = (self.last_words + msg)[-_BANNER_KEPT:]

    async def public_key_auth_requested(self) -> asyncssh.SSHKeyPair | None:
        """Offer the next key."""
        if self.host_is_weak():
            return None
        self._tried("publickey")
        return await self.identities.next()

    async def kbdint_auth_requested(self) -> str | None:
        """Take part in keyboard-interactive once."""
        return "" if self._may_ask("keyboard-interactive") else None

    async def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> list[str] | None:
        """Ask the host's questions in their order, each line marked as the host's words.

        Without the mark a host could ask for the passphrase of a key in our own words.
        """
        heading = [line for text in (name, instructions) for line in text.splitlines()]
        answers = []
        for position, (prompt, echo) in enumerate(prompts):
            lines = [*(heading if position == 0 else ()), *(prompt.splitlines() or [""])]
            text = "\n".join(f"({self._host.user}@{self._host.hostname}) {line}" for line in lines)
            answer = await self._ask(text, echo=echo)
            if answer is None:
                return None
            answers.append(answer)
        return answers

    async def password_auth_requested(self) -> str | None:
        """Ask for the account's password once."""
        if not self._may_ask("password"):
            return None
        return await self._ask(f"Password for {self._host.user}@{self._host.hostname}: ", echo=False)

    def _conclude(self, key: asyncssh.SSHKey, *, trusted: bool) -> bool:
        if not trusted:
            self.shown = key
        elif not self.proven:  # a later key exchange proves it again
            self.proven = True
            self._key_proven()
        return trusted

    def host_is_weak(self) -> bool:
        """Whether the key that the host has proven is too short; that of a certificate is not seen any earlier."""
        key = None if self._connection is None else self._connection.get_server_host_key()
        return key is not None and self._is_weak(key)

    def other_key_types(self) -> list[str]:
        """The types of the host's keys when none was asked for; empty when there is one, or nothing was said.

        asyncssh goes on without a type in common, and the host ends the connection.
        """
        offer = SSHPacket(getattr(self._connection, "_server_kexinit", b""))
        try:
            offer.get_bytes(1 + _COOKIE)
            offer.get_namelist()
            types = [name.decode("ascii", "replace") for name in offer.get_namelist()]
        except PacketDecodeError:
            return []
        return [] if set(types) & set(self._key_types) else types

    def _is_weak(self, key: asyncssh.SSHKey) -> bool:
        bits = rsa_bits(key.public_data)
        if bits is not None and bits < required_rsa_size(self._host):
            self.weak_bits = bits
        return self.weak_bits is not None

    def _may_ask(self, method: str) -> bool:
        """A method that asks a person has one try, and none after the person declined."""
        if self._host.batch_mode or self._declined or method in self.methods or self.host_is_weak():
            return False
        self._tried(method)
        return True

    def _tried(self, method: str) -> None:
        self.refused = self.attempted  # something else is asked for only after a no
        if method not in self.methods:
            self.methods.append(method)

    async def _ask(self, prompt: str, *, echo: bool) -> str | None:
        secret = await self._dialogue.secret(SecretQuestion(alias=self._host.alias, prompt=prompt, echo=echo))
        self._declined = secret is None
        if secret is None:
            return None
        self.answered = True
        return secret.reveal()
