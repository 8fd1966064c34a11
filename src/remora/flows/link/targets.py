"""What a link dials: its names, each with what it meant when the link got it."""

from dataclasses import dataclass

from remora.core.errors import RemoraError
from remora.core.host.hosts import Route
from remora.core.link.meanings import Meaning, alias_changed, meaning_of
from remora.core.settings import Transport
from remora.flows.host.dial import find_route
from remora.ports import World


@dataclass(slots=True)
class Aim:
    """A name, the world that resolves and dials it, and what it means; `None` until it is resolved the first time."""

    alias: str
    world: World
    transport: Transport = Transport.BUILT_IN
    meaning: Meaning | None = None

    async def find(self) -> Route:
        """The route of now, which may be another way to the same machine.

        Raises ``alias-changed`` when the name means something else, and as :func:`find_route`.
        """
        route = await find_route(self.alias, self.world.resolver, self.world.config)
        now = meaning_of(route, self.transport)
        if self.meaning is None:
            self.meaning = now
        if now.mark != self.meaning.mark and not now.is_same_machine(self.meaning):
            raise alias_changed(self.alias, made=self.meaning, now=now)
        return route


async def choose(aims: "list[Aim]") -> tuple[Aim, Route]:
    """The first that still means what it meant, and its route. Raises what is wrong with the first one of all."""
    refusal: RemoraError | None = None
    for aim in aims:
        try:
            return aim, await aim.find()
        except RemoraError as error:
            error.belongs_to(aim.alias)
            refusal = refusal or error
    assert refusal is not None, "a link has a name"  # noqa: S101
    raise refusal
