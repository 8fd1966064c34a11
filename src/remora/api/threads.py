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
    are looked at. The thread is not loaded or resumed, and no app server is started: where none runs no turn does, and
    the processes are looked at all the same. Raises ``thread-missing``, ``server-absent`` for a thread that only a
    server knows, and what stops the connection.
    """
    from remora import wiring
    from remora.flows.kit.unattended import UnattendedDialogue
    from remora.flows.thread.turn_stop import look_without_server, stop_thread
    from remora.hub_client.access import Serverless, reach_running

    world = wiring.default_world(ssh_config, settings=settings)
    host = settings.host(alias, codex=codex)
    async with reach_running(alias, ssh_config, world, dialogue or UnattendedDialogue(), host=host) as found:
        if isinstance(found, Serverless):
            return await look_without_server(found.host, alias, thread, world)
        return await stop_thread(found.rpc, alias, thread, clock=world.clock, limits=world.limits)
