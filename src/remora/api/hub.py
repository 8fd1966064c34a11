"""The background process that holds links."""

from typing import TYPE_CHECKING

from remora.core.settings import DEFAULT_SETTINGS, Settings

if TYPE_CHECKING:
    from pathlib import Path

    from remora.wire.reports.links import HubReport


async def start_hub(*, settings: Settings = DEFAULT_SETTINGS) -> "HubReport":
    """Start the hub when none runs."""
    from remora.hub_client.find import find_hub, require_hub
    from remora.hub_client.fleet import hub_report

    running = await find_hub(settings.limits)
    return await hub_report(running or await require_hub(settings.limits), changed=running is None)


async def stop_hub(*, settings: Settings = DEFAULT_SETTINGS) -> "HubReport":
    """End the hub and all its links, asking first and then by signal; the app servers on the hosts go on."""
    from remora.hub_client import start
    from remora.hub_client.fleet import hub_report

    return await hub_report(None, changed=await start.stop_hub(settings.limits))


async def hub_status(*, settings: Settings = DEFAULT_SETTINGS) -> "HubReport":
    """Whether a hub runs, and which."""
    from remora.hub_client.find import find_hub
    from remora.hub_client.fleet import hub_report

    return await hub_report(await find_hub(settings.limits), changed=False)


def hub_log() -> "Path":
    """The file that the hub writes its log to, whether it is there or not."""
    from remora import wiring

    return wiring.hub_log()
