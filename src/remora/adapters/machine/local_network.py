"""How this machine is connected, as far as a program without rights can tell."""

import contextlib
import socket
from typing import Final

_PLACES: Final = (
    (socket.AF_INET, ("192.0.2.1", 9)),
    (socket.AF_INET6, ("2001:db8::1", 9)),
)
"""Addresses kept for documentation: what would be taken to them is the way to anywhere."""
_VIRTUAL: Final = ("veth", "docker", "br-", "virbr", "vnet", "cni")
"""Interfaces that come and go with containers and lead to no host of ours."""


class SystemNetwork:
    """The :class:`remora.ports.LocalNetwork` of this machine. Sends nothing."""

    def signature(self) -> str:
        """See :class:`remora.ports.LocalNetwork`."""
        with contextlib.suppress(OSError):
            names = sorted(name for _, name in socket.if_nameindex() if not name.startswith(_VIRTUAL))
            return " ".join((*names, *(_source(family, place) for family, place in _PLACES)))
        return ""


def _source(family: int, place: tuple[str, int]) -> str:
    """Which address of ours would be used: connecting a datagram socket chooses it and sends no packet."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(place)
            return str(probe.getsockname()[0])
    except OSError:
        return "-"
