"""The way to a host: what its name and the names of its jumps mean, and the one connection over it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace

from remora.core.errors import Code, ConfigProblem, RemoraError
from remora.core.host.aliases import explain_unknown
from remora.core.host.hosts import Host, Route, with_agent
from remora.ports import ConfigReader, Dialogue, HostResolver, RemoteHost, World


@asynccontextmanager
async def connect_host(
    alias: str, world: World, dialogue: Dialogue, *, lend_agent: bool | None = None
) -> AsyncIterator[RemoteHost]:
    """Resolve `alias` now and make the one SSH connection to it. Errors that leave here name the alias.

    `lend_agent` says whether sessions get the agent of this machine; `None` leaves that to the SSH configuration.
    """
    with _belonging_to(alias):
        route = await find_route(alias, world.resolver, world.config)
        if lend_agent is not None:
            route = with_agent(route, lent=lend_agent)
    async with connect_route(route, world, dialogue) as host:
        yield host


@asynccontextmanager
async def connect_route(route: Route, world: World, dialogue: Dialogue) -> AsyncIterator[RemoteHost]:
    """Make the one SSH connection over a route that was found before."""
    with _belonging_to(route.target.alias):
        async with world.dialler.dial(route, dialogue) as host:
            yield host


@contextmanager
def _belonging_to(alias: str) -> Iterator[None]:
    try:
        yield
    except RemoraError as error:
        error.belongs_to(alias)
        raise


async def find_route(alias: str, resolver: HostResolver, config: ConfigReader | None = None) -> Route:
    """Resolve a host and every jump before it, as OpenSSH would: each jump is a host with its own configuration.

    The first jump of a chain may itself have a ProxyJump or ProxyCommand; for the later ones the chain replaces theirs.
    A user or port written with the jump wins over what its name resolves to. Raises :class:`ConfigProblem` for a jump
    that cannot be read or that leads back to a host on the same way, and for an alias that `config` does not have:
    OpenSSH would take a typing error for a host name. Jumps need no block of their own.
    """
    if config is not None:
        unknown = explain_unknown(alias, await asyncio.to_thread(config.read))
        if unknown is not None:
            raise unknown
    target = await resolver.resolve(alias)
    return Route(target, await _find_jumps(target, resolver, way=(alias,)))


async def _find_jumps(host: Host, resolver: HostResolver, *, way: tuple[str, ...]) -> tuple[Host, ...]:
    if not host.proxy_jump or host.proxy_jump == ("none",):
        return ()
    chain = [_read_jump(text, host) for text in host.proxy_jump]
    for jump in chain:
        if jump.name in way:
            raise ConfigProblem(
                Code.CONFIG_REJECTED,
                f"The ProxyJump of {host.alias} has a cycle: {' > '.join((*way, jump.name))}.",
                next_step=f"Give {jump.name} 'ProxyJump none' in the SSH configuration.",
                host=way[0],
            )
    first, *later = await asyncio.gather(
        *(resolver.resolve(jump.name, user=jump.user, port=jump.port) for jump in chain)
    )
    before = await _find_jumps(first, resolver, way=(*way, chain[0].name))
    return (*before, first, *(replace(jump, proxy_jump=(), proxy_command=None) for jump in later))


@dataclass(frozen=True, slots=True)
class _Jump:
    """One element of a ProxyJump: ``[user@]host[:port]`` or ``ssh://[user@]host[:port]``."""

    name: str
    user: str | None
    port: int | None


def _read_jump(text: str, host: Host) -> _Jump:
    user, at, rest = text.removeprefix("ssh://").rstrip("/").rpartition("@")
    if rest.startswith("["):
        name, bracket, port = rest[1:].partition("]")
        port_text = port.removeprefix(":") if bracket and (not port or port.startswith(":")) else "?"
    elif rest.count(":") > 1:
        name, port_text = rest, ""
    else:
        name, _, port_text = rest.partition(":")
    usable_port = not port_text or (port_text.isascii() and port_text.isdecimal() and 0 < int(port_text) < 65536)
    if not name or not usable_port or (at and not user):
        raise ConfigProblem(
            Code.CONFIG_REJECTED,
            f"The ProxyJump {text!r} of {host.alias} is not [user@]host[:port].",
            next_step="Correct ProxyJump in the SSH configuration.",
            host=host.alias,
        )
    return _Jump(name, user or None, int(port_text) if port_text else None)
