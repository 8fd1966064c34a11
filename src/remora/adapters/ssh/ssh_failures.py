"""Failures that mean the same whoever speaks SSH for us."""

import errno
from typing import Final

from remora.adapters.machine.own_account import RAISE_LIMITS
from remora.core.errors import (
    AuthenticationProblem,
    Code,
    ConfigProblem,
    RemoraError,
    ShellProblem,
    Stage,
    TimeLimit,
    Unreachable,
)
from remora.core.host.hosts import Host

_NO_ROOM: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM})
"""Errors of a machine at one of its limits, whatever was to be started."""


def host_left(host: Host, seen: str = "") -> Unreachable:
    """The host ended the connection with a goodbye, which a network that breaks does not say.

    OpenSSH's server says none: when it is stopped or the machine shuts down, the connection just ends. Other servers
    and gateways do.
    """
    return Unreachable(
        Code.HOST_LEFT,
        f"{host.alias} closed the connection.",
        next_step=f"Start {host.alias} again if it was shut down, then connect again.",
        seen=seen,
        host=host.alias,
    )


def program_problem(program: str, error: OSError, *, host: str) -> ConfigProblem:
    """``ssh`` cannot be started: because of the program, or because this machine starts nothing more."""
    if error.errno in _NO_ROOM:
        return ConfigProblem(
            Code.CONFIG_UNREADABLE,
            f"This machine cannot start {program!r} now: {error.strerror}.",
            seen=str(error),
            next_step=RAISE_LIMITS,
            host=host,
        )
    return ConfigProblem(
        Code.SSH_MISSING,
        f"The program {program!r} cannot be run on this machine.",
        seen=str(error),
        next_step="Install the OpenSSH client, or put it on PATH.",
        host=host,
    )


def login_cut(host: Host, words: str, seen: str) -> RemoraError:
    """The connection ended when the host had a valid proof of a key and should have said yes.

    With `words` about the account that is a refusal. Without any, the network may have failed, or a host that says
    nothing refuses the account; :func:`refused_silently` is for when it happens again.
    """
    if words:
        return AuthenticationProblem(
            Code.ACCOUNT_REFUSED,
            f"{host.alias} accepted the key of {host.user} and refused the account: {words}",
            next_step=f"Repair the account of {host.user} on that host; its sshd log has the reason.",
            host=host.alias,
        )
    return Unreachable(
        Code.CONNECTION_CLOSED,
        f"{host.alias} accepted the key of {host.user} and then closed the connection.",
        next_step=f"Try again. If it stays so, the host refuses the account of {host.user} (expired, locked, denied by "
        "PAM); its sshd log says why.",
        seen=seen,
        host=host.alias,
        stage=Stage.AUTHENTICATION,
    )


def refused_silently(host: Host, seen: str) -> AuthenticationProblem:
    """Twice in a row the host ended the connection when it had a valid proof of a key."""
    return AuthenticationProblem(
        Code.ACCOUNT_REFUSED,
        f"{host.alias} refuses the account of {host.user} and gives no reason: it accepts the key and closes the "
        "connection each time.",
        next_step="Read the sshd log of that host; check whether the account is expired, locked or denied by PAM.",
        seen=seen,
        host=host.alias,
    )


def only_through_ssh(host: Host, reason: str) -> ConfigProblem:
    """The configuration asks for something that remora's own SSH cannot do, and the system's ``ssh`` perhaps can."""
    return ConfigProblem(
        Code.OPTION_UNSUPPORTED,
        f"remora's own SSH cannot connect to {host.alias} as configured: {reason}.",
        next_step=f'Set transport = "openssh" in [hosts.{host.alias}] of remora\'s settings.',
        host=host.alias,
    )


def channel_refused(host: Host, what: str, reason: str) -> ShellProblem:
    """The connection stands, but the host refuses another channel."""
    return ShellProblem(
        Code.CHANNEL_REFUSED,
        f"{host.alias} refused {what}.",
        next_step="Check MaxSessions, AllowStreamLocalForwarding and DisableForwarding in the host's sshd_config.",
        seen=reason,
        host=host.alias,
    )


def listening_refused(host: Host, port: int, reason: str) -> ShellProblem:
    """The host refuses to listen for us; it does not say why."""
    return ShellProblem(
        Code.CHANNEL_REFUSED,
        f"{host.alias} refused to listen on {f'port {port}' if port else 'a port'} of its loopback address.",
        next_step="Check AllowTcpForwarding, PermitListen and DisableForwarding in the host's sshd_config"
        f"{', and whether the port is taken' if port else ''}.",
        seen=reason,
        host=host.alias,
    )


def channel_too_slow(host: Host, what: str, limit: float) -> TimeLimit:
    """The host did not answer the request for a channel."""
    return TimeLimit(
        Code.TIME_LIMIT,
        f"{host.alias} did not answer within {limit:g} seconds to the request for {what}.",
        next_step="Check that the host is not overloaded, then try again.",
        host=host.alias,
        stage=Stage.SHELL,
    )


def connection_lost(host: Host, seen: str = "") -> Unreachable:
    """The connection stood and is gone."""
    return Unreachable(
        Code.CONNECTION_LOST,
        f"The SSH connection to {host.alias} was lost.",
        next_step="Check the network and that the host still runs, then connect again.",
        seen=seen,
        host=host.alias,
    )


def channel_closed() -> Unreachable:
    """The far side has let go of one channel."""
    return Unreachable(
        Code.CONNECTION_LOST,
        "The other side has closed this channel; nothing more can be sent to it.",
        next_step="Start the remote command again.",
    )
