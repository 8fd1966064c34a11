"""The relay over a real sshd: through every login shell, where forwarding is forbidden, and when sessions die."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.support.base.required import missing
from tests.support.base.until import until
from tests.support.codex.launch_words import connected, facts_of, nonce
from tests.support.link.relay_process import read_exactly
from tests.support.network.echo_socket import echo_socket
from tests.support.sshd.system_sshd import SystemSshd

from remora.adapters.machine.system_clock import SystemClock
from remora.core.errors import Code
from remora.core.settings import DEFAULT_LIMITS
from remora.flows.relay.relay import RelaySession
from remora.flows.relay.relay_attachment import Attachment
from remora.flows.relay.relay_start import RelayPlace, reach_relay, relay_place
from remora.flows.server.shell import ProbeRequest
from remora.ports import ByteStream, RemoteHost

pytestmark = pytest.mark.sshd

_HARD = ("AllowTcpForwarding no", "AllowStreamLocalForwarding no", "DisableForwarding yes", "MaxSessions 1")


@dataclass
class Relaying:
    """A real sshd, an echo behind it, and the relay's place there."""

    sshd: SystemSshd
    place: RelayPlace

    def session(self) -> RelaySession:
        return RelaySession(clock=SystemClock(), limits=DEFAULT_LIMITS, nonce=nonce)

    async def reach(self, host: RemoteHost) -> ByteStream:
        return await reach_relay(host, self.place, clock=SystemClock(), limits=DEFAULT_LIMITS, nonce=nonce)

    @asynccontextmanager
    async def attached(self, session: RelaySession) -> AsyncIterator[Attachment]:
        async with connected(self.sshd) as host, session.attach(await self.reach(host)) as attachment:
            yield attachment

    def processes(self) -> dict[int, bytes]:
        """What sessions have started and still runs."""
        found = {}
        for pid in self.sshd.session_processes():
            try:
                found[pid] = Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                continue
        return found

    def relays(self) -> list[int]:
        return [pid for pid, words in self.processes().items() if b"remora-relay" in words]


@asynccontextmanager
async def relaying(sshd: SystemSshd) -> AsyncIterator[Relaying]:
    """Inside the block; at its end every relay is killed, and nothing that a session started is left."""
    socket = sshd.home / "s"
    async with echo_socket(socket):
        async with connected(sshd) as host:
            facts = await facts_of(host, ProbeRequest(relay=True))
        place = relay_place(facts)
        assert place is not None
        bench = Relaying(sshd, replace(place, runtime_folder=str(sshd.home / "run"), server_socket=str(socket)))
        try:
            yield bench
        finally:
            for pid in bench.relays():
                os.kill(pid, signal.SIGKILL)
            await until(lambda: not bench.processes(), what="all that sessions started has ended")


async def _echoes(stream: ByteStream, data: bytes) -> None:
    await stream.write(data)
    assert await read_exactly(stream, len(data)) == data


async def test_the_probe_tells_what_the_relay_needs_when_it_is_asked(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as sshd:
        async with connected(sshd) as host:
            facts = await facts_of(host, ProbeRequest(relay=True))
            assert facts.python is not None
            assert facts.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
            assert (await facts_of(host)).python is None
            assert relay_place(await facts_of(host)) is None


@pytest.mark.parametrize("shell", ["bash", "dash", "zsh", "fish", "tcsh"])
async def test_any_login_shell_will_do(tmp_path: Path, shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        missing(f"{shell} is not installed")
    with SystemSshd(tmp_path, shell=program) as sshd:
        async with relaying(sshd) as bench:
            session = bench.session()
            async with bench.attached(session):
                await _echoes(session.open("server"), b"through " + shell.encode())
                await session.leave()


async def test_one_session_and_no_forwarding_are_enough(tmp_path: Path) -> None:
    with SystemSshd(tmp_path, options=_HARD) as sshd:
        async with relaying(sshd) as bench:
            session = bench.session()
            streams = [session.open("server") for _ in range(20)]
            for _ in range(2):
                async with bench.attached(session):
                    await asyncio.gather(*(_echoes(stream, os.urandom(50_000)) for stream in streams))


async def test_streams_live_on_when_the_connection_dies_and_nothing_else_does(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as sshd:
        async with relaying(sshd) as bench:
            session = bench.session()
            stream = session.open("server")
            for index in range(3):
                async with bench.attached(session) as attachment:
                    assert attachment.resumed is (index > 0)
                    await _echoes(stream, b"hello")
                    for pid in sshd.connection_processes():
                        os.kill(pid, signal.SIGKILL)
                    assert (await attachment.wait_lost()).code is Code.CONNECTION_LOST
                await until(lambda: len(bench.processes()) == 1, what="only the relay is left")
            assert len(bench.relays()) == 1


async def test_a_session_that_is_stopped_is_taken_over_by_the_next(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as sshd:
        async with relaying(sshd) as bench:
            session = bench.session()
            stream = session.open("server")
            stopped: list[int] = []
            async with connected(sshd) as host:
                async with session.attach(await bench.reach(host)):
                    await _echoes(stream, b"one")
                    stopped += sshd.connection_processes()
                    for pid in stopped:
                        os.kill(pid, signal.SIGSTOP)
                    await stream.write(b"two")
                try:
                    async with bench.attached(session) as attachment:
                        assert attachment.resumed
                        assert await read_exactly(stream, 3) == b"two"
                        await session.leave()
                finally:
                    for pid in stopped:
                        os.kill(pid, signal.SIGCONT)


async def test_a_killed_bootstrap_is_a_lost_attachment_and_no_lost_session(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as sshd:
        async with relaying(sshd) as bench:
            session = bench.session()
            stream = session.open("server")
            async with bench.attached(session) as attachment:
                await _echoes(stream, b"one")
                for pid in set(bench.processes()) - set(bench.relays()):
                    os.kill(pid, signal.SIGKILL)
                assert (await attachment.wait_lost()).code is Code.RELAY_FAILED
            async with bench.attached(session) as attachment:
                assert attachment.resumed
                await _echoes(stream, b"two")


async def test_talkative_start_up_files_are_skipped(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as sshd:
        (sshd.home / ".bashrc").write_text("echo welcome to the jungle; head -c 300000 /dev/zero; echo >&2 warning\n")
        async with relaying(sshd) as bench:
            session = bench.session()
            async with bench.attached(session):
                await _echoes(session.open("server"), b"clear")
                await session.leave()
