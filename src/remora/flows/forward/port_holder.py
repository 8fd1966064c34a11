"""Which account of the host listens at a port of its loopback."""

from dataclasses import dataclass

from remora.core.server.answers import Answers
from remora.flows.server.shell import open_shell, shipped
from remora.ports import RemoteHost, World


@dataclass(frozen=True, slots=True)
class PortHolder:
    """An account, by name where that is known. `is_own`: the one that the link has logged in to."""

    account: str
    is_own: bool


async def find_holder(host: RemoteHost, port: int, world: World) -> PortHolder | None:
    """Who listens there; another account before our own. `None` where nobody does, or the host does not tell."""
    async with open_shell(host, clock=world.clock, limits=world.limits, nonce=world.nonce) as shell:
        texts = [shipped("port_holder")]
        answers = await shell.enter("port_holder", {"remora_port": str(port)}, texts, limit=world.limits.probe)
    return _read_holder(answers)


def _read_holder(answers: Answers) -> PortHolder | None:
    own = answers.one("self")
    holders = [
        PortHolder(account=name or f"number {uid}", is_own=uid == own)
        for uid, _, name in (holder.partition(" ") for holder in answers.all("holder"))
    ]
    return min(holders, key=lambda holder: holder.is_own, default=None)
