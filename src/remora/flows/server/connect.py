"""From a host to its app server: dial once, launch or adopt."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from remora.core.server.launch_plan import LaunchPlan, LaunchRequest, plan_launch
from remora.flows.host.dial import connect_host
from remora.flows.server.launch import Ahead, AppServer, nothing_ahead, open_app_server
from remora.flows.server.shell import ProbeRequest, open_shell
from remora.ports import Dialogue, World


@asynccontextmanager
async def connect_server(
    alias: str, request: LaunchRequest, world: World, dialogue: Dialogue, ahead: Ahead = nothing_ahead
) -> AsyncIterator[AppServer]:
    """The app server on `alias`, launched or adopted; it has answered ``initialize``.

    `ahead` gives the requests to send in one flight with ``initialize``, for the folder as the host names it.
    On leaving, the connection is gone; a server that is not attached goes on.
    """
    async with (
        connect_host(alias, world, dialogue) as host,
        open_app_server(
            host, request, clock=world.clock, limits=world.limits, nonce=world.nonce, ahead=ahead
        ) as server,
    ):
        yield server


async def plan_for(alias: str, request: LaunchRequest, world: World, dialogue: Dialogue) -> LaunchPlan:
    """What :func:`connect_server` would do; starts nothing."""
    async with (
        connect_host(alias, world, dialogue) as host,
        open_shell(host, clock=world.clock, limits=world.limits, nonce=world.nonce) as shell,
    ):
        facts = await shell.probe(ProbeRequest(folder=request.folder, codex=request.codex))
        return plan_launch(facts, handshake_seconds=world.limits.handshake)
