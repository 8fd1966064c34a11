"""B9: a link whose name leads to another machine after a break, with one host key and one home: a balancer."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import mkdtemp

import pytest
from tests.support.base.loop import run
from tests.support.codex.fake_codex import install
from tests.support.link.chain import end_servers, furnish_host, processes_on
from tests.support.link.links import SshdResolver, linked, until_it_is, world_of
from tests.support.network.fault_proxy import FaultProxy
from tests.support.network.fault_way import Way
from tests.support.network.faults import CutNow
from tests.support.sshd.system_sshd import SystemSshd

from remora.core.errors import Code, RemoraError
from remora.core.link.egress import EgressRequest
from remora.core.link.links import Liveness
from remora.flows.kit.unattended import UnattendedDialogue
from remora.testing.memory_onward import MemoryOnward

pytestmark = [pytest.mark.sshd, pytest.mark.skipif(os.getuid() != 0, reason="only root can give a host another name")]


@dataclass(frozen=True, slots=True)
class LeadsTo:
    """Connections from now on go to another port."""

    target: int

    def strike(self, way: Way) -> None:
        way.target = self.target


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose name is short enough for sockets."""
    path = Path(mkdtemp(prefix="b"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def nodes(folder: Path) -> Iterator[tuple[SystemSshd, SystemSshd]]:
    """Two machines with names of their own, and the rest in common."""
    program = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None or subprocess.run(["unshare", "-u", "-m", "true"], check=False).returncode:
        pytest.skip("no sshd, or no names of hosts of their own")
    both, runtime = [], folder / "run"
    runtime.mkdir(mode=0o700)
    for name in ("node1", "node2"):
        wrapper = folder / name
        apart = f"hostname {name} && mount -t tmpfs -o mode=700 none {runtime} && exec {shlex.quote(program)}"
        wrapper.write_text(f'#!/bin/sh\nexec unshare -u -m sh -c \'{apart} "$@"\' sshd "$@"\n')
        wrapper.chmod(0o755)
        both.append(SystemSshd(folder, program=str(wrapper), environment={"XDG_RUNTIME_DIR": str(runtime)}))
    first, second = both
    second.host_keys, second.authorized_keys, second.home = first.host_keys, first.authorized_keys, first.home
    with ExitStack() as stack:
        for node in both:
            stack.enter_context(node)
            stack.callback(end_servers, node)
        furnish_host(first, install(folder / "programs/codex"))
        yield first, second


def test_b9_a_link_does_not_go_on_at_another_machine_until_a_person_says_so(
    nodes: tuple[SystemSshd, SystemSshd], folder: Path
) -> None:
    first, second = nodes

    async def work(balancer: FaultProxy) -> None:
        world = replace(world_of(SshdResolver(first, balancer.port)), onward=MemoryOnward({}))
        async with linked(world, folder) as link:
            egress, _ = await link.egresses.open(EgressRequest(destinations=("api.example.com",)))
            assert egress.port is not None
            balancer.strike(LeadsTo(second.port))
            balancer.strike(CutNow())
            await until_it_is(link, Liveness.NEEDS_HUMAN, limit=60)
            body = link.body()
            assert body.error is not None
            assert body.error.code == Code.HOST_CHANGED
            assert ("@node2" in body.error.message, "@node1" in body.error.message) == (True, True)
            assert "continues" in body.error.next
            assert link.egresses.bodies[0].port is None  # the other machine gets no way out
            with pytest.raises(RemoraError) as caught:
                await link.bring_up(UnattendedDialogue())
            assert caught.value.code is Code.HOST_CHANGED
            assert await link.bring_up(UnattendedDialogue(), accepts_change=True)
            identity = link.body().identity
            assert identity is not None
            assert identity.node == "node2"
            assert processes_on(first).app_servers  # nothing was ended there

    with FaultProxy(first.port) as balancer:
        run(work(balancer))
