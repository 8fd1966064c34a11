"""Ports of hosts at ports of this machine."""

from typing import TYPE_CHECKING

from remora.api.links import hub_link
from remora.core.settings import DEFAULT_SETTINGS, Settings

if TYPE_CHECKING:
    from remora.ports import Dialogue
    from remora.wire.reports.links import ForwardReport


async def open_forward(
    alias: str,
    port: int,
    *,
    local_port: int | None = None,
    dialogue: "Dialogue | None" = None,
    ssh_config: str | None = None,
    settings: Settings = DEFAULT_SETTINGS,
) -> "ForwardReport":
    """Reach `port` of the loopback of `alias` through a port of this machine, for as long as the hub holds the link.

    A forward that is there is used again. Without `local_port` the same number is taken, or any when that one is in
    use. Starts the hub and the link as needed. Raises ``port-taken``.
    """
    from remora.wire.reports.links import ForwardReport

    link = await hub_link(alias, dialogue=dialogue, ssh_config=ssh_config, settings=settings)
    body, changed = await link.open_forward(port, local_port)
    return ForwardReport(forwards=[body], changed=changed)


async def list_forwards(*, settings: Settings = DEFAULT_SETTINGS) -> "ForwardReport":
    """All forwarded ports; starts nothing."""
    from remora.hub.finding import find_hub
    from remora.wire.reports.links import ForwardReport

    client = await find_hub(settings.limits)
    return ForwardReport(forwards=[] if client is None else await client.forward_list())


async def stop_forward(
    alias: str, port: int | None = None, *, ssh_config: str | None = None, settings: Settings = DEFAULT_SETTINGS
) -> "ForwardReport":
    """Stop the forward to `port` of `alias`, or all of them; starts nothing. The report has those that were there."""
    from remora.hub.finding import find_hub
    from remora.wire.reports.links import ForwardReport

    client = await find_hub(settings.limits)
    stopped = [] if client is None else await client.forward_stop(alias, ssh_config, port)
    return ForwardReport(forwards=stopped, changed=bool(stopped))
