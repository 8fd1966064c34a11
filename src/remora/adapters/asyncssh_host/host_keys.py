"""The user's known hosts files: what they hold for one host, and adding a key when that is wanted."""

import contextlib
import os
import secrets
from pathlib import Path
from typing import Final

from remora.adapters.files.whole_file import read_whole
from remora.adapters.ssh.known_hosts_files import read_known_hosts
from remora.adapters.ssh.session_options import required_rsa_size
from remora.adapters.ssh.ssh_failures import only_through_ssh
from remora.core.errors import Code, ConfigProblem, HostKeyProblem
from remora.core.host.hosts import Host
from remora.core.host.known_hosts import (
    KeyJudgement,
    KnownKey,
    KnownKeys,
    fingerprint,
    format_known_host,
    host_name_for_keys,
    parse_revoked_keys,
    select_known_keys,
)
from remora.core.server.shells import quote_words

_SALT_BYTES: Final = 20
_REVOCATION_LIST_MAGIC: Final = b"SSHKRL\n"


def read_known_keys(host: Host) -> KnownKeys:
    """What the files that the configuration names hold for this host. Missing files are empty.

    Raises :class:`ConfigProblem` when one cannot be read, or RevokedHostKeys not as a list of keys: then no key could
    be trusted.
    """
    lines = read_known_hosts(host)
    if host.revoked_host_keys is not None:
        lines += _read_revoked_keys(host, host.revoked_host_keys)
    return select_known_keys(lines, name_for_keys(host))


def read_address_keys(host: Host, address: str) -> tuple[KnownKey, ...]:
    """CheckHostIP: the keys on record for the address that was reached. They can only speak against a key."""
    name = host_name_for_keys(address, host.port, None)
    return select_known_keys(read_known_hosts(host), name).plain


def name_for_keys(host: Host) -> str:
    """The name under which this host's keys are kept."""
    return host_name_for_keys(host.hostname, host.port, host.host_key_alias)


def first_known_hosts_file(host: Host) -> str | None:
    """Where a new key is recorded; `None` when the configuration names no file."""
    return next((file for file in host.user_known_hosts if file not in {"none", os.devnull}), None)


def record_key(host: Host, key_type: str, key: bytes) -> None:
    """Append a host key to the user's first known hosts file, made 0600 if new. Nothing else in it changes."""
    file = first_known_hosts_file(host)
    if file is None:
        return
    salt = secrets.token_bytes(_SALT_BYTES) if host.hash_known_hosts else None
    line = format_known_host(name_for_keys(host), key_type, key, salt=salt)
    try:
        Path(file).parent.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with contextlib.closing(os.fdopen(descriptor, "r+b", buffering=0)) as stream:
            if stream.seek(0, os.SEEK_END):
                stream.seek(-1, os.SEEK_END)
                line = line if stream.read(1) == b"\n" else f"\n{line}"
            stream.write(line.encode())
    except OSError as error:
        raise ConfigProblem(
            Code.CONFIG_UNREADABLE,
            f"The key of {host.alias} could not be written to {file}.",
            next_step=f"Make {file} writable for your account, or answer 'once' to trust the key without recording it.",
            seen=str(error),
            host=host.alias,
        ) from None


def unknown_key_problem(host: Host, key_type: str, key: bytes, *, reason: str) -> HostKeyProblem:
    """Nobody vouches for the key; `reason` says why nobody was asked, or what they said."""
    return HostKeyProblem(
        Code.HOST_KEY_UNKNOWN,
        f"The {key_type} key of {host.alias} ({name_for_keys(host)}), {fingerprint(key)}, is not known: {reason}.",
        next_step=f"Compare the fingerprint with the one of the machine, then connect once with: "
        f"{quote_words(host.ssh_command)}",
        host=host.alias,
    )


def refused_key_problem(host: Host, known: KnownKeys, key_type: str, key: bytes) -> HostKeyProblem:
    """The key contradicts what is on record: changed or revoked."""
    shown = f"{key_type} {fingerprint(key)}"
    if known.judge(key) is KeyJudgement.REVOKED:
        return _revoked_problem(host, known, shown)
    for_name = not any(entry.key == key for entry in known.plain)
    against = known.plain if known.plain and for_name else known.address
    old = next((entry for entry in against if entry.key_type == key_type), against[0])
    recorded = name_for_keys(host) if against is known.plain else old.names
    return HostKeyProblem(
        Code.HOST_KEY_CHANGED,
        f"{host.alias} ({recorded}) shows a different host key than the one on record: {shown}, not "
        f"{old.key_type} {fingerprint(old.key)} ({old.file} line {old.line}). "
        "The connection may be intercepted, or the machine was reinstalled; nothing was sent to it.",
        next_step="Find out why the key changed; if the change is expected, remove the old key with: "
        f"{quote_words(['ssh-keygen', '-R', recorded, '-f', old.file])}",
        host=host.alias,
    )


def weak_key_problem(host: Host, bits: int) -> HostKeyProblem:
    """The host proves itself with an RSA key that RequiredRSASize does not allow."""
    return HostKeyProblem(
        Code.HOST_KEY_WEAK,
        f"{host.alias} ({name_for_keys(host)}) shows an RSA key of {bits} bits; "
        f"RequiredRSASize asks for {required_rsa_size(host)}. No key and no secret was sent to it.",
        next_step="Give the host an Ed25519 key or a longer RSA key: ssh-keygen -t ed25519",
        host=host.alias,
    )


def certificate_problem(host: Host, known: KnownKeys, reason: str) -> HostKeyProblem:
    """The library itself refused what the host showed: a revoked key, or a certificate that does not hold.

    `reason` is the library's sentence. It judges revoked keys by the lines we gave it and does not say by which.
    """
    if known.revoked and "revoked" in reason:
        return _revoked_problem(host, known, " or ".join(fingerprint(entry.key) for entry in known.revoked))
    return HostKeyProblem(
        Code.HOST_KEY_UNKNOWN,
        f"The host certificate of {host.alias} ({name_for_keys(host)}) is not valid.",
        next_step="Ask the administrator of the host for a certificate that names this host and has not expired.",
        seen=reason,
        host=host.alias,
    )


def _revoked_problem(host: Host, known: KnownKeys, shown: str) -> HostKeyProblem:
    lines = ", ".join(dict.fromkeys(f"{entry.file} line {entry.line}" for entry in known.revoked))
    return HostKeyProblem(
        Code.HOST_KEY_REVOKED,
        f"{host.alias} ({name_for_keys(host)}) shows a revoked host key: {shown}, revoked by {lines}. "
        "Nothing was sent to it.",
        next_step="Ask the administrator of the host for its new key; remora never lifts a revocation.",
        host=host.alias,
    )


def _read_revoked_keys(host: Host, file: str) -> list[KnownKey]:
    try:
        data = read_whole(file)
    except OSError as error:
        raise ConfigProblem(
            Code.CONFIG_UNREADABLE,
            f"RevokedHostKeys of {host.alias} cannot be read, so no host key can be trusted.",
            next_step=f"Make {file} readable, or remove RevokedHostKeys from the SSH configuration.",
            seen=str(error),
            host=host.alias,
        ) from None
    if data.startswith(_REVOCATION_LIST_MAGIC):
        raise only_through_ssh(host, f"revokedhostkeys {file} is a binary list (KRL)")
    keys, strange = parse_revoked_keys(data.decode("utf-8", "replace"), file)
    if strange:
        raise only_through_ssh(host, f"revokedhostkeys {file} has no public key in line {strange[0]}")
    return keys
