"""The proxy that this machine has to use itself."""

import base64
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from remora.core.errors import Code, ConfigProblem
from remora.core.link.egress import is_this_machine, join_authority, normal_host
from remora.core.secrets import Secret

_USUAL_PORT = 80


@dataclass(frozen=True, slots=True)
class Upstream:
    """An HTTP proxy, what it wants to be told, and the hosts that are reached without it."""

    host: str
    port: int
    authorization: Secret | None = field(default=None, compare=False)
    without: tuple[str, ...] = ()

    def __str__(self) -> str:
        return join_authority(self.host, self.port)

    def serves(self, host: str, port: int) -> bool:
        """Whether `host`, in its normal form, is to be reached through it; this machine never is."""
        if is_this_machine(host):
            return False
        return not any(_means(entry, host, port) for entry in self.without)


def read_upstream(url: str | None, without: str | None) -> Upstream | None:
    """Read what HTTPS_PROXY and NO_PROXY say. Raises ``option-unsupported`` for what is no plain HTTP proxy."""
    if not url:
        return None
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port or _USUAL_PORT
    except ValueError:
        parts, host, port = None, None, 0
    if parts is None or not host or parts.scheme != "http":
        raise ConfigProblem(
            Code.OPTION_UNSUPPORTED,
            "The proxy of this machine (HTTPS_PROXY) is not a plain HTTP proxy, and egress supports no other kind.",
            next_step="Set HTTPS_PROXY=http://HOST:PORT for this command, or set it to an empty value to use no proxy.",
        )
    authorization = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        authorization = Secret(f"Basic {base64.b64encode(pair).decode()}")
    entries = tuple(entry.strip().lower() for entry in (without or "").split(",") if entry.strip())
    return Upstream(host, port, authorization, entries)


def _means(entry: str, host: str, port: int) -> bool:
    """Whether an entry of NO_PROXY means this place: a name means those below it, too."""
    name, colon, number = entry.rpartition(":")
    if colon and number.isdigit() and ":" not in name:
        if int(number) != port:
            return False
        entry = name
    if entry == "*":
        return True
    suffix = entry.removeprefix("*").removeprefix(".")
    return host in (suffix, normal_host(suffix)) or host.endswith(f".{suffix}")
