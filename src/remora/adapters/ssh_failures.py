"""Failures that mean the same whoever speaks SSH for us."""

from remora.core.errors import Code, ShellProblem, Stage, TimeLimit, Unreachable
from remora.core.hosts import Host


def host_left(host: Host, seen: str = "") -> Unreachable:
    """The host ended the connection with a goodbye, which a network that breaks does not say.

    OpenSSH's server says none: when it is stopped or the machine shuts down, the connection just ends. Other servers
    and gateways do.
    """
    return Unreachable(
        Code.HOST_LEFT,
        f"{host.alias} said goodbye and ended the connection.",
        next_step=f"Start {host.alias} again if it was stopped, then connect again.",
        seen=seen,
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
        f"{host.alias} refused to listen on {f'port {port}' if port else 'a port'} of its loopback for us.",
        next_step="Check AllowTcpForwarding, PermitListen and DisableForwarding in the host's sshd_config"
        f"{', and whether the port is taken' if port else ''}.",
        seen=reason,
        host=host.alias,
    )


def channel_too_slow(host: Host, what: str, limit: float) -> TimeLimit:
    """The host did not answer the request for a channel."""
    return TimeLimit(
        Code.TIME_LIMIT,
        f"{host.alias} did not answer within {limit:g} seconds when asked for {what}.",
        next_step="Check that the host is not overloaded, then try again.",
        host=host.alias,
        stage=Stage.SHELL,
    )


def connection_lost(host: Host, seen: str = "") -> Unreachable:
    """The connection stood and is gone."""
    return Unreachable(
        Code.CONNECTION_LOST,
        f"The SSH connection to {host.alias} was lost.",
        next_step="Check the network and whether the host still runs, then connect again.",
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
