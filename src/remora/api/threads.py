"""Threads on a host, whoever began them."""

from typing import TYPE_CHECKING

from remora.core.settings import DEFAULT_SETTINGS, Settings

if TYPE_CHECKING:
    from remora.ports import Dialogue
    from remora.wire.reports.threads import ThreadInterrupted


async def interrupt_thread(
    alias: str,
    thread: str,
    *,
    codex: str | None = None,
    dialogue: "Dialogue | None" = None,
    ssh_config: str | None = None,
    settings: Settings = DEFAULT_SETTINGS,
) -> "ThreadInterrupted":
    """Stop the turn of `thread` (an id, the beginning of one, or a name) on `alias`, whoever started it.

    What it waits for is withdrawn, its sub-agents and all commands of the thread are ended, and the host's processes
    are looked at. The thread is not loaded or resumed. Raises ``thread-missing``, and what stops the connection.
    """
    from functools import partial

    from remora import wiring
    from remora.core.launching import LaunchRequest
    from remora.flows.launch import nothing_ahead
    from remora.flows.turn_stop import stop_thread
    from remora.flows.unattended import UnattendedDialogue
    from remora.hub.access import reach_server

    world = wiring.default_world(ssh_config, settings=settings)
    host = settings.host(alias, codex=codex)
    launch = LaunchRequest(codex=host.codex)
    reach = partial(reach_server, alias, ssh_config, launch, world, dialogue or UnattendedDialogue(), host=host)
    async with reach(nothing_ahead) as server:
        return await stop_thread(server.rpc, alias, thread, clock=world.clock, limits=world.limits)
