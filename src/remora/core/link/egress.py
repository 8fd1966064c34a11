"""What a host may reach through this machine: destinations by name, compared after normalisation."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from remora.core.errors import Code, UsageProblem
from remora.core.link.near_addresses import is_near, is_public, read_address

HTTPS_PORT: Final = 443
_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_LIKE_A_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_NAME_LIMIT: Final = 253
_LOCALHOST: Final = "localhost"
_DEVIANT: Final = frozenset("\u00df\u03c2\u200c\u200d")
"""Letters that old and new rules for international names write in two ways."""


@dataclass(frozen=True, slots=True)
class Destination:
    """One place: a name or address in its normal form, and a port. With `below` every name below that one."""

    host: str
    port: int
    below: bool = False

    def __str__(self) -> str:
        return f"{'*.' * self.below}{join_authority(self.host, self.port)}"

    def covers(self, host: str, port: int) -> bool:
        """Whether `host`, in its normal form, and `port` are meant."""
        if port != self.port:
            return False
        return host.endswith(f".{self.host}") if self.below else host == self.host

    def admits(self, address: str, *, is_own: bool = False) -> bool:
        """Whether `address` may be what the name stands for; `is_own`: it is one of this machine's.

        Who answers for a name can make it mean anything, so this machine itself, its neighbours on the wire and what
        clouds keep for their machines have to be named as what they are. Private networks are for names that were
        written out: a company's own endpoint has such an address.
        """
        found = read_address(address)
        if found is None:
            return False
        if read_address(self.host) is not None:
            return normal_host(address) == self.host
        if self.host == _LOCALHOST and not self.below:
            return found.is_loopback
        return not is_own and not is_near(found) and (is_public(found) or not self.below)


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressRequest:
    """What somebody wants a host to reach through this machine.

    Exactly one of `destinations` and `to` is given: an HTTP proxy for those, or a port that is that one. `port` is the
    host's, `None` for any. `proxy` and `no_proxy` are this machine's HTTPS_PROXY and NO_PROXY. Without `password` every
    account of the host may use it; a direct way has none in any case.
    """

    destinations: tuple[str, ...] = ()
    to: str | None = None
    port: int | None = None
    password: bool = True
    proxy: str | None = field(default=None, repr=False)
    no_proxy: str | None = None


def check_request(request: EgressRequest) -> tuple[Destination, ...]:
    """The destinations of `request`, in order. Raises :class:`UsageProblem` for one that makes no sense."""
    if request.destinations and request.to is not None:
        raise UsageProblem(
            Code.USAGE,
            "An egress takes destinations (a proxy) or --to (one direct destination), but not both.",
            next_step="Omit --to, or omit the destinations.",
        )
    if not request.destinations and request.to is None:
        raise UsageProblem(
            Code.USAGE,
            "An egress needs destinations, or --to with one destination.",
            next_step="Name destinations such as api.example.com, or give --to HOST:PORT.",
        )
    if request.port is not None and not 0 < request.port < 65536:
        raise UsageProblem(Code.USAGE, f"Invalid port {request.port}.", next_step="Name a port from 1 to 65535.")
    found = {read_destination(text) for text in request.destinations or (request.to or "",)}
    if request.to is not None and any(each.below for each in found):
        raise UsageProblem(
            Code.USAGE, f"{request.to} is not a single destination.", next_step="Give --to one HOST:PORT."
        )
    if request.to is not None and split_authority(request.to, default=None) is None:
        raise UsageProblem(
            Code.USAGE,
            f"{request.to!r} names no port, and a direct egress needs one.",
            next_step=f"Add the port, for example: --to {request.to}:8080",
        )
    return tuple(sorted(found, key=lambda each: (each.host, each.port, each.below)))


def read_destination(text: str) -> Destination:
    """Read ``HOST``, ``HOST:PORT``, ``[ADDRESS]:PORT`` or ``*.DOMAIN:PORT``. Raises :class:`UsageProblem`."""
    below = text.startswith("*.")
    found = split_authority(text.removeprefix("*."), default=HTTPS_PORT)
    if found is None or (below and (read_address(found[0]) is not None or "." not in found[0])):
        raise UsageProblem(
            Code.USAGE,
            f"{text!r} is not a destination.",
            next_step="Write HOST or HOST:PORT, such as api.example.com, *.example.com:8443 or 127.0.0.1:8080.",
        )
    return Destination(*found, below=below)


def find_destination(destinations: Sequence[Destination], host: str, port: int) -> Destination | None:
    """The one that covers `host`, in its normal form, and `port`; the one that says it most exactly."""
    covering = [each for each in destinations if each.covers(host, port)]
    return min(covering, key=lambda each: (each.below, -len(each.host)), default=None)


def split_authority(text: str, *, default: int | None) -> tuple[str, int] | None:
    """A host in its normal form and a port; `None` for anything that is not exactly that."""
    if text.startswith("["):
        inside, bracket, after = text[1:].partition("]")
        if not bracket or ":" not in inside:
            return None
        host, colon, port = inside, after[:1], after[1:]
        if after and colon != ":":
            return None
    else:
        host, colon, port = text.partition(":")
    if colon and not (port.isascii() and port.isdigit() and 0 < len(port) <= 5 and 0 < int(port) < 65536):
        return None
    normal = normal_host(host)
    number = int(port) if colon else default
    return None if normal is None or number is None else (normal, number)


def join_authority(host: str, port: int) -> str:
    """The reverse."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def normal_host(text: str) -> str | None:
    """The one way to write a name or an address; `None` for what is neither.

    Numbers that only some resolvers take for an address (``127.1``, ``0x7f000001``) are neither, nor are names that are
    two, by old and by new rules (``ß``).
    """
    address = read_address(text)
    if address is not None:
        return str(address)
    if not text.isascii():
        if not _DEVIANT.isdisjoint(text):
            return None
        try:
            text = text.encode("idna").decode()
        except UnicodeError:
            return None
    name = text.lower().removesuffix(".")
    labels = name.split(".")
    if len(name) > _NAME_LIMIT or not all(_LABEL.fullmatch(label) for label in labels):
        return None
    return None if _LIKE_A_NUMBER.fullmatch(labels[-1]) else name


def is_this_machine(host: str) -> bool:
    """Whether `host`, in its normal form, says loopback."""
    address = read_address(host)
    return host == _LOCALHOST if address is None else address.is_loopback
