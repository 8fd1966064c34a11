"""Many logins at once: a server is never met by a crowd of ours, and a refused login is not repeated."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.sshd.control_master import choosing
from tests.support.sshd.system_sshd import SystemSshd

from remora.adapters.asyncssh_host import AsyncsshDialler
from remora.core.errors import AuthenticationProblem, Code, Unreachable
from remora.core.host.hosts import Route
from remora.core.settings import Limits
from remora.flows.kit.unattended import UnattendedDialogue
from remora.ports import Dialler, Dialogue, RemoteHost

_ALIASES = 30


class _Counting:
    """A dialler that counts how many logins are under way, and calls `met` when one begins."""

    def __init__(self, inner: Dialler, met: Callable[[], None] = lambda: None) -> None:
        self._inner = inner
        self._met = met
        self.now = 0
        self.most = 0
        self.begun = 0

    @contextlib.asynccontextmanager
    async def dial(self, route: Route, dialogue: Dialogue) -> AsyncIterator[RemoteHost]:
        self.now += 1
        self.begun += 1
        self.most = max(self.most, self.now)
        self._met()
        async with contextlib.AsyncExitStack() as stack:
            try:
                host = await stack.enter_async_context(self._inner.dial(route, dialogue))
            finally:
                self.now -= 1
            yield host


async def _connect_all(dialler: Dialler, routes: list[Route]) -> None:
    everybody = asyncio.Barrier(len(routes))

    async def connect(route: Route) -> None:
        async with dialler.dial(route, UnattendedDialogue()) as host:
            process = await host.start(("echo", route.target.alias))
            assert await process.read() == f"{route.target.alias}\n".encode()
            await everybody.wait()  # all connections stand at the same time

    async with asyncio.TaskGroup() as group:
        for route in routes:
            group.create_task(connect(route))


@pytest.mark.sshd
def test_f67_thirty_aliases_of_a_server_that_lets_in_two_at_a_time(tmp_path: Path) -> None:
    with SystemSshd(tmp_path, options=["MaxStartups 2:100:2"]) as server, contextlib.ExitStack() as stack:
        idle = [stack.enter_context(socket.create_connection(("127.0.0.1", server.port))) for _ in range(2)]

        def let_go() -> None:
            if counting.begun > 2:  # the first two have been turned away
                for opener in idle:
                    opener.close()

        counting = _Counting(AsyncsshDialler(), let_go)
        run(_connect_all(choosing(counting), [server.route(f"devbox{number}") for number in range(_ALIASES)]))
        assert counting.most <= Limits().dial_parallel_server
        assert server.accepted_logins() == _ALIASES


@pytest.mark.sshd
def test_f67_all_servers_together_have_a_limit_too(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(SystemSshd(tmp_path / str(number))) for number in range(4)]
        counting = _Counting(AsyncsshDialler())
        limits = Limits(dial_parallel=3, dial_parallel_server=2)
        routes = [server.route(f"devbox{number}") for number in range(3) for server in servers]
        run(_connect_all(choosing(counting, limits=limits), routes))
        assert counting.most <= 3


@pytest.mark.sshd
def test_f19_refused_logins_never_reach_what_a_ban_needs(tmp_path: Path) -> None:
    """A toy fail2ban: it follows the log and would ban an address at the third refusal."""
    with SystemSshd(tmp_path) as server:
        server.authorized_keys.write_text("")

        async def refused() -> None:
            with pytest.raises(AuthenticationProblem):
                async with choosing(AsyncsshDialler()).dial(server.route(), UnattendedDialogue()):
                    raise AssertionError("let in")

        run(refused())
        assert server.named_logins() == 1
        assert server.connections() == 1


@pytest.mark.sshd
def test_a_login_alone_that_is_turned_away_is_not_repeated(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as turning_away, SystemSshd(tmp_path) as server:
        counting = _Counting(AsyncsshDialler(), lambda: _turn_away(turning_away))

        async def work() -> None:
            with pytest.raises(Unreachable) as caught:
                async with choosing(counting).dial(
                    server.route(port=turning_away.getsockname()[1]), UnattendedDialogue()
                ):
                    raise AssertionError("let in")
            assert caught.value.code is Code.CONNECTION_CLOSED

        run(work())
    assert counting.begun == 1


def _turn_away(listener: socket.socket) -> None:
    threading.Thread(target=lambda: listener.accept()[0].close()).start()
