"""Waiting for hosts."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

from remora.core.settings import DEFAULT_SETTINGS, Settings

if TYPE_CHECKING:
    from remora.core.readiness.awaited import Awaited
    from remora.ports import Dialogue
    from remora.wire.reports.wait import WaitProgress


async def wait_for_hosts(
    aliases: Sequence[str],
    awaited: "Sequence[Awaited]",
    *,
    seconds: float | None = None,
    dialogue: "Dialogue | None" = None,
    ssh_config: str | None = None,
    settings: Settings = DEFAULT_SETTINGS,
) -> "AsyncGenerator[WaitProgress, None]":
    """Wait until each host is all of `awaited`, at most `seconds`; starts nothing, neither there nor here.

    Only for ``provisioned`` and ``ready`` is a host connected to, and watched through that; ``ready`` checks it, too,
    each time with a connection of its own, while nobody provisions it. What hosts are comes as it changes, a host when
    it is decided, and one report, in the order asked, at the end. A host whose provisioning has failed is decided at
    once. Without `dialogue` every question while connecting is refused. Use it under
    ``contextlib.aclosing``.
    """
    from remora import wiring
    from remora.flows.kit.unattended import UnattendedDialogue
    from remora.flows.readiness.wait import wait_for_hosts as wait
    from remora.hub_client.client import config_name
    from remora.hub_client.meanings import Meanings
    from remora.hub_client.watch import watch_hubs

    world = wiring.default_world(ssh_config, settings=settings)
    meanings = Meanings(ssh_config, settings.limits)
    waiting = wait(
        aliases,
        awaited,
        world,
        dialogue or UnattendedDialogue(),
        states=watch_hubs(settings.limits),
        ssh_config=config_name(ssh_config),
        seconds=seconds,
        codex={alias: settings.host(alias).codex for alias in aliases},
        resolve=lambda alias: meanings.of(alias, settings.host(alias)),
    )
    async with aclosing(waiting) as progress:
        async for step in progress:
            yield step
