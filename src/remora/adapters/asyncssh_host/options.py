"""What the resolved options mean for asyncssh, and which of them it cannot honour."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from asyncssh.encryption import get_default_encryption_algs, get_encryption_algs
from asyncssh.kex import get_kex_algs
from asyncssh.mac import get_mac_algs
from asyncssh.public_key import (
    get_certificate_algs,
    get_default_public_key_algs,
    get_public_key_algs,
)

from remora.adapters.ssh.session_options import forwarded_agent, option
from remora.adapters.ssh.ssh_failures import only_through_ssh
from remora.core.host.hosts import Host
from remora.core.host.known_hosts import KnownKeys
from remora.core.settings import Limits

_FAST_CIPHERS: Final = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
_METHODS: Final = ("publickey", "keyboard-interactive", "password")
_METHOD_SWITCHES: Final = {
    "publickey": "pubkeyauthentication",
    "keyboard-interactive": "kbdinteractiveauthentication",
    "password": "passwordauthentication",
}
_RSA_SIGNATURES: Final = ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")
_AUTHORITY_SIGNATURES: Final = (
    *("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    *("sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com", "rsa-sha2-512", "rsa-sha2-256"),
)
"""What OpenSSH takes from an authority by default."""


def connection_options(host: Host, known: KnownKeys, limits: Limits) -> dict[str, Any]:
    """The keyword arguments of :func:`asyncssh.connect` that follow from the configuration.

    Raises :class:`ConfigProblem` (``option-unsupported``) when the configuration allows only algorithms or methods
    that asyncssh lacks.
    """
    ciphers = _allowed(host, "ciphers", get_encryption_algs()) or _names(get_default_encryption_algs())
    options: dict[str, Any] = {
        "config": None,
        "username": host.user,
        "client_keys": None,
        "preferred_auth": _methods(host),
        "encryption_algs": sorted(ciphers, key=_slowness),
        "server_host_key_algs": _host_key_algorithms(host, known),
        "compression_algs": ["zlib@openssh.com", "none"] if host.compression else ["none"],
        "keepalive_interval": host.keepalive_interval or limits.keepalive_interval,
        "keepalive_count_max": host.keepalive_count or limits.keepalive_count,
        "tcp_keepalive": option(host, "tcpkeepalive") != "no",
        "x509_trusted_certs": None,
        "gss_host": None,
        "login_timeout": 0,
        "utf8_decode_errors": "backslashreplace",
        "agent_forwarding": forwarded_agent(host) or False,
    }
    for keyword, argument, supported in (
        ("kexalgorithms", "kex_algs", get_kex_algs()),
        ("macs", "mac_algs", get_mac_algs()),
        ("pubkeyacceptedalgorithms", "signature_algs", get_public_key_algs()),
    ):
        if allowed := _allowed(host, keyword, supported):
            options[argument] = allowed
    return options | _rekeying(host)


def authority_signatures(host: Host) -> Sequence[str]:
    """How an authority may have signed a host's certificate."""
    return _wanted(host, "casignaturealgorithms") or _AUTHORITY_SIGNATURES


def _methods(host: Host) -> list[str]:
    wanted = host.preferred_authentications or _METHODS
    on: Callable[[str], bool] = lambda method: option(host, _METHOD_SWITCHES[method]) not in {"no", "false"}  # noqa: E731
    methods = [method for method in wanted if method in _METHODS and on(method)]
    if not methods:
        raise only_through_ssh(host, f"it allows none of these authentication methods: {', '.join(_METHODS)}")
    return methods


def _host_key_algorithms(host: Host, known: KnownKeys) -> list[str]:
    """Ask for a key that is on record: types known first; certificates only when an authority is known."""
    plain, certified = _names(get_default_public_key_algs()), _names(get_certificate_algs())
    wanted = _wanted(host, "hostkeyalgorithms")
    if wanted:
        plain = [name for name in wanted if name in _names(get_public_key_algs())]
        certified = [name for name in wanted if name in certified]
    on_record = [name for name in plain if _key_type(name) in known.key_types]
    order = on_record + [name for name in plain if name not in on_record]
    if known.authorities:
        order = certified + order
    if not order:
        raise only_through_ssh(host, f"hostkeyalgorithms allows only {', '.join(wanted)}")
    return order


def _rekeying(host: Host) -> dict[str, int]:
    """RekeyLimit, which ``ssh -G`` gives as bytes and seconds; 0 leaves it to the library."""
    numbers = [int(word) for word in option(host, "rekeylimit").split() if word.isdecimal()]
    named = zip(("rekey_bytes", "rekey_seconds"), numbers, strict=False)
    return {name: number for name, number in named if number > 0}


def _slowness(cipher: str) -> int:
    """Order within what is allowed: AES-GCM first, the rest as configured."""
    return _FAST_CIPHERS.index(cipher) if cipher in _FAST_CIPHERS else len(_FAST_CIPHERS)


def _key_type(algorithm: str) -> str:
    return "ssh-rsa" if algorithm in _RSA_SIGNATURES else algorithm


def _allowed(host: Host, keyword: str, supported: Iterable[bytes]) -> list[str]:
    """What the configuration allows and asyncssh has; empty when the configuration does not speak of it."""
    wanted, names = _wanted(host, keyword), set(_names(supported))
    allowed = [name for name in wanted if name in names]
    if wanted and not allowed:
        raise only_through_ssh(host, f"{keyword} allows only {', '.join(wanted)}")
    return allowed


def _wanted(host: Host, keyword: str) -> Sequence[str]:
    return [name for line in host.options.get(keyword, ()) for name in line.split(",") if name]


def _names(algorithms: Iterable[bytes]) -> list[str]:
    return [algorithm.decode("ascii") for algorithm in algorithms]
