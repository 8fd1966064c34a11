"""F52 and F54: first connections that break, race or meet a slow server leave one server, and it stays the same."""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import mkdtemp

import pytest
from tests.support.base.loop import run
from tests.support.codex.fake_codex import Fault, install, set_fault
from tests.support.link.chain import end_servers, furnish_host, processes_on
from tests.support.link.hubs import HubPlace, hub_place
from tests.support.link.links import SshdResolver, linked, new_link, world_of
from tests.support.network.first_connects import break_first_connects
from tests.support.sshd.system_sshd import SystemSshd

from remora.core.errors import RemoraError
from remora.core.settings import Limits
from remora.flows.kit.unattended import UnattendedDialogue

pytestmark = pytest.mark.sshd

ROUNDS = 24
LAPTOPS = 4
MOST = 16
"""Processes of one account at once, the short children of a probe included, also while a broken round still ends."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose name is short enough for sockets."""
    path = Path(mkdtemp(prefix="f"))
    yield path
    shutil.rmtree(path)


def test_f52_first_connections_broken_anywhere_leave_one_server(folder: Path) -> None:
    outcome = break_first_connects(ROUNDS, seed=52, folder=folder)
    assert outcome.servers == 1
    assert outcome.relays == 1
    assert outcome.done.total() == ROUNDS
    assert outcome.processes <= MOST


def test_f54_laptops_that_connect_at_once_share_one_server_and_one_relay(folder: Path) -> None:
    async def connect(place: HubPlace) -> str:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "remora", "connect", "devbox", "--json", "--no-input"),
            env={**os.environ, **place.environment},
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        (host,) = json.loads(output)["hosts"]
        assert host["ok"], host
        return str(host["link"]["launch_mode"])

    async def work(laptops: list[HubPlace]) -> list[str]:
        return list(await asyncio.gather(*(connect(place) for place in laptops)))

    with SystemSshd(folder) as sshd, ExitStack() as stack:
        stack.callback(end_servers, sshd)
        furnish_host(sshd, install(folder / "programs/codex"))
        config = folder / "config"
        config.write_text(sshd.ssh_config())
        laptops = [stack.enter_context(hub_place(REMORA_SSH_CONFIG=str(config))) for _ in range(LAPTOPS)]
        assert sorted(run(work(laptops))) == ["adopted"] * (LAPTOPS - 1) + ["detached"]
        first = processes_on(sshd)
        assert (len(first.app_servers), len(first.relays)) == (1, 1)
        run(work(laptops))
        assert processes_on(sshd).app_servers == first.app_servers


def test_f54_a_client_that_does_not_wait_for_a_slow_server_gets_that_one_in_the_end(folder: Path) -> None:
    hasty = Limits(launch=0.5, handshake=0.5)

    async def work(sshd: SystemSshd, fake: Path) -> None:
        for _ in range(3):
            link = new_link(world_of(SshdResolver(sshd), limits=hasty), folder)
            running = asyncio.ensure_future(link.run())
            with pytest.raises(RemoraError):
                await link.bring_up(UnattendedDialogue())
            await link.stop()
            await running
            assert len(processes_on(sshd).app_servers) <= 1
        set_fault(fake, Fault.NONE)
        world = world_of(SshdResolver(sshd))
        async with linked(world, folder):
            (server,) = processes_on(sshd).app_servers
        async with linked(world, folder) as link:
            assert link.body().launch_mode == "adopted"
            assert processes_on(sshd).app_servers == (server,)

    with SystemSshd(folder) as sshd:
        furnish_host(sshd, fake := install(folder / "programs/codex", Fault.LISTEN_LATE))
        run(work(sshd, fake))
        end_servers(sshd)
