"""What the resolved options say about sessions, whoever speaks SSH."""

import os

from remora.core.host.hosts import AGENT_VARIABLE, Host
from remora.core.host.patterns import list_matches


def session_environment(host: Host) -> dict[str, str]:
    """What SendEnv and SetEnv hand to every session; the far side decides what it takes."""
    patterns = [pattern for line in host.options.get("sendenv", ()) for pattern in line.split()]
    chosen = {name: value for name, value in os.environ.items() if list_matches(patterns, name)}
    for line in host.options.get("setenv", ()):
        name, separator, value = line.partition("=")
        if separator:
            chosen[name] = value
    return chosen


def option(host: Host, keyword: str) -> str:
    """The first value of a resolved option, lower case for comparing; empty when it is not there."""
    values = host.options.get(keyword, ())
    return values[0].lower() if values else ""


def required_rsa_size(host: Host) -> int:
    """How many bits an RSA key has at least, of a host or of a user. Red Hat's OpenSSH called it RSAMinSize."""
    sizes = (option(host, "requiredrsasize"), option(host, "rsaminsize"))
    return max((int(size) for size in sizes if size.isdecimal()), default=0)


def forwarded_agent(host: Host) -> str | None:
    """The socket of the agent to hand on: ForwardAgent is a yes, a path or the name of a variable."""
    wanted = host.forward_agent
    if wanted in {"yes", "true"}:
        return host.identity_agent
    if wanted is None or not wanted.startswith("$"):
        return wanted
    return host.caller_agent if wanted[1:] == AGENT_VARIABLE else os.environ.get(wanted[1:])


def program_environment(host: Host) -> dict[str, str]:
    """What a program gets that is started here for this host: the SSH agent is that of whoever asked."""
    environment = {name: value for name, value in os.environ.items() if name != AGENT_VARIABLE}
    return environment if host.caller_agent is None else {**environment, AGENT_VARIABLE: host.caller_agent}
