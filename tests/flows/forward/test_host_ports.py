"""The ports of the host that lead here, connection after connection."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.support.base.loop import run
from tests.support.network.egress_scene import LIMITS, echo
from tests.support.sshd.dial_network import Network, world_over

from remora.core.errors import Code, RemoraError
from remora.flows.forward.host_ports import HostPort, HostPorts
from remora.ports import Visitor
from remora.testing.memory_host import MemoryHost


def ports_open(*ports: HostPort) -> list[int]:
    return [port.port for port in ports if port.port is not None]


@asynccontextmanager
async def on(ports: HostPorts, host: MemoryHost) -> AsyncIterator[None]:
    """A connection to `host` that has come up."""
    ports.enter(host)
    try:
        yield
    finally:
        await ports.leave()


async def serve_nobody(stream: object) -> None:
    pass


async def test_a_port_is_asked_for_again_until_the_connection_before_lets_go_of_it() -> None:
    network = Network()
    ports = HostPorts("devbox", world_over(network), lambda: None)
    async with on(ports, MemoryHost(lambda words: None)):
        port = await ports.add(0, serve_nobody)
        number = port.port
        assert number == port.wanted
    assert port.port is None
    second = MemoryHost(lambda words: None, ports={number: echo})
    async with on(ports, second):
        await network.clock.advance(1)
        assert ports_open(port) == []
        second.stop_port(number)
        await network.clock.advance(LIMITS.egress_port - 2)
        assert ports_open(port) == [number]
        assert port.error is None


async def test_a9_a_port_that_stays_taken_is_lost_with_its_password_and_no_other_is_taken() -> None:
    network = Network()
    ports = HostPorts("devbox", world_over(network), lambda: None)
    async with on(ports, MemoryHost(lambda words: None)):
        port = await ports.add(0, serve_nobody)
        number = port.port
    assert number is not None
    async with on(ports, MemoryHost(lambda words: None, ports={number: echo})):
        await network.clock.advance(LIMITS.egress_port + 5)
        assert (port.port, port.lost) == (None, True)
        assert port.error is not None
        assert port.error.code is Code.EGRESS_REFUSED
        assert "password" in port.error.message
    async with on(ports, MemoryHost(lambda words: None)):  # it is free again: whoever had it knows the password
        await network.clock.advance(LIMITS.egress_port)
        assert port.port is None


def test_a_host_that_forbids_listening_is_told_from_a_port_that_is_taken() -> None:
    async def go(host: MemoryHost) -> RemoraError:
        ports = HostPorts("devbox", world_over(Network()), lambda: None)
        async with on(ports, host):
            with pytest.raises(RemoraError) as caught:
                await ports.add(8080, serve_nobody)
        assert not ports.wanted
        return caught.value

    forbidden = run(go(MemoryHost(lambda words: None, listens=False)))
    assert (forbidden.code, "AllowTcpForwarding" in forbidden.next_step) == (Code.EGRESS_REFUSED, True)
    taken = run(go(MemoryHost(lambda words: None, ports={8080: echo})))
    assert (taken.code, "8080" in taken.message) == (Code.EGRESS_REFUSED, True)


class FaultyHost(MemoryHost):
    """A host behind an adapter of ours that has a fault."""

    @asynccontextmanager
    async def serve_port(self, port: int, visitor: Visitor) -> AsyncIterator[int]:
        if port == 0:
            raise TypeError("no such port")
        yield port


def test_a_fault_of_ours_is_told_as_ours_and_not_as_a_lost_link(caplog: pytest.LogCaptureFixture) -> None:
    async def go() -> None:
        ports = HostPorts("devbox", world_over(Network()), lambda: None)
        async with on(ports, FaultyHost(lambda words: None)):
            with pytest.raises(RemoraError) as caught:
                await ports.add(0, serve_nobody)
        assert (caught.value.code, caught.value.host) == (Code.INTERNAL, "devbox")
        assert caught.value.seen == "TypeError: no such port"

    run(go())
    assert [record.exc_info is not None for record in caplog.records if record.name == "asyncio"] == [True]


async def test_without_a_connection_nothing_is_opened() -> None:
    ports = HostPorts("devbox", world_over(Network()), lambda: None)
    with pytest.raises(RemoraError) as caught:
        await ports.add(0, serve_nobody)
    assert caught.value.code is Code.LINK_MISSING
