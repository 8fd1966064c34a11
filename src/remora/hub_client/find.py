"""The hub that runs, a new one, and what it holds, for programs that may do without."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from remora import wiring
from remora.core.errors import ConfigProblem, RemoraError
from remora.core.host.aliases import explain_unknown
from remora.core.settings import DEFAULT_LIMITS, Limits
from remora.hub_client.client import HubClient, own_hub
from remora.hub_client.conversation import HubEnded
from remora.wire.reports.links import LinkBody

_GLANCE: Final = 1.0
"""Seconds that a command waits for a hub that it can do without."""


async def find_hub(limits: Limits = DEFAULT_LIMITS) -> HubClient | None:
    """The hub that runs; `None` without one. Starts none. Raises ``hub-mute``, ``hub-version``."""
    client = own_hub(limits)
    try:
        await client.hello()
    except HubEnded:
        return None
    return client


async def hub_for(
    aliases: Sequence[str], ssh_config: str | None, limits: Limits
) -> tuple[HubClient | None, dict[str, ConfigProblem]]:
    """The hub that runs, or a new one, for links to `aliases`; `None` with why each of them is no host of `ssh_config`.

    A hub that runs learns by itself which are none. Raises as :func:`require_hub`.
    """
    client = await find_hub(limits)
    if client is not None:
        return client, {}
    listing = await asyncio.to_thread(wiring.default_config_reader(ssh_config).read)
    unknown = {alias: problem for alias in aliases if (problem := explain_unknown(alias, listing)) is not None}
    return (None if unknown.keys() >= set(aliases) else await require_hub(limits)), unknown


async def require_hub(limits: Limits = DEFAULT_LIMITS) -> HubClient:
    """The hub that runs, or a new one. Raises ``hub-start-failed``, ``hub-mute``, ``hub-version``."""
    from remora.hub_client.start import start_hub  # most callers find one

    return await find_hub(limits) or await start_hub(limits)


async def known_links(alias: str, ssh_config: str | None, limits: Limits = DEFAULT_LIMITS) -> list[LinkBody]:
    """The hub's links to `alias`, live or not, one for each meaning; none without a hub. Starts nothing.

    A hub that hangs or is of another version counts as none: whoever asks can do without.
    """
    try:
        return await own_hub(replace(limits, hub_answer=_GLANCE)).links(alias, ssh_config)
    except RemoraError:
        return []
