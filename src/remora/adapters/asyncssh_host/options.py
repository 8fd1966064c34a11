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

from remora.adapters.session_options import forwarded_agent, option
from remora.core.errors import Code, ConfigProblem
from remora.core.hosts import Host, Notice
from remora.core.known_hosts import KnownKeys
from remora.core.settings import Limits

_FAST_CIPHERS: Final = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
_METHODS: Final = ("publickey", "keyboard-interactive", "password")
_METHOD_SWITCHES: Final = {
    "publickey": "pubkeyauthentication",
    "keyboard-interactive": "kbdinteractiveauthentication",
    "password": "passwordauthentication",
}
_RSA_SIGNATURES: Final = ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")
_AUTHORITY_SIGNATURES: Final = frozenset(
    {"ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "rsa-sha2-256", "rsa-sha2-512"}
)
"""What OpenSSH takes from an authority by default; a shorter list is the user's wish."""
_OFF: Final = frozenset({"", "no", "none", "false", "default"})
_NOT_HONOURED: Final = {
    "pkcs11provider": "keys on a smart card are used only through an SSH agent",
    "knownhostscommand": "host keys are looked up in the known hosts files only",
    "verifyhostkeydns": "host keys are not looked up in DNS",
    "tunnel": "no tunnel device is set up",
    "bindinterface": "the connection is not bound to an interface",
    "proxyusefdpass": "the ProxyCommand is used as a byte stream",
    "hostbasedauthentication": "host-based authentication is not tried",
    "nohostauthenticationforlocalhost": "the host key is checked on localhost too",
    "remotecommand": "it is not run; remora starts its own commands",
    "gssapidelegatecredentials": "Kerberos credentials are not handed on",
}


def connection_options(host: Host, known: KnownKeys, limits: Limits) -> dict[str, Any]:
    """The keyword arguments of :func:`asyncssh.connect` that follow from the configuration.

    Raises :class:`ConfigProblem` (``option-unsupported``) when the configuration allows only algorithms that
    asyncssh lacks.
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


def notices_for(host: Host) -> tuple[Notice, ...]:
    """What the user has set and this connection does not do."""
    not_honoured = {keyword: meaning for keyword, meaning in _NOT_HONOURED.items() if option(host, keyword) not in _OFF}
    authorities = option(host, "casignaturealgorithms")
    if authorities and not set(authorities.split(",")) >= _AUTHORITY_SIGNATURES:
        not_honoured["casignaturealgorithms"] = "certificates with any current signature of an authority are taken"
    return tuple(
        Notice("option-not-honoured", f"{keyword} is set for {host.alias}: {meaning}.")
        for keyword, meaning in not_honoured.items()
    )


def _methods(host: Host) -> list[str]:
    wanted = host.preferred_authentications or _METHODS
    on: Callable[[str], bool] = lambda method: option(host, _METHOD_SWITCHES[method]) not in {"no", "false"}  # noqa: E731
    return [method for method in wanted if method in _METHODS and on(method)]


def _host_key_algorithms(host: Host, known: KnownKeys) -> list[str]:
    """Ask for a key that is on record: types known first; certificates only when an authority is known."""
    plain = _allowed(host, "hostkeyalgorithms", get_public_key_algs()) or _names(get_default_public_key_algs())
    on_record = [name for name in plain if _key_type(name) in known.key_types]
    order = on_record + [name for name in plain if name not in on_record]
    if not known.authorities:
        return order
    return (_allowed(host, "hostkeyalgorithms", get_certificate_algs()) or _names(get_certificate_algs())) + order


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
    wanted: Sequence[str] = [name for line in host.options.get(keyword, ()) for name in line.split(",") if name]
    names = set(_names(supported))
    allowed = [name for name in wanted if name in names]
    if wanted and not allowed and keyword != "hostkeyalgorithms":
        raise ConfigProblem(
            Code.OPTION_UNSUPPORTED,
            f"None of the {keyword} configured for {host.alias} is supported here: {', '.join(wanted)}.",
            next_step=f"Allow one of these in the SSH configuration: {', '.join(sorted(names))}",
            host=host.alias,
        )
    return allowed


def _names(algorithms: Iterable[bytes]) -> list[str]:
    return [algorithm.decode("ascii") for algorithm in algorithms]
