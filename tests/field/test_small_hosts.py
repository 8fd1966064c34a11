"""F90 and F91: hosts that hang stop no other one, and small ones are enough."""

import asyncio
import shutil
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.support.account_sshd import AccountSshd
from tests.support.byte_server import ECHO
from tests.support.chain import end_servers, furnish_host
from tests.support.codex import codex_binary
from tests.support.counted_stream import exchange
from tests.support.echo_socket import echo_port
from tests.support.fake_codex import Fault, install
from tests.support.hubs import HubPlace, hub_place
from tests.support.loop import run
from tests.support.scarcity import crowd, little_processor
from tests.support.streams import PipeStream
from tests.support.system_sshd import SystemSshd

from remora.adapters.local_sockets import LocalSockets
from remora.core.links import Liveness
from remora.core.settings import DEFAULT_LIMITS
from remora.hub.client import HubClient
from remora.ports import ByteStream

pytestmark = pytest.mark.sshd

BUSY = 5
MESSAGES = 200
CLIENTS = 20
FILES, PROCESSES = 64, 3
TASKS = 64
MEMORY = 256
LOOKS = 100
ORDINARY_NOISE = 0.02
"""Seconds that a machine with other work may add to a message."""


@contextmanager
def hub_over(folder: Path, hosts: Sequence[SystemSshd]) -> Iterator[HubPlace]:
    """A hub that knows the hosts as host0, host1 and so on."""
    config = folder / "ssh_config"
    config.write_text("".join(host.ssh_config(f"host{number}") for number, host in enumerate(hosts)))
    with hub_place(REMORA_SSH_CONFIG=str(config), XDG_CONFIG_HOME=str(folder)) as place:
        yield place


def connect(place: HubPlace, count: int) -> list[str]:
    """Live links to the first `count` hosts; their sockets."""
    answer = place.document("connect", *(f"host{number}" for number in range(count)))
    assert answer["ok"], answer
    return [host["link"]["socket"] for host in answer["hosts"]]


async def said_back(stream: ByteStream, message: bytes) -> float:
    """Seconds until `message` has come back."""
    began = time.perf_counter()
    await stream.write(message)
    left = len(message)
    while left:
        data = await stream.read()
        assert data
        left -= len(data)
    return time.perf_counter() - began


async def echoes(socket: str, count: int = MESSAGES) -> list[float]:
    """How long so many messages took over one connection to the app server's place."""
    stream = await LocalSockets().connect(socket)
    await stream.write(ECHO)
    try:
        return [await said_back(stream, bytes(200)) for _ in range(count)]
    finally:
        await stream.close()


def test_f90_one_of_five_hosts_hangs_and_the_other_four_are_as_quick_as_before(tmp_path: Path) -> None:
    async def tail(sockets: Sequence[str]) -> float:
        taken = await asyncio.gather(*(echoes(socket) for socket in sockets))
        return statistics.quantiles([each for one in taken for each in one], n=20)[-1]

    async def work(place: HubPlace, sockets: Sequence[str], victim: SystemSshd) -> None:
        before = await tail(sockets[1:])
        with victim.paused():
            stuck = asyncio.ensure_future(echoes(sockets[0], 1))
            during = await tail(sockets[1:])
            status = await HubClient(place.places.socket, DEFAULT_LIMITS).status()
            assert {link.liveness for link in status.links} == {Liveness.LIVE}
            assert not stuck.done()
        await stuck
        assert during < 2 * before + ORDINARY_NOISE, (before, during)

    with ExitStack() as stack:
        hosts = [stack.enter_context(SystemSshd(tmp_path)) for _ in range(BUSY)]
        for number, host in enumerate(hosts):
            stack.callback(end_servers, host)
            fake = install(tmp_path / "programs/codex", Fault.PLAIN_BYTES)
            (host.home / ".profile").write_text(
                f'PATH="{fake.parent}:$PATH"\nCODEX_HOME="$HOME/{number}"\nexport PATH CODEX_HOME\n'
            )
            (host.home / ".bashrc").write_text((host.home / ".profile").read_text())
        place = stack.enter_context(hub_over(tmp_path, hosts))
        run(work(place, connect(place, BUSY), hosts[0]))


def test_f91_a_host_that_allows_few_files_is_enough_and_few_processes_run_there(tmp_path: Path) -> None:
    async def work(socket: str) -> None:
        taken = await asyncio.gather(*(echoes(socket, 20) for _ in range(CLIENTS)))
        assert [len(one) for one in taken] == [20] * CLIENTS

    with SystemSshd(tmp_path) as host:
        fake = install(tmp_path / "programs/codex", Fault.PLAIN_BYTES)
        for name in (".profile", ".bashrc"):
            (host.home / name).write_text(f'ulimit -n {FILES}\nPATH="{fake.parent}:$PATH"\nexport PATH\n')
        with hub_over(tmp_path, [host]) as place:
            (socket,) = connect(place, 1)
            run(work(socket))
            assert len(host.session_processes()) <= PROCESSES
        end_servers(host)


@pytest.mark.codex
def test_f91_a_full_account_is_named_and_a_link_that_stands_goes_on(tmp_path: Path) -> None:
    """``ulimit -u 64``: the server fits; when others have used the rest, what stands goes on and new logins say why."""

    async def work(place: HubPlace, local: int) -> None:
        with crowd(TASKS):
            stream = PipeStream(*await asyncio.open_connection("127.0.0.1", local))
            await exchange(stream, salt=91, total=2_000_000)
            await stream.close()
            with hub_place(REMORA_SSH_CONFIG=place.environment["REMORA_SSH_CONFIG"]) as other:
                answer = await asyncio.to_thread(other.document, "connect", "devbox")
            error = answer["hosts"][0]["error"]
            assert error["code"] == "shell-failed"
            assert f"the limit of {TASKS} is reached (ulimit -u" in error["message"]
            assert "fork" in error["seen"]
        assert place.document("status")["links"][0]["breaks"] == 0

    with AccountSshd("/bin/bash", ordinary=True) as host:
        program = host.home / "bin/codex"
        program.parent.mkdir()
        shutil.copy2(codex_binary("0.163.0").resolve(), program)
        for name in (".profile", ".bashrc"):
            (host.home / name).write_text(f'ulimit -u {TASKS}\nPATH="{program.parent}:$PATH"\nexport PATH\n')
        config = tmp_path / "config"
        config.write_text(host.ssh_config())
        with hub_place(REMORA_SSH_CONFIG=str(config)) as place:
            assert place.document("connect", "devbox")["ok"]

            async def with_port() -> None:
                async with echo_port() as port:
                    document = await asyncio.to_thread(place.document, "forward", "devbox", str(port))
                    await work(place, document["forwards"][0]["local_port"])

            run(with_port())
        end_servers(host)


@pytest.mark.codex
def test_f91_a_host_that_gives_too_little_memory_is_told_how_much_it_gives(tmp_path: Path) -> None:
    """Of addresses, which any account can bound; what a group allows is read in the same way."""
    with SystemSshd(tmp_path) as host:
        furnish_host(host, codex_binary("0.163.0"))
        for name in (".profile", ".bashrc"):
            with (host.home / name).open("a") as file:
                file.write(f"ulimit -v {MEMORY * 1024}\n")
        with hub_over(tmp_path, [host]) as place:
            answer = place.document("connect", "host0")
        error = answer["hosts"][0]["error"]
        assert error["code"] == "codex-unusable"
        assert f"failed with status 139 (this account may have {MEMORY} MB of memory)" in error["message"]
        assert host.session_processes() == []


def test_f91_a_tenth_of_a_processor_is_enough_for_a_link_that_stands(tmp_path: Path) -> None:
    async def work(place: HubPlace, socket: str) -> None:
        assert len(await echoes(socket, 20)) == 20
        status = await HubClient(place.places.socket, DEFAULT_LIMITS).status()
        assert [(link.liveness, link.breaks) for link in status.links] == [(Liveness.LIVE, 0)]

    with SystemSshd(tmp_path) as host:
        furnish_host(host, install(tmp_path / "programs/codex", Fault.PLAIN_BYTES))
        with hub_over(tmp_path, [host]) as place:
            (socket,) = connect(place, 1)
            everything = [*host.connection_processes(), *host.session_processes()]
            with little_processor(everything, share=0.1):
                run(work(place, socket))
        end_servers(host)


def test_f91_an_idle_link_starts_no_processes_on_its_host(tmp_path: Path) -> None:
    """However often one looks, nothing is there that was not there before, while the link asks for signs of life."""
    settings = "[limits]\nstall = 0.4\n"

    async def work(place: HubPlace, host: SystemSshd) -> None:
        before = set(host.session_processes())
        seen: set[int] = set()
        async with asyncio.timeout(30):
            watched = 0
            while watched < LOOKS:
                seen |= set(await asyncio.to_thread(host.session_processes))
                watched += 1
        assert seen == before

    (tmp_path / "remora").mkdir()
    (tmp_path / "remora/config.toml").write_text(settings)
    with SystemSshd(tmp_path) as host:
        furnish_host(host, install(tmp_path / "programs/codex", Fault.PLAIN_BYTES))
        with hub_over(tmp_path, [host]) as place:
            connect(place, 1)
            run(work(place, host))
        end_servers(host)
