"""What an alias resolves to now: the answer of ``ssh -G``, as a value.

The answer is the one authority. Nothing here or later reads the SSH configuration again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from remora.core.errors import Code, UsageProblem


class StrictHostKeyChecking(StrEnum):
    """What the user's configuration says about unknown host keys."""

    ASK = "ask"
    YES = "yes"
    ACCEPT_NEW = "accept-new"
    NO = "no"


class AddressFamily(StrEnum):
    """Which addresses may be dialled."""

    ANY = "any"
    IPV4 = "inet"
    IPV6 = "inet6"


def place_name(user: str, hostname: str, port: int) -> str:
    """An account on a host as people write it; an IPv6 address stands in brackets."""
    return f"{user}@[{hostname}]:{port}" if ":" in hostname else f"{user}@{hostname}:{port}"


AGENT_VARIABLE: Final = "SSH_AUTH_SOCK"
"""Where a process finds the SSH agent of its user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One alias as OpenSSH resolved it.

    `options` holds every line of the answer: the lower-case keyword and its values in order. The named
    fields are the ones that remora acts on; paths have their tilde expanded. `connect_timeout` and
    `keepalive_interval` are seconds, `None` when the configuration sets none. `proxy_jump` is the
    configured chain, first hop first, as written (``[user@]host[:port]``). `typed` are the options that an ``ssh``
    command line needs before the alias to mean the same host. `caller_agent` is the socket of the SSH agent of whoever
    asked, which the programs that are started for this host get.
    """

    alias: str
    hostname: str
    port: int
    user: str
    identity_files: tuple[str, ...] = ()
    certificate_files: tuple[str, ...] = ()
    identities_only: bool = False
    identity_agent: str | None = None
    forward_agent: str | None = None
    proxy_jump: tuple[str, ...] = ()
    proxy_command: str | None = None
    user_known_hosts: tuple[str, ...] = ()
    global_known_hosts: tuple[str, ...] = ()
    revoked_host_keys: str | None = None
    host_key_alias: str | None = None
    strict_host_key_checking: StrictHostKeyChecking = StrictHostKeyChecking.ASK
    hash_known_hosts: bool = False
    address_family: AddressFamily = AddressFamily.ANY
    bind_address: str | None = None
    connect_timeout: float | None = None
    keepalive_interval: float | None = None
    keepalive_count: int | None = None
    batch_mode: bool = False
    compression: bool = False
    preferred_authentications: tuple[str, ...] = ()
    typed: tuple[str, ...] = ()
    caller_agent: str | None = None
    options: Mapping[str, Sequence[str]]

    @property
    def ssh_command(self) -> tuple[str, ...]:
        """The words of the ``ssh`` command line that leads to this host."""
        return ("ssh", *self.typed, "--", self.alias)


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the user should know that stops nothing, such as a setting that is not honoured."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Route:
    """The way to a host: each jump resolved like the target itself, in dialling order."""

    target: Host
    jumps: tuple[Host, ...] = ()
    notices: tuple[Notice, ...] = ()


def with_agent(route: Route, *, lent: bool) -> Route:
    """`route` with the agent of this machine lent to the target, or to nobody, whatever the configuration says.

    Which agent is lent stays the configuration's choice where it makes one.
    """
    target = route.target
    usual = "yes" if target.identity_agent else "$SSH_AUTH_SOCK"
    return replace(route, target=replace(target, forward_agent=(target.forward_agent or usual) if lent else None))


@dataclass(frozen=True, slots=True)
class Address:
    """What the user typed to name a place: ``ALIAS``, ``ALIAS:DIR`` or ``ALIAS/THREAD``."""

    alias: str
    folder: str | None = None
    thread: str | None = None


def parse_address(text: str) -> Address:
    """Take ``ALIAS[:DIR]`` or ``ALIAS/THREAD`` apart.

    An alias never starts with ``-`` and contains no white space, control character, colon or slash; such
    text is refused before it can reach a command line. An IPv6 address is an alias, too; with a folder behind it, it
    stands in brackets. A separator wants something behind it: ``devbox/`` is what a script makes of a variable that is
    empty. Raises :class:`UsageProblem`.
    """
    if text.startswith("ssh://"):
        raise UsageProblem(
            Code.USAGE,
            f"{text!r} is a URL; remora needs an alias of the SSH config.",
            next_step="Put user and port into the alias's Host block. List the aliases with: remora hosts",
        )
    alias, separator, rest = _split_address(text)
    if not is_safe_alias(alias):
        raise UsageProblem(
            Code.ALIAS_UNSAFE,
            f"{text!r} does not name a host: an alias is one word that does not start with a dash.",
            next_step="List the aliases with: remora hosts",
        )
    if not separator:
        return Address(alias)
    if not rest.strip():
        kind, home = ("folder", f", or {alias}:~ for the home folder") if separator == ":" else ("thread", "")
        raise UsageProblem(
            Code.USAGE,
            f"{text!r} ends before the name of a {kind}.",
            next_step=f"Name the {kind}{home}, or omit the {separator!r} out.",
        )
    return Address(alias, folder=rest) if separator == ":" else Address(alias, thread=rest)


def _split_address(text: str) -> tuple[str, str, str]:
    """The alias, what separates it, and the rest."""
    address, slash, thread = text.partition("/")
    if _is_ipv6(address):
        return address, slash, thread
    name, bracket, rest = text[1:].partition("]")
    if text.startswith("[") and bracket and _is_ipv6(name) and rest[:1] in ("", ":", "/"):
        return name, rest[:1], rest[1:]
    for position, character in enumerate(text):
        if character in ":/":
            return text[:position], character, text[position + 1 :]
    return text, "", ""


def _is_ipv6(text: str) -> bool:
    """Whether it is an address that looks like an alias with a folder."""
    if text.count(":") < 2:
        return False
    from ipaddress import IPv6Address  # loaded for such names only

    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


_UNSAFE_IN_ALIAS = frozenset("`$&|;<>()'\"\\*?!#~,/:[]{} \t\n\r")


def is_safe_alias(alias: str) -> bool:
    """Whether a name can go to ``ssh`` behind ``--`` and into a ProxyCommand's ``%h`` without doing harm.

    Such text in a host name has run commands in other tools; a real alias needs none of it.
    """
    return (
        bool(alias)
        and not alias.startswith("-")
        and alias.isprintable()
        and (not any(character in _UNSAFE_IN_ALIAS for character in alias) or _is_ipv6(alias))
    )
