"""The user's keys: which are offered, in which order, and unlocking one only when the host would take it."""

import asyncio
import base64
import contextlib
import copy
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import asyncssh
from asyncssh.agent import SSHAgentKeyPair

from remora.adapters.asyncssh_host.certificates import certificate_fault
from remora.adapters.files.whole_file import read_whole
from remora.adapters.ssh.session_options import option, required_rsa_size
from remora.core.host.hosts import Host, Notice
from remora.core.host.known_hosts import rsa_bits
from remora.core.text import decode
from remora.ports import Dialogue, SecretQuestion

_OPENSSH_MAGIC: Final = b"openssh-key-v1\0"
_DEFAULT_NAMES: Final = frozenset(
    {"id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk", "id_xmss", "id_dsa"}
)
_CERTIFICATE: Final = b"-cert-v01@openssh.com"
_OTHERS_MAY_READ: Final = 0o077
_PASSPHRASE_TRIES: Final = 3
"""How often a passphrase is asked for, unless NumberOfPasswordPrompts says otherwise."""


@dataclass(frozen=True, slots=True)
class _KeyFile:
    """An identity file whose public half is known; `private` is `None` when there is only that half."""

    path: str
    public: asyncssh.SSHKey
    private: asyncssh.SSHKey | None
    encrypted: bool
    missing: bool = False
    """Whether the file itself is not there, only its public half."""


class _SealedKey(ValueError):
    """A key file of which nothing can be known without its passphrase."""


class _AgentKeyPair(SSHAgentKeyPair):
    """A key of the agent, which may refuse to sign; `identities` hear of both."""

    def __init__(self, agent: asyncssh.SSHAgentClient, pair: asyncssh.SSHKeyPair, identities: "Identities") -> None:
        super().__init__(agent, pair.algorithm, pair.public_data, pair.get_comment_bytes() or b"")
        self._identities = identities

    async def sign_async(self, data: bytes) -> bytes:
        """Have it signed."""
        try:
            signature = await super().sign_async(data)
        except ValueError:
            name = decode(self.get_comment_bytes() or b"")
            self._identities.agent_refused = name or self.get_algorithm()
            raise
        self._identities.signed = True
        return signature


class _FileKeyPair(asyncssh.SSHKeyPair):
    """A key from a file that is unlocked at the moment it must sign."""

    def __init__(
        self,
        path: str,
        public: asyncssh.SSHKey,
        certificate: asyncssh.SSHCertificate | None,
        unlock: Callable[[], Awaitable[asyncssh.SSHKey]],
        identities: "Identities",
        *,
        signs_alone: bool,
    ) -> None:
        super().__init__(
            public.algorithm,
            public.algorithm,
            public.sig_algorithms,
            public.sig_algorithms,
            public.public_data,
            None,
            certificate,
        )
        self.path = path
        self._unlock = unlock
        self._identities = identities
        self.signs_alone = signs_alone
        """Whether nobody will be asked for a passphrase."""

    async def sign_async(self, data: bytes) -> bytes:
        """Sign; a key that needs a passphrase only after the host said that it would take it."""
        key = await self._unlock()
        signature = await asyncio.get_running_loop().run_in_executor(None, key.sign, data, self.sig_algorithm)
        self._identities.signed = True
        return signature


class Identities:
    """Everything that may be offered to one host, in OpenSSH's order.

    Certificates first, then agent keys that the configuration lists, other agent keys unless IdentitiesOnly, then the
    remaining files. `offered` counts what the host was shown, `signed` is set when the last of it was proven with a
    signature. `problems` say why keys could not be used, `certificate_faults` what a host will not like about what it
    was shown, `agent_refused` which key the agent did not sign with.
    """

    def __init__(self, host: Host, dialogue: Dialogue) -> None:
        self._host = host
        self._dialogue = dialogue
        self._agent: asyncssh.SSHAgentClient | None = None
        self._sealed: list[str] = []
        self._unlocked: dict[str, asyncssh.SSHKey] = {}
        self._offers: AsyncIterator[asyncssh.SSHKeyPair] | None = None
        self._shortest = required_rsa_size(host)
        self._kinds = frozenset(option(host, "pubkeyacceptedalgorithms").split(",")) - {""}
        self.offered = 0
        self.signed = False
        self.problems: list[str] = []
        self.certificate_faults: list[str] = []
        self.agent_refused: str | None = None
        self.notices: list[Notice] = []

    async def next(self) -> asyncssh.SSHKeyPair | None:
        """The next key to offer."""
        self.signed = False
        if self._offers is None:
            self._offers = self._all_offers()
        async for pair in self._offers:
            if self._may_be_offered(pair):
                self._note_certificate(pair)
                self.offered += 1
                return pair
        return None

    def close(self) -> None:
        """Let go of the agent and of unlocked keys."""
        if self._agent is not None:
            self._agent.close()
        self._unlocked.clear()

    async def _all_offers(self) -> AsyncIterator[asyncssh.SSHKeyPair]:
        files = await asyncio.to_thread(self._read_key_files)
        certificates = await asyncio.to_thread(self._read_certificates, [file.path for file in files])
        agent_keys = await self._read_agent_keys()
        listed = {file.public.public_data for file in files}
        in_agent = {pair.public_data for pair in agent_keys}
        self._note_missing(file for file in files if file.public.public_data not in in_agent)
        listed_in_agent = [pair for pair in agent_keys if pair.public_data in listed]
        agent_order = listed_in_agent + [pair for pair in agent_keys if pair.public_data not in listed]
        if self._host.identities_only:
            agent_order = [pair for pair in agent_order if pair.public_data in listed or _is_listed(pair, certificates)]
        file_order = [file for file in files if file.public.public_data not in in_agent]
        usable = [file for file in file_order if file.private is not None or file.encrypted]
        for certificate in certificates:
            for pair in agent_order:
                if pair.key_public_data == certificate.key.public_data and not pair.has_cert:
                    yield _with_certificate(pair, certificate)
            for file in usable:
                if file.public.public_data == certificate.key.public_data:
                    yield self._file_pair(file, certificate)
        for pair in agent_order:
            yield pair
        for file in usable:
            yield self._file_pair(file, None)
        async for file in self._unseal():
            yield self._file_pair(file, None)

    async def _unseal(self) -> AsyncIterator[_KeyFile]:
        """The keys that have to be unlocked before anybody knows what they are."""
        for path in self._sealed:
            with contextlib.suppress(ValueError):  # it is among the problems
                key = await self._unlock(path)
                yield _KeyFile(path, key.convert_to_public(), key, encrypted=True)

    def _may_be_offered(self, pair: asyncssh.SSHKeyPair) -> bool:
        """Whether RequiredRSASize and PubkeyAcceptedAlgorithms allow a key; a file that they forbid is a problem."""
        bits = rsa_bits(pair.key_public_data)
        if bits is not None and bits < self._shortest:
            reason = f"it has {bits} bits, and RequiredRSASize asks for {self._shortest}"
        elif self._kinds and self._kinds.isdisjoint(_signature_names(pair.algorithm.decode("ascii"))):
            reason = f"PubkeyAcceptedAlgorithms does not have {pair.get_algorithm()}"
        else:
            return True
        if isinstance(pair, _FileKeyPair):
            self.problems.append(f"{pair.path}: {reason}")
        return False

    def _note_missing(self, files: Iterable[_KeyFile]) -> None:
        for file in files:
            if file.missing:
                message = f"{file.path} does not exist, and no SSH agent has the key of {file.path}.pub."
                self.notices.append(Notice("identity-file-missing", message))

    def _note_certificate(self, pair: asyncssh.SSHKeyPair) -> None:
        """What a host will not like about a certificate; only the host knows whether it is so."""
        if pair.algorithm.endswith(_CERTIFICATE):
            fault = certificate_fault(pair.public_data, self._host.user)
            if fault is not None:
                self.certificate_faults.append(fault)

    async def _read_agent_keys(self) -> Sequence[asyncssh.SSHKeyPair]:
        path = self._host.identity_agent
        if path is None:
            return []
        try:
            agent = self._agent = await asyncssh.connect_agent(path)
            return [_AgentKeyPair(agent, pair, self) for pair in await agent.get_keys()]
        except (OSError, ValueError) as error:
            self.notices.append(Notice("agent-unreachable", f"The SSH agent at {path} does not answer: {error}"))
            return []

    def _read_key_files(self) -> list[_KeyFile]:
        found = []
        for path in dict.fromkeys(self._host.identity_files):
            try:
                file = _read_key_file(path)
            except FileNotFoundError:
                beside = _public_key_beside(path)
                if beside is not None:
                    found.append(_KeyFile(path, beside, None, encrypted=False, missing=True))
                elif Path(path).name not in _DEFAULT_NAMES:
                    self.notices.append(Notice("identity-file-missing", f"The identity file {path} does not exist."))
            except _SealedKey:
                self._sealed.append(path)
            except OSError as error:
                self.problems.append(f"{path}: {error.strerror or error}")
            except ValueError as error:
                self.problems.append(f"{path}: {error}")
            else:
                found.append(self._without_security_key(file))
        return found

    def _without_security_key(self, file: _KeyFile) -> _KeyFile:
        """Only an agent can talk to the device behind such a file; its public half still names the agent's key."""
        if not file.public.algorithm.startswith(b"sk-"):
            return file
        if self._host.identity_agent is None:
            message = f"{file.path} belongs to a security key, which is used only through an SSH agent."
            self.notices.append(Notice("security-key-file", message))
        return replace(file, private=None, encrypted=False)

    def _read_certificates(self, key_paths: Sequence[str]) -> list[asyncssh.SSHCertificate]:
        found = []
        for path in dict.fromkeys((*self._host.certificate_files, *(f"{path}-cert.pub" for path in key_paths))):
            try:
                found.append(asyncssh.import_certificate(read_whole(path)))
            except FileNotFoundError:
                if path in self._host.certificate_files:
                    self.notices.append(Notice("certificate-missing", f"The certificate file {path} does not exist."))
            except (OSError, ValueError) as error:
                self.problems.append(f"{path}: {error}")
        return found

    def _file_pair(self, file: _KeyFile, certificate: asyncssh.SSHCertificate | None) -> asyncssh.SSHKeyPair:
        async def unlock() -> asyncssh.SSHKey:
            return file.private or await self._unlock(file.path)

        return _FileKeyPair(file.path, file.public, certificate, unlock, self, signs_alone=file.private is not None)

    async def _unlock(self, path: str) -> asyncssh.SSHKey:
        """Ask for the passphrase. A plain ValueError makes asyncssh go on to the next key."""
        if path in self._unlocked:
            return self._unlocked[path]
        if self._host.batch_mode:
            self.problems.append(f"{path}: remora did not ask for its passphrase, because BatchMode is set")
            raise ValueError("no passphrase in batch mode")
        tries = option(self._host, "numberofpasswordprompts")
        prompt = f"Passphrase for key {path}: "
        for _ in range(int(tries) if tries.isdecimal() else _PASSPHRASE_TRIES):
            question = SecretQuestion(alias=self._host.alias, prompt=prompt)
            secret = await self._dialogue.secret(question)
            if secret is None:
                self.problems.append(f"{path}: no passphrase was given")
                raise ValueError("no passphrase given")
            try:
                key = await asyncio.to_thread(_open_private_key, path, secret.reveal())
            except (asyncssh.KeyEncryptionError, asyncssh.KeyImportError):
                prompt = f"That passphrase was wrong. Passphrase for key {path}: "
                continue
            self._unlocked[path] = key
            return key
        self.problems.append(f"{path}: the passphrase was wrong")
        raise ValueError("wrong passphrase")


def _read_key_file(path: str) -> _KeyFile:
    """Read what can be read without a passphrase. Raises OSError, or ValueError with the reason."""
    status = Path(path).stat()
    data = read_whole(path)
    if b"PRIVATE KEY" not in data:
        try:
            return _KeyFile(path, asyncssh.import_public_key(data), None, encrypted=False)
        except asyncssh.KeyImportError:
            raise ValueError("it holds no key") from None
    if status.st_uid == os.getuid() and status.st_mode & _OTHERS_MAY_READ:
        raise ValueError(
            f"other accounts can read it (mode {status.st_mode & 0o777:04o}), so it is not used (chmod 600)"
        )
    try:
        private = asyncssh.import_private_key(data)
    except asyncssh.KeyImportError as error:
        public = _public_half(path, data)
        if not _is_encrypted(data):
            raise ValueError(str(error)) from None
        if public is None:
            raise _SealedKey from None
        return _KeyFile(path, public, None, encrypted=True)
    return _KeyFile(path, private.convert_to_public(), private, encrypted=False)


def _open_private_key(path: str, passphrase: str) -> asyncssh.SSHKey:
    return asyncssh.import_private_key(read_whole(path), passphrase)


def _public_half(path: str, data: bytes) -> asyncssh.SSHKey | None:
    """The public key beside the file, or the one that OpenSSH's own format carries in the clear."""
    beside = _public_key_beside(path)
    if beside is not None:
        return beside
    blob = _openssh_header(data)
    if blob is None:
        return None
    fields = []
    position = len(_OPENSSH_MAGIC)
    for _ in range(3):
        size = int.from_bytes(blob[position : position + 4], "big")
        fields.append(blob[position + 4 : position + 4 + size])
        position += 4 + size
    size = int.from_bytes(blob[position + 4 : position + 8], "big")
    key = blob[position + 8 : position + 8 + size]
    name_size = int.from_bytes(key[:4], "big")
    try:
        return asyncssh.import_public_key(key[4 : 4 + name_size] + b" " + base64.b64encode(key))
    except ValueError:
        return None


def _public_key_beside(path: str) -> asyncssh.SSHKey | None:
    try:
        return asyncssh.import_public_key(read_whole(f"{path}.pub"))
    except (OSError, ValueError):
        return None


def _is_encrypted(data: bytes) -> bool:
    blob = _openssh_header(data)
    if blob is None:
        return b"ENCRYPTED" in data
    start = len(_OPENSSH_MAGIC)
    size = int.from_bytes(blob[start : start + 4], "big")
    return blob[start + 4 : start + 4 + size] != b"none"


def _openssh_header(data: bytes) -> bytes | None:
    match = re.search(rb"-----BEGIN OPENSSH PRIVATE KEY-----(.+?)-----END", data, re.DOTALL)
    if match is None:
        return None
    try:
        blob = base64.b64decode(match[1])
    except ValueError:
        return None
    return blob if blob.startswith(_OPENSSH_MAGIC) else None


def _signature_names(algorithm: str) -> frozenset[str]:
    """The names under which a list of algorithms may have a kind of key: an RSA key has one for each of its hashes."""
    kind, dash, rest = algorithm.partition("-cert-")
    if kind == "ssh-rsa":
        return frozenset(f"{name}{dash}{rest}" for name in ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"))
    return frozenset({algorithm})


def _with_certificate(pair: asyncssh.SSHKeyPair, certificate: asyncssh.SSHCertificate) -> asyncssh.SSHKeyPair:
    certified = copy.copy(pair)
    certified.set_certificate(certificate)
    return certified


def _is_listed(pair: asyncssh.SSHKeyPair, certificates: Sequence[asyncssh.SSHCertificate]) -> bool:
    return any(
        pair.key_public_data == certificate.key.public_data or pair.public_data == certificate.public_data
        for certificate in certificates
    )
