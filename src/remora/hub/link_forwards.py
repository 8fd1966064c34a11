"""The forwarded ports of all links."""

from remora.flows.forward.forwards import ForwardedPorts
from remora.hub.held import HeldLink
from remora.ports import LocalSockets
from remora.wire.reports.links import ForwardBody


class HubForwards:
    """The ports of each link; see :class:`remora.flows.forward.forwards.ForwardedPorts`."""

    def __init__(self, sockets: LocalSockets) -> None:
        self._sockets = sockets
        self._links: dict[HeldLink, ForwardedPorts] = {}

    def of(self, held: HeldLink) -> list[ForwardBody]:
        """Those of one link."""
        return self._links[held].bodies if held in self._links else []

    async def open(self, held: HeldLink, port: int, local_port: int | None) -> tuple[ForwardBody, bool]:
        """The forward to `port`, and whether it is new."""
        if held not in self._links:
            self._links[held] = ForwardedPorts(self._sockets, held.link, host=held.name.name.alias)
        return await self._links[held].open(port, local_port)

    async def stop(self, held: HeldLink, port: int | None = None, local_port: int | None = None) -> list[ForwardBody]:
        """Stop the forward to `port`, if it begins at `local_port` where that is said, or all of this link, which is
        then forgotten; those that were there."""
        forwards = self._links.get(held) if port is not None else self._links.pop(held, None)
        return [] if forwards is None else await forwards.stop(port, local_port)
