"""Who wants the app server stopped hears what became of that, whatever happens to the link meanwhile."""

import asyncio
from pathlib import Path

import pytest
from tests.support.link.link_scene import LIMITS, folder, sshd
from tests.support.link.links import SshdResolver, new_link, world_of
from tests.support.sshd.account_sshd import AccountSshd

from remora.core.errors import RemoraError
from remora.flows.kit.unattended import UnattendedDialogue

__all__ = ["folder", "sshd"]

pytestmark = pytest.mark.sshd


@pytest.mark.parametrize("passes", range(12))
async def test_an_order_that_comes_while_the_link_is_ended_is_answered(
    sshd: AccountSshd, folder: Path, passes: int
) -> None:
    link = new_link(world_of(SshdResolver(sshd), limits=LIMITS), folder)
    running = asyncio.ensure_future(link.run())
    await link.bring_up(UnattendedDialogue())
    stopping = asyncio.ensure_future(link.stop(stop_server=True, force=True))
    for _ in range(passes):
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    (ended,) = await asyncio.wait_for(asyncio.gather(stopping, return_exceptions=True), 30)
    assert ended in ("stopped", "absent") or isinstance(ended, RemoraError)
