"""An app server behind a link: how many flights it takes, and what a link that is gone means."""

import asyncio
from dataclasses import dataclass, field

import pytest
from tests.support.model.fake_app_server import FakeAppServer
from tests.support.model.fake_thread import THREAD, FakeThread

from remora.adapters.machine.local_sockets import SystemSockets
from remora.adapters.machine.system_clock import SystemClock
from remora.core.errors import Code, RemoraError, ShellProblem
from remora.core.link.egress import EgressRequest
from remora.core.server.probes import FolderFacts, FolderState
from remora.core.settings import DEFAULT_LIMITS
from remora.flows.link.linked import open_linked_server
from remora.flows.thread.run_request import RunRequest
from remora.flows.thread.thread_open import Opening
from remora.ports import ByteStream
from remora.wire.reports import NoticeBody
from remora.wire.reports.links import EgressBody, ForwardBody, LinkBody


@dataclass
class Flights:
    """Counts how often somebody waited for the far side before saying more."""

    count: int = 0
    heard: bool = True

    def said(self) -> None:
        self.count += self.heard
        self.heard = False


class CountedStream:
    """A stream on which everything said after something was heard is a new flight."""

    def __init__(self, inner: ByteStream, flights: Flights) -> None:
        self._inner = inner
        self._flights = flights

    async def read(self, limit: int = 65536) -> bytes:
        data = await self._inner.read(limit)
        self._flights.heard = True
        return data

    async def write(self, data: bytes) -> None:
        self._flights.said()
        await self._inner.write(data)

    async def write_eof(self) -> None:
        await self._inner.write_eof()

    async def close(self) -> None:
        await self._inner.close()


@dataclass
class FakeAccess:
    """A link to a server of this machine."""

    server: FakeAppServer
    launched: bool = True
    missing: bool = False
    notices: tuple[str, ...] = ()
    flights: Flights = field(default_factory=Flights)

    async def body(self) -> LinkBody:
        return LinkBody(
            host="devbox",
            aliases=["devbox"],
            ssh_config=None,
            liveness="live" if self.launched else "connecting",
            since=0.0,
            socket=self.server.socket,
            policy="always",
            user="me",
            hostname="10.0.0.1",
            server_version="9.9.9",
            launch_mode="adopted" if self.launched else None,
            byte_path="relay",
            notices=[NoticeBody(code=code, message=code) for code in self.notices],
        )

    async def open_server(self) -> ByteStream:
        return CountedStream(await SystemSockets().connect(self.server.socket), self.flights)

    async def find_folder(self, folder: str | None) -> FolderFacts:
        self.flights.said()  # travels with the upgrade
        await asyncio.sleep(0)
        if self.missing:
            raise ShellProblem(Code.FOLDER_MISSING, "There is no such folder.", next_step="Make it.")
        return FolderFacts(path=f"/srv/{folder}", state=FolderState.OK)

    async def open_forward(self, port: int, local_port: int | None) -> tuple[ForwardBody, bool]:
        raise NotImplementedError

    async def open_egress(self, request: EgressRequest) -> tuple[EgressBody, bool]:
        raise NotImplementedError

    async def stop_forward(self, port: int) -> None:
        raise NotImplementedError


async def quiet(thread: FakeThread, peer: object) -> None:
    """The model says nothing."""


def begin() -> Opening:
    return Opening(RunRequest(prompt="", message_id="m", folder="app"))


async def test_a_thread_is_ready_after_two_flights() -> None:
    async with FakeThread(quiet).serve() as server:
        access, opening = FakeAccess(server), begin()
        linked = open_linked_server(access, "app", clock=SystemClock(), limits=DEFAULT_LIMITS, ahead=opening.ahead)
        async with linked as link:
            opened = await opening.open(link.rpc, link.folder)
            assert opened.thread.thread_id == THREAD
            assert access.flights.count == 2
            assert (link.user, link.folder, link.version) == ("me", "/srv/app", "9.9.9")
        (started,) = [request for request in server.requests if request["method"] == "thread/start"]
        assert started["params"]["cwd"] == "/srv/app"


async def test_a_missing_folder_is_told_before_anything_is_started() -> None:
    async with FakeThread(quiet).serve() as server:
        access = FakeAccess(server, missing=True)
        with pytest.raises(RemoraError) as caught:
            async with open_linked_server(
                access, "app", clock=SystemClock(), limits=DEFAULT_LIMITS, ahead=begin().ahead
            ):
                pass
        assert caught.value.code is Code.FOLDER_MISSING
        assert all(request["method"] == "initialize" for request in server.requests)


async def test_a_link_that_never_came_up_is_no_server() -> None:
    async with FakeThread(quiet).serve() as server:
        with pytest.raises(RemoraError) as caught:
            async with open_linked_server(
                FakeAccess(server, launched=False), None, clock=SystemClock(), limits=DEFAULT_LIMITS
            ):
                pass
        assert caught.value.code is Code.LINK_MISSING


async def test_what_the_login_of_a_link_said_is_not_said_again_by_each_run() -> None:
    async with FakeThread(quiet).serve() as server:
        access = FakeAccess(server, notices=("host-key-accepted", "openssh-used", "plain-links"))
        async with open_linked_server(access, None, clock=SystemClock(), limits=DEFAULT_LIMITS) as link:
            assert [notice.code for notice in link.notices] == ["plain-links"]
