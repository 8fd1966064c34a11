"""How a login or a connection failed, told from what asyncssh raised."""

import re

import asyncssh

from remora.adapters.asyncssh_host.login import Login
from remora.adapters.ssh.ssh_failures import connection_lost, host_left, login_cut
from remora.core.errors import (
    AuthenticationProblem,
    Code,
    RemoraError,
    Stage,
    TimeLimit,
    Unreachable,
)
from remora.core.host.hosts import Host

_ASK = frozenset({"password", "keyboard-interactive"})
"""Ways to log in that a person takes part in."""
_TOO_MANY = "too many authentication failures"


def login_failure(host: Host, login: Login, error: Exception, *, proxy_said: str | None) -> RemoraError:
    """Classify what ended a login after the host's key was no longer the question."""
    if isinstance(error, asyncssh.PermissionDenied):
        return _refused(host, login, str(error))
    if isinstance(error, asyncssh.KeyExchangeFailed):
        kind = re.match(r"No matching (.+?) found", error.reason)
        return _nothing_in_common(host, kind[1] if kind else "algorithm", str(error))
    if not login.proven and (types := login.other_key_types()):
        return _nothing_in_common(host, "host key type", f"The host has: {', '.join(types)}")
    if isinstance(error, asyncssh.DisconnectError) and _TOO_MANY in error.reason.lower():
        return _too_many_keys(host, login, error.reason)
    if isinstance(error, asyncssh.ConnectionLost | OSError) and login.proven:
        words = login.last_words.strip()
        if words if login.answered else login.identities.signed:
            return login_cut(host, words, str(error))
        if not (login.refused or login.answered):
            return _broken_off(host, error)
    if login.attempted:
        return _refused(host, login, str(error))
    if proxy_said is not None and not login.proven:
        return Unreachable(
            Code.PROXY_FAILED,
            f"The ProxyCommand of {host.alias} ended before the host answered.",
            next_step="Run the ProxyCommand by hand and correct it.",
            seen=proxy_said or str(error),
            host=host.alias,
        )
    return Unreachable(
        Code.CONNECTION_CLOSED,
        f"{host.alias} closed the connection before the login (too many connections, a ban, or not an SSH server).",
        next_step="Try again in a minute; if it fails again, read the host's sshd log (MaxStartups, deny lists).",
        seen=str(error),
        host=host.alias,
    )


def tunnel_failure(host: Host, through: str, error: asyncssh.ChannelOpenError) -> Unreachable:
    """The jump host could not, or may not, reach the next host."""
    if error.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED:
        message = f"The jump host {through} does not allow forwarding to {host.hostname} port {host.port}."
        next_step = "Ask for AllowTcpForwarding and PermitOpen on the jump host, or use another way."
    else:
        message = f"The jump host {through} could not reach {host.hostname} port {host.port}."
        next_step = "Check from the jump host that this name and port answer."
    return Unreachable(Code.JUMP_FAILED, message, next_step=next_step, seen=error.reason, host=host.alias)


def login_too_slow(host: Host, login: Login, limit: float, *, proxy_said: str) -> RemoraError:
    """The limit for connecting or for logging in is reached."""
    if login.proven:
        return TimeLimit(
            Code.TIME_LIMIT,
            f"The login to {host.alias} did not finish within {limit:g} seconds; last tried: "
            f"{', '.join(login.methods) or 'nothing yet'}.",
            next_step="Touch the key or confirm at the agent if it waits, then try again.",
            host=host.alias,
            stage=Stage.AUTHENTICATION,
        )
    return Unreachable(
        Code.CONNECT_TIMEOUT,
        f"{host.alias} accepted the connection but did not answer as an SSH server within {limit:g} seconds.",
        next_step="Check that HostName and Port name an SSH server and that the machine is not overloaded.",
        seen=proxy_said,
        host=host.alias,
    )


def files_too_slow(host: Host, limit: float) -> TimeLimit:
    """A file that says which keys are known does not come to an end: a pipe, or a drive that is gone."""
    return TimeLimit(
        Code.TIME_LIMIT,
        f"The known hosts files of {host.alias} could not be read within {limit:g} seconds.",
        next_step="Find the file that does not answer, or name other files with UserKnownHostsFile.",
        seen="\n".join((*host.user_known_hosts, *host.global_known_hosts)),
        host=host.alias,
        stage=Stage.CONFIG,
    )


def connection_ended(host: Host, error: Exception | None) -> Unreachable:
    """The connection stood and is gone. Without an error the host itself has taken leave, in the protocol's words."""
    return host_left(host) if error is None else connection_lost(host, str(error))


def _broken_off(host: Host, error: Exception) -> Unreachable:
    """The connection is gone and the host has refused nothing yet: this says nothing about the login."""
    return Unreachable(
        Code.CONNECTION_CLOSED,
        f"The connection to {host.alias} ended during the login, before the host accepted or refused it.",
        next_step="Try again in a minute; if it fails again, read the host's sshd log (MaxStartups, deny lists).",
        seen=str(error),
        host=host.alias,
    )


def _nothing_in_common(host: Host, what: str, seen: str) -> Unreachable:
    return Unreachable(
        Code.KEY_EXCHANGE_FAILED,
        f"{host.alias} and remora's own SSH have no {what} in common.",
        next_step="Compare KexAlgorithms, Ciphers, MACs and HostKeyAlgorithms of the host with the lists above.",
        seen=seen,
        host=host.alias,
    )


def _refused(host: Host, login: Login, reason: str) -> AuthenticationProblem:
    identities = login.identities
    problems, offered = identities.problems, identities.offered
    if login.answered:
        return _answer_refused(host, login, reason)
    if identities.certificate_faults:
        return AuthenticationProblem(
            Code.KEY_UNUSABLE,
            f"{host.alias} refused the login of {host.user}; {identities.certificate_faults[0]}.",
            next_step=f"Request a certificate that is valid for {host.user} now.",
            seen=_seen(login, "\n".join((*identities.certificate_faults, *problems, reason))),
            host=host.alias,
        )
    if identities.agent_refused is not None:
        return AuthenticationProblem(
            Code.AGENT_REFUSED,
            f"The SSH agent did not sign with {identities.agent_refused}: it was declined, or the key is for certain "
            f"hosts only (ssh-add -h). {host.alias} took no other key of {host.user}.",
            next_step="Confirm the request at the agent, or load the key without that restriction.",
            seen=_seen(login, reason),
            host=host.alias,
        )
    if problems:
        return AuthenticationProblem(
            Code.KEY_UNUSABLE,
            f"{host.alias} refused the login of {host.user}, and a configured key could not be used: {problems[0]}.",
            next_step="Correct the permissions of that key, or load it with ssh-add.",
            seen=_seen(login, "\n".join(problems)),
            host=host.alias,
        )
    return AuthenticationProblem(
        Code.AUTHENTICATION_REFUSED,
        f"{host.alias} refused the login of {host.user}; tried: {', '.join(login.methods) or 'nothing'}; "
        f"keys offered: {offered}.{_what_is_allowed(host, login)}",
        next_step=f"Check User and IdentityFile, and the authorized_keys of {host.user} on the host.",
        seen=_seen(login, reason),
        host=host.alias,
    )


def _what_is_allowed(host: Host, login: Login) -> str:
    """What the host wants instead, where it takes none of what we have."""
    beyond = [method for method in login.allowed if method not in login.methods]
    if not beyond or set(login.allowed) & set(login.methods):
        return ""
    reason = ", and BatchMode forbids prompts" if host.batch_mode and not set(beyond).isdisjoint(_ASK) else ""
    return f" It allows only {', '.join(login.allowed)}{reason}."


def _answer_refused(host: Host, login: Login, reason: str) -> AuthenticationProblem:
    return AuthenticationProblem(
        Code.AUTHENTICATION_REFUSED,
        f"{host.alias} refused the password or code typed for {host.user} ({login.methods[-1]}).",
        next_step="Run the command again and type it again; if it is correct, check the account on the host.",
        seen=_seen(login, reason),
        host=host.alias,
    )


def _too_many_keys(host: Host, login: Login, reason: str) -> AuthenticationProblem:
    return AuthenticationProblem(
        Code.TOO_MANY_KEYS,
        f"{host.alias} ended the login after {login.identities.offered} keys were offered and none was accepted.",
        next_step=f"Set 'IdentitiesOnly yes' and the correct IdentityFile for {host.alias} in the SSH configuration.",
        seen=_seen(login, reason),
        host=host.alias,
    )


def _seen(login: Login, reason: str) -> str:
    return f"{login.banner.strip()}\n{reason}".strip()
