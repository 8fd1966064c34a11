"""What the known hosts files say about a host's key. Pure: text in, a judgement out."""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from remora.core.host.patterns import list_matches

DEFAULT_PORT: Final = 22
_HASH_PREFIX: Final = "|1|"
_WORD: Final = re.compile(r"[^ \t]+")
_RSA: Final = "ssh-rsa"
_RSA_SIGNATURES: Final = frozenset({"rsa-sha2-256", "rsa-sha2-512"})


class KeyMarker(Enum):
    """What a line of a known hosts file says about its key."""

    PLAIN = ""
    AUTHORITY = "@cert-authority"
    REVOKED = "@revoked"


class KeyJudgement(Enum):
    """What may be thought of the key that a host showed."""

    TRUSTED = "trusted"
    UNKNOWN = "unknown"
    CHANGED = "changed"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class KnownKey:
    """One line of a known hosts or revoked keys file; `key` is the key's wire form."""

    names: str
    key_type: str
    key: bytes
    file: str
    line: int
    marker: KeyMarker = KeyMarker.PLAIN


@dataclass(frozen=True, slots=True)
class KnownKeys:
    """The lines that concern one host.

    `without_port` are plain keys recorded for the same name on the default port: as with OpenSSH they may vouch for a
    host on another port that has no line of its own, and never speak against it. `address` are plain keys recorded for
    the address that the name led to, where CheckHostIP asks for them: they can only speak against a key of their type.
    """

    plain: tuple[KnownKey, ...] = ()
    without_port: tuple[KnownKey, ...] = ()
    address: tuple[KnownKey, ...] = ()
    authorities: tuple[KnownKey, ...] = ()
    revoked: tuple[KnownKey, ...] = ()

    def judge(self, key: bytes) -> KeyJudgement:
        """Judge a host key. Any other plain key on record makes it a changed one, of whatever type it is."""
        if any(known.key == key for known in self.revoked):
            return KeyJudgement.REVOKED
        if self._contradicts_address(key):
            return KeyJudgement.CHANGED
        if any(known.key == key for known in self.plain or self.without_port):
            return KeyJudgement.TRUSTED
        return KeyJudgement.CHANGED if self.plain else KeyJudgement.UNKNOWN

    def _contradicts_address(self, key: bytes) -> bool:
        alike = [known for known in self.address if known.key_type == key_type_of(key)]
        return bool(alike) and all(known.key != key for known in alike)

    @property
    def key_types(self) -> tuple[str, ...]:
        """The types of the plain keys on record: what to ask the host to prove itself with."""
        return tuple(dict.fromkeys(known.key_type for known in self.plain or self.without_port))

    def judge_authority(self, key: bytes) -> KeyJudgement:
        """Judge the key that signed a host certificate."""
        if any(known.key == key for known in self.revoked):
            return KeyJudgement.REVOKED
        trusted = any(known.key == key for known in self.authorities)
        return KeyJudgement.TRUSTED if trusted else KeyJudgement.UNKNOWN


def host_name_for_keys(hostname: str, port: int, host_key_alias: str | None) -> str:
    """The name under which known hosts files keep a host: an alias stands alone, a port that is not 22 shows."""
    if host_key_alias:
        return host_key_alias.lower()
    return hostname.lower() if port == DEFAULT_PORT else f"[{hostname.lower()}]:{port}"


def parse_known_hosts(text: str, file: str) -> list[KnownKey]:
    """Read one file. Lines that are no key line are passed over, as OpenSSH does."""
    found = []
    for number, fields in _lines(text):
        marker = KeyMarker.PLAIN
        if fields[0].startswith("@"):
            if fields[0] not in {KeyMarker.AUTHORITY.value, KeyMarker.REVOKED.value}:
                continue
            marker = KeyMarker(fields.pop(0))
        if len(fields) >= 3 and (key := _decode_key(fields[1], fields[2])) is not None:
            found.append(KnownKey(fields[0], key_type_of(key), key, file, number, marker))
    return found


def parse_revoked_keys(text: str, file: str) -> tuple[list[KnownKey], list[int]]:
    """Read a RevokedHostKeys file of plain public keys, one a line: the keys, and which lines are none.

    With a line that is none, OpenSSH trusts no key but finds those before it revoked.
    """
    found, strange = [], []
    for number, fields in _lines(text):
        key = _decode_key(fields[0], fields[1]) if len(fields) >= 2 else None
        if key is None:
            strange.append(number)
        else:
            found.append(KnownKey("*", key_type_of(key), key, file, number, KeyMarker.REVOKED))
    return found, strange


def select_known_keys(lines: Iterable[KnownKey], name: str) -> KnownKeys:
    """The lines for `name` (as :func:`host_name_for_keys` writes it)."""
    lines = list(lines)
    found = _select(lines, name)
    bare = re.fullmatch(r"\[(.+)\]:\d+", name)
    if bare is None:
        return found
    fallback = _select(lines, bare[1])
    return KnownKeys(
        plain=found.plain,
        without_port=fallback.plain,
        authorities=found.authorities or fallback.authorities,
        revoked=found.revoked + fallback.revoked,
    )


def fingerprint(key: bytes) -> str:
    """The fingerprint as OpenSSH prints it."""
    digest = base64.b64encode(hashlib.sha256(key).digest()).decode("ascii")
    return f"SHA256:{digest.rstrip('=')}"


def key_type_of(key: bytes) -> str:
    """The type that a key's wire form names."""
    return _first_field(key).decode("ascii", "replace")


def authority_signature(certificate: bytes, authority: bytes) -> str:
    """The algorithm with which `authority` signed a certificate: the signature stands behind its key, at the end."""
    _, _, signature = certificate.rpartition(len(authority).to_bytes(4, "big") + authority)
    return _first_field(_first_field(signature)).decode("ascii", "replace")


def rsa_bits(key: bytes) -> int | None:
    """How many bits an RSA key has; `None` for keys of other types."""
    name = _first_field(key)
    if name != _RSA.encode():
        return None
    rest = key[4 + len(name) :]
    exponent = _first_field(rest)
    return int.from_bytes(_first_field(rest[4 + len(exponent) :]), "big").bit_length()


def _first_field(data: bytes) -> bytes:
    return data[4 : 4 + int.from_bytes(data[:4], "big")]


def format_known_host(name: str, key_type: str, key: bytes, *, salt: bytes | None = None) -> str:
    """One line for a known hosts file, with the name hashed when a salt is given."""
    if salt is not None:
        name = f"{_HASH_PREFIX}{_encode(salt)}|{_encode(_hash_name(salt, name))}"
    return f"{name} {key_type} {_encode(key)}\n"


def _select(lines: Sequence[KnownKey], name: str) -> KnownKeys:
    matching = [line for line in lines if _names_match(line.names, name)]

    def marked(marker: KeyMarker) -> tuple[KnownKey, ...]:
        return tuple(line for line in matching if line.marker is marker)

    return KnownKeys(
        plain=marked(KeyMarker.PLAIN), authorities=marked(KeyMarker.AUTHORITY), revoked=marked(KeyMarker.REVOKED)
    )


def _names_match(names: str, name: str) -> bool:
    if names.startswith(_HASH_PREFIX):
        return _hashed_name_matches(names, name)
    return list_matches(names.lower().split(","), name)


def _hashed_name_matches(hashed: str, name: str) -> bool:
    salt_text, _, digest_text = hashed.removeprefix(_HASH_PREFIX).partition("|")
    try:
        salt, digest = base64.b64decode(salt_text, validate=True), base64.b64decode(digest_text, validate=True)
    except binascii.Error:
        return False
    return hmac.compare_digest(_hash_name(salt, name), digest)


def _hash_name(salt: bytes, name: str) -> bytes:
    return hmac.new(salt, name.encode(), "sha1").digest()


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """The lines that say something, with their numbers, as words. Nothing but a line feed ends a line of OpenSSH's."""
    for number, line in enumerate(text.split("\n"), start=1):
        words = _WORD.findall(line)
        if words and not words[0].startswith("#"):
            yield number, words


def _decode_key(key_type: str, text: str) -> bytes | None:
    """The key's wire form. An RSA key may stand under the name of one of its signatures."""
    try:
        key = base64.b64decode(text.rstrip("\r"), validate=True)
    except binascii.Error:
        return None
    named = _RSA if key_type in _RSA_SIGNATURES else key_type
    return key if key_type_of(key) == named else None


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
