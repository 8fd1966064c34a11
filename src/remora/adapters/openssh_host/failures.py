"""How ``ssh`` failed, told from what it said; its exit status says nothing (255 is everything)."""

import re
from typing import Final, NamedTuple

from remora.adapters.ssh.ssh_failures import connection_lost, host_left, login_cut
from remora.core.errors import AuthenticationProblem, Code, ConfigProblem, HostKeyProblem, RemoraError, Unreachable
from remora.core.host.hosts import Host
from remora.core.server.shells import quote_words

_DEBUG: Final = re.compile(r"^debug\d: ")
_CLOSED_BY: Final = re.compile(r"^Connection (?:closed|reset) by \S+ port \d+\r?$", re.MULTILINE)
_LET_IN: Final = re.compile(r"^Authenticated to ", re.MULTILINE)
"""Said of a jump host, too, whose keys are nothing that the target has seen."""
_GOODBYE: Final = re.compile(r"^Received disconnect from \S+ port \d+:11: ", re.MULTILINE)


class _Kind(NamedTuple):
    """One way to fail: what ssh says then, what it means, and what to do."""

    pattern: re.Pattern[str]
    error: type[RemoraError]
    code: Code
    message: str
    next_step: str


def _kind(pattern: str, error: type[RemoraError], code: Code, message: str, next_step: str) -> _Kind:
    return _Kind(re.compile(pattern, re.MULTILINE | re.IGNORECASE), error, code, message, next_step)


_BY_HAND: Final = "Find the missing input with: {command}"
_KINDS: Final = (
    _kind(
        r"bad configuration option|terminating, \d+ bad config|^\S+: line \d+: ",
        ConfigProblem,
        Code.CONFIG_REJECTED,
        "OpenSSH rejects the configuration of {alias}.",
        "Correct the line shown above, then run: {command}",
    ),
    _kind(
        r"REMOTE HOST IDENTIFICATION HAS CHANGED",
        HostKeyProblem,
        Code.HOST_KEY_CHANGED,
        "{alias} shows a different host key than the one on record. Nothing was sent to it.",
        "Find out why the key changed; if the change is expected, remove the old key as shown above.",
    ),
    _kind(
        r"^Error checking host key .* in revoked keys file",
        ConfigProblem,
        Code.CONFIG_UNREADABLE,
        "OpenSSH cannot read RevokedHostKeys of {alias}, or of a jump host before it, so no host key can be trusted.",
        "Correct the file that the text above names: one public key a line, or a KRL.",
    ),
    _kind(
        r"REVOKED HOST KEY|host key .* revoked",
        HostKeyProblem,
        Code.HOST_KEY_REVOKED,
        "{alias} shows a revoked host key. Nothing was sent to it.",
        "Ask the administrator of the host for its new key; remora never lifts a revocation.",
    ),
    _kind(
        r"^KnownHostsCommand failed",
        HostKeyProblem,
        Code.HOST_KEY_UNKNOWN,
        "KnownHostsCommand of {alias} failed, so no host key is known.",
        "Run the command of KnownHostsCommand by hand and correct it.",
    ),
    _kind(
        r"host key.*: Invalid key length",
        HostKeyProblem,
        Code.HOST_KEY_WEAK,
        "{alias} shows an RSA key shorter than RequiredRSASize. Nothing was sent to it.",
        "Give the host an Ed25519 key or a longer RSA key: ssh-keygen -t ed25519",
    ),
    _kind(
        r"Host key verification failed",
        HostKeyProblem,
        Code.HOST_KEY_UNKNOWN,
        "The host key of {alias}, or of a jump host before it, is not known.",
        "Compare the fingerprint with the one of the machine, then connect once with: {command}",
    ),
    _kind(
        r"Too many authentication failures",
        AuthenticationProblem,
        Code.TOO_MANY_KEYS,
        "{alias} ended the login after too many keys were offered.",
        "Set 'IdentitiesOnly yes' and the correct IdentityFile for {alias} in the SSH configuration.",
    ),
    _kind(
        r"Permission denied \(|No more authentication methods|: Permission denied\.",
        AuthenticationProblem,
        Code.AUTHENTICATION_REFUSED,
        "{alias} refused the login of {user} through the system's ssh, which cannot ask for a password.",
        "Load the key with ssh-add, or connect once by hand: {command}",
    ),
    _kind(
        r"Could not resolve hostname",
        Unreachable,
        Code.NAME_NOT_FOUND,
        "The name {hostname!r} of {alias} has no address.",
        "Check HostName in the SSH configuration, and the VPN or DNS that resolves this name.",
    ),
    _kind(
        r"no matching (?P<what>.+?) found",
        Unreachable,
        Code.KEY_EXCHANGE_FAILED,
        "{alias} and the system's ssh have no {what} in common.",
        "Compare KexAlgorithms, Ciphers, MACs and HostKeyAlgorithms of the host with the lists above, or install "
        "a newer OpenSSH here.",
    ),
    _kind(
        r"stdio forwarding failed",
        Unreachable,
        Code.JUMP_FAILED,
        "A jump host could not reach {alias}.",
        "Check from the jump host that this name and port answer.",
    ),
    _kind(
        r"Connection refused",
        Unreachable,
        Code.CONNECTION_REFUSED,
        "{hostname} port {port} refused the connection.",
        "Check that sshd runs there and that Port in the SSH configuration is right.",
    ),
    _kind(
        r"Connection timed out|Operation timed out|Connection to \S+ port \d+ timed out",
        Unreachable,
        Code.CONNECT_TIMEOUT,
        "{hostname} port {port} did not answer.",
        "Check that the machine is on and that no firewall blocks the port, or raise ConnectTimeout.",
    ),
    _kind(
        r"No route to host|Network is unreachable|Cannot assign requested address|Address family .* not supported",
        Unreachable,
        Code.NETWORK_UNREACHABLE,
        "Network unreachable: {hostname} port {port}.",
        "Check the network or VPN of this machine, and BindAddress and AddressFamily if they are set.",
    ),
)
_CLOSED: Final = _kind(
    "",
    Unreachable,
    Code.CONNECTION_CLOSED,
    "{alias} closed the connection before the login (too many connections, a ban, or not an SSH server).",
    "Try again in a minute; if it fails again, read the host's sshd log (MaxStartups, deny lists).",
)
_PROXY: Final = _kind(
    "",
    Unreachable,
    Code.PROXY_FAILED,
    "The ProxyCommand of {alias} ended before the host answered.",
    _BY_HAND.replace("it", "the way", 1),
)


def login_failure(host: Host, said: str) -> RemoraError:
    """Classify what ended ``ssh`` before the connection stood. `said` is its standard error."""
    words = plain_words(said)
    accepted = said.rfind("debug1: Server accepts key: ")
    if accepted >= 0 and _CLOSED_BY.search(said, accepted) and not _LET_IN.search(said, accepted):
        after = plain_words(said[accepted:])
        return login_cut(host, _CLOSED_BY.sub("", after).strip(), words)
    found = next(((kind, match) for kind in _KINDS if (match := kind.pattern.search(words))), None)
    if found is not None:
        kind, named = found[0], found[1].groupdict()
    else:
        kind, named = (
            _PROXY if host.proxy_command is not None and "Remote protocol version" not in said else _CLOSED,
            {},
        )
    names = {
        **named,
        "alias": host.alias,
        "user": host.user,
        "hostname": host.hostname,
        "port": host.port,
        "command": quote_words(host.ssh_command),
    }
    return kind.error(
        kind.code, kind.message.format(**names), next_step=kind.next_step.format(**names), seen=words, host=host.alias
    )


def connection_ended(host: Host, said: str) -> Unreachable:
    """Why a connection that stood is gone; `said` is empty when the ``ssh`` is not ours."""
    words = plain_words(said)
    return host_left(host, words) if _GOODBYE.search(words) else connection_lost(host, words)


def login_too_slow(host: Host, limit: float, said: str) -> Unreachable:
    """The limit for connecting and logging in is reached."""
    return Unreachable(
        Code.CONNECT_TIMEOUT,
        f"The system's ssh did not connect to {host.alias} within {limit:g} seconds.",
        next_step=f"Find what it waits for with: {quote_words(host.ssh_command)}",
        seen=plain_words(said),
        host=host.alias,
    )


def plain_words(said: str) -> str:
    """Without the lines that are there only because we asked for details."""
    return "\n".join(line.rstrip("\r") for line in said.split("\n") if not _DEBUG.match(line)).strip()
