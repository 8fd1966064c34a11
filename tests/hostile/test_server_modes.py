"""Every way in which an app server can be hostile: the run ends, with a reason, and holds up nobody meanwhile."""

import asyncio
import gc
import resource
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.base.runs import PROMPT, report_of, run_to_end
from tests.support.codex.local_app_server import LocalServer
from tests.support.hostile.modes import ANSWERS, LEFT, MODES
from tests.support.hostile.server import address, hostile_servers

from remora.adapters.machine.local_sockets import SystemSockets
from remora.adapters.machine.local_stream import LocalStream
from remora.adapters.machine.system_clock import SystemClock
from remora.core.errors import RemoraError
from remora.core.server.launch_plan import BytePath, LaunchMode
from remora.core.server.probes import FolderFacts, FolderState
from remora.core.settings import Limits
from remora.flows.kit.stop_request import InterruptSwitch
from remora.flows.server.launch import Ahead
from remora.flows.server.rpc import open_rpc
from remora.wire.appserver.jsonrpc import Framing

LIMITS = Limits(handshake=1.0, request=1.0, message=32 * 2**20, spool_disk=2**26, reconnect_total=0.1)
"""Short, so that each of those who say nothing costs a second."""
PATIENCE = 1.0
"""Seconds that a turn gets which nothing but the person ends."""
ENDS = 60.0
"""Seconds after which a run that has not ended hangs."""
BUSY = 0.3
"""Seconds of processor time for which nobody else may be kept from the loop."""
MEMORY = 300 * 2**20
"""What one server may make this process grow by, the largest message in all its forms included."""


@pytest.fixture(scope="module")
def servers() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder, hostile_servers(Path(folder)) as place:
        yield place


@asynccontextmanager
async def connection(path: str, ahead: Ahead) -> AsyncIterator[LocalServer]:
    stream = await SystemSockets().connect(path)
    clock = SystemClock()
    try:
        first = ahead(FolderFacts(path="/srv", state=FolderState.OK))
        async with open_rpc(stream, Framing.WEBSOCKET, clock=clock, limits=LIMITS, ahead=first) as rpc:
            yield LocalServer(rpc, LaunchMode.ADOPTED, BytePath.UNIX_SOCKET, "9.9.9", "/srv")
    finally:
        assert isinstance(stream, LocalStream)
        stream.abort()  # a server that reads nothing would be waited for, as long as one that means well


class Watch:
    """The longest time, in seconds of this thread's processor time, for which the loop was not free."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def look(self) -> None:
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.005)
            self.longest = max(self.longest, time.thread_time() - before)


async def outcome(path: str, mode: str) -> tuple[str, float]:
    interrupt = InterruptSwitch()
    watch = Watch()

    async def lose_patience() -> None:
        for _ in range(2):
            await asyncio.sleep(PATIENCE)
            interrupt.interrupt()

    watching = asyncio.create_task(watch.look())
    leaving = asyncio.create_task(lose_patience()) if LEFT in MODES[mode].ends else None
    try:
        async with asyncio.timeout(ENDS):
            try:
                events = await run_to_end(
                    lambda ahead: connection(path, ahead), PROMPT, interrupt=interrupt, limits=LIMITS
                )
            except RemoraError as error:
                return error.code, watch.longest
            report = report_of(events)
            return report.error.code if report.error and report.outcome != LEFT else report.outcome, watch.longest
    finally:
        for task in (watching, leaving):
            if task is not None:
                task.cancel()
        await asyncio.gather(*filter(None, (watching, leaving)), return_exceptions=True)


async def outcomes(folder: Path, modes: list[str]) -> dict[str, str]:
    """How runs against these modes end, all of them at once."""
    ends = await asyncio.gather(*(outcome(address(folder, mode), mode) for mode in modes))
    return {mode: end for mode, (end, _) in zip(modes, ends, strict=True)}


@pytest.mark.parametrize("method", ["initialize", "thread/start", "turn/start"])
def test_a_run_ends_with_a_reason_whatever_is_wrong_with_an_answer(servers: Path, method: str) -> None:
    modes = [mode for mode in ANSWERS if mode.startswith(method)]
    ended = run(outcomes(servers, modes))
    assert {mode: end for mode, end in ended.items() if end not in ANSWERS[mode].ends} == {}


@pytest.fixture
def own_garbage() -> Iterator[None]:
    """What other tests of this process left in memory is looked through in nobody's turn of the loop."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("own_garbage")
@pytest.mark.parametrize("mode", [mode for mode in MODES if mode not in ANSWERS])
def test_a_run_against_a_hostile_server_ends_with_a_reason_and_keeps_the_loop_free(servers: Path, mode: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    end, busy = run(outcome(address(servers, mode), mode))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    assert end in MODES[mode].ends
    assert busy < BUSY
    assert grown < MEMORY
