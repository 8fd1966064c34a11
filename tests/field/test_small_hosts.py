"""F90 and F91: hosts that hang stop no other one, and small ones are enough."""

import asyncio
import shutil
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.codex.binaries import codex_binary
from tests.support.codex.fake_codex import Fault, install
from tests.support.link.chain import end_servers, furnish_host
from tests.support.link.hubs import HubPlace, hub_place
from tests.support.network.counted_stream import exchange
from tests.support.network.echo_socket import echo_port
from tests.support.network.streams import PipeStream
from tests.support.provision.scarcity import crowd, little_processor
from tests.support.sshd.account_sshd import AccountSshd
from tests.support.sshd.busy_hosts import BusyHosts, busy_hosts, connect, echoes, hub_over
from tests.support.sshd.system_sshd import SystemSshd

from remora.core.link.links import Liveness
from remora.core.settings import DEFAULT_LIMITS
from remora.hub_client.client import HubClient

pytestmark = pytest.mark.sshd

CLIENTS = 20
FILES, PROCESSES = 64, 3
TASKS = 64
MEMORY = 256
LOOKS = 100
ORDINARY_NOISE = 0.02
"""Seconds that a machine with other work may add to a message."""


def test_f90_one_of_five_hosts_hangs_and_the_other_four_are_as_quick_as_before(tmp_path: Path) -> None:
    """A wide bound for any machine; how close it is says ``scripts/bench frozen``."""

    async def work(hosts: BusyHosts) -> None:
        before = await hosts.tail()
        async with hosts.one_frozen():
            during = await hosts.tail()
            status = await HubClient(hosts.place.places.socket, DEFAULT_LIMITS).status()
            assert {link.liveness for link in status.links} == {Liveness.LIVE}
        assert during < 2 * before + ORDINARY_NOISE, (before, during)

    with busy_hosts(tmp_path) as hosts:
        run(work(hosts))


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
            assert f"the limit of {TASKS} (ulimit -u" in error["message"]
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
