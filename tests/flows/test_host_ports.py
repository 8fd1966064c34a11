"""The ports of the host that lead here, connection after connection."""

from collections.abc import Sequence

import pytest
from tests.support.egress_scene import LIMITS, echo
from tests.support.loop import run

from remora.core.errors import Code, RemoraError
from remora.flows.host_ports import HostPorts
from remora.testing.manual_clock import ManualClock
from remora.testing.memory_host import MemoryHost


async def serve_nobody(stream: object) -> None:
    pass


def test_a_port_is_asked_for_again_until_the_connection_before_lets_go_of_it() -> None:
    async def go(other: Sequence[int]) -> tuple[int | None, int]:
        clock = ManualClock()
        ports = HostPorts("devbox", clock, LIMITS, lambda: None)
        first = MemoryHost(lambda words: None)
        async with ports.on(first):
            port = await ports.add(0, serve_nobody)
            number = port.port
            assert number == port.wanted
        assert port.port is None
        second = MemoryHost(lambda words: None, ports=dict.fromkeys([number, *other], echo))
        async with ports.on(second):
            await clock.advance(1)
            assert port.port is None
            if not other:
                second.stop_port(number)
            await clock.advance(LIMITS.egress_port + 5)
            return port.port, number

    now, before = run(go([]))
    assert now == before
    now, before = run(go([1]))
    assert now not in (None, before)


def test_a_host_that_forbids_listening_is_told_from_a_port_that_is_taken() -> None:
    async def go(host: MemoryHost) -> RemoraError:
        ports = HostPorts("devbox", ManualClock(), LIMITS, lambda: None)
        async with ports.on(host):
            with pytest.raises(RemoraError) as caught:
                await ports.add(8080, serve_nobody)
        assert not ports.wanted
        return caught.value

    forbidden = run(go(MemoryHost(lambda words: None, listens=False)))
    assert (forbidden.code, "AllowTcpForwarding" in forbidden.next_step) == (Code.EGRESS_REFUSED, True)
    taken = run(go(MemoryHost(lambda words: None, ports={8080: echo})))
    assert (taken.code, "8080" in taken.message) == (Code.EGRESS_REFUSED, True)


def test_without_a_connection_nothing_is_opened() -> None:
    async def go() -> None:
        ports = HostPorts("devbox", ManualClock(), LIMITS, lambda: None)
        with pytest.raises(RemoraError) as caught:
            await ports.add(0, serve_nobody)
        assert caught.value.code is Code.LINK_MISSING

    run(go())
