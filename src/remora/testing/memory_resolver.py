"""What names mean, without OpenSSH."""

from collections.abc import Mapping, Sequence
from typing import Any

from remora.core.host.hosts import Host


class MemoryResolver:
    """The in-memory twin of :class:`remora.ports.HostResolver`: it knows every name, and remembers who was asked for.

    `jumps` are the ProxyJump of each alias that has one; `fields` are those of every :class:`Host`.
    """

    def __init__(self, jumps: Mapping[str, Sequence[str]] | None = None, **fields: Any) -> None:
        self._jumps = jumps or {}
        self._fields = fields
        self.asked: list[str] = []

    async def resolve(self, alias: str, *, user: str | None = None, port: int | None = None) -> Host:
        """See :class:`remora.ports.HostResolver`."""
        self.asked.append(alias)
        jumps = tuple(self._jumps.get(alias, ()))
        fields = {"hostname": f"{alias}.example", "port": 22, "user": "me", **self._fields}
        fields |= {"user": user or fields["user"], "port": port or fields["port"]}
        return Host(alias=alias, proxy_jump=jumps, options={}, **fields)
