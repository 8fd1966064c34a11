"""Ending the app server on purpose: only one that is proven ours, and idle unless it is forced."""

import math
from typing import Final

from remora.core.errors import Code, LaunchProblem, RemoraError
from remora.core.server.answers import Answers
from remora.core.server.launch_plan import LaunchRequest
from remora.flows.link.reach import Reach
from remora.flows.server.observer import Board
from remora.flows.server.rpc import open_rpc
from remora.flows.server.shell import ProbeRequest, open_shell
from remora.ports import RemoteHost, World
from remora.wire.appserver.jsonrpc import Framing
from remora.wire.reports.links import ActiveThread

_MARGIN: Final = 10.0
"""Seconds that the script gets beyond its own limits, to say how it ended."""
_SHOWN: Final = 10


async def require_idle(way: Reach, world: World) -> None:
    """Raise ``server-busy``, naming what would be interrupted, when a turn runs. No thread is loaded by asking."""
    stream = await way.open_server(transient=True)
    board = Board(lambda: None)
    async with open_rpc(stream, Framing.WEBSOCKET, clock=world.clock, limits=world.limits) as rpc:
        rpc.deliver_to(board)
        await board.look(rpc)
    if board.active:
        raise _busy(board.active)


async def end_server(host: RemoteHost, request: LaunchRequest, world: World) -> str:
    """Stop the app server on `host`: ``stopped``, or ``absent`` when there was none.

    Raises ``server-not-ours`` for one that another program started; it is not touched.
    """
    limits = world.limits
    async with open_shell(host, clock=world.clock, limits=limits, nonce=world.nonce) as shell:
        facts = await shell.probe(ProbeRequest(codex=request.codex))
        variables = {
            "remora_socket": facts.socket.path,
            "remora_limit": str(max(math.ceil(limits.stop), 1)),
        }
        answers = await shell.ask("stop", variables, limit=2 * limits.stop + _MARGIN)
    outcome = answers.one("outcome")
    if outcome in {"stopped", "absent"}:
        return outcome
    raise _not_stopped(answers)


def _not_stopped(answers: Answers) -> RemoraError:
    if answers.one("outcome") == "foreign":
        return LaunchProblem(
            Code.SERVER_NOT_OURS,
            "The app server on the host was started by another program, so remora did not end it.",
            next_step="End it with the program that started it, or disconnect without --stop-server.",
        )
    return LaunchProblem(
        Code.LAUNCH_REFUSED,
        "The app server on the host did not end, even after SIGKILL.",
        seen=f"process {answers.one('server.pid')}",
        next_step="Check that process on the host: it may hang in the kernel.",
    )


def _busy(threads: list[ActiveThread]) -> RemoraError:
    count = len(threads)
    listing = "\n".join(
        f"{thread.thread_id} {thread.name or ''}{' (waits for an answer)' if thread.waits_for_approval else ''}"
        for thread in threads[:_SHOWN]
    )
    return LaunchProblem(
        Code.SERVER_BUSY,
        f"Stopping the app server would interrupt {count} {'thread' if count == 1 else 'threads'}.",
        seen=listing,
        next_step="Wait until they have ended, or stop it anyway with --force.",
    )
