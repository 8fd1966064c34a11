"""Watching links for as long as somebody looks, whatever becomes of the hub meanwhile."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from remora.core.settings import Limits
from remora.hub_client.conversation import HubEnded
from remora.hub_client.find import find_hub
from remora.hub_client.fleet import status_of
from remora.wire.reports.links import StatusReport

_LOOK: Final = 1.0
"""Seconds between looks for a hub when there is none."""


async def watch_hubs(limits: Limits) -> AsyncGenerator[StatusReport, None]:
    """The state of all links, now and at each change; without a hub there are none. Starts no hub."""
    told_none = False
    while True:
        client = await find_hub(limits)
        if client is None:
            if not told_none:
                told_none = True
                yield await status_of(None)
            await asyncio.sleep(_LOOK)
            continue
        told_none = False
        try:
            async with aclosing(client.watch()) as states:
                async for state in states:
                    yield StatusReport(hub=state.hub, links=state.links)
        except HubEnded:
            continue
