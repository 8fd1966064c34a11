"""What runs inside the connection, on the real sshd with awkward settings."""

import asyncio
import random
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.network.echo_socket import echo_socket
from tests.support.sshd.system_sshd import SystemSshd, public_key

from remora.adapters.asyncssh_host import AsyncsshDialler
from remora.adapters.ssh.openssh_config import OpenSshResolver
from remora.core.errors import Code, ShellProblem, Stage, TimeLimit
from remora.core.settings import Limits
from remora.flows.host.dial import find_route
from remora.flows.kit.unattended import UnattendedDialogue
from remora.ports import ExitStatus, PromptStream, RemoteHost

pytestmark = pytest.mark.sshd


async def echo_exactly(host: RemoteHost, size: int = 1024 * 1024) -> None:
    data = random.Random(size).randbytes(size)  # noqa: S311
    process = await host.start(["cat"])

    async def send() -> None:
        await process.write(data)
        await process.write_eof()

    sending = asyncio.create_task(send())
    received = b""
    while piece := await process.read():
        received += piece
    await sending
    assert received == data
    assert await process.wait() == ExitStatus(status=0)


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(["RemoteCommand sudo -iu other"], id="f09-remote-command"),
        pytest.param(["RequestTTY force"], id="f10-request-tty"),
        pytest.param(["PermitLocalCommand yes", "LocalCommand touch {marker}; sleep 60"], id="f11-local-command"),
        pytest.param(["ExitOnForwardFailure yes", "RemoteForward 1 127.0.0.1:1"], id="b14-forwards"),
    ],
)
def test_settings_for_interactive_use_do_not_disturb(tmp_path: Path, lines: list[str]) -> None:
    marker = tmp_path / "marker"
    with SystemSshd(tmp_path) as server:
        config = tmp_path / "config"
        extra = [line.format(marker=marker) for line in lines]
        config.write_text(server.ssh_config("devbox", extra=extra))

        async def work() -> None:
            route = await find_route("devbox", OpenSshResolver(str(config)))
            async with AsyncsshDialler().dial(route, UnattendedDialogue()) as host:
                await echo_exactly(host)

        run(work())
        assert server.accepted_logins() == 1
    assert not marker.exists()


@pytest.mark.parametrize(
    "options", [["AllowTcpForwarding no"], ["AllowStreamLocalForwarding no"], ["DisableForwarding yes"], ["restrict"]]
)
def test_f64_forbidden_forwarding_is_told_and_leaves_commands_alone(tmp_path: Path, options: list[str]) -> None:
    restricted = options == ["restrict"]
    with SystemSshd(tmp_path, options=[] if restricted else options) as server:
        if restricted:
            server.authorized_keys.write_text(f"restrict {public_key(server.identity)}\n")

        async def work() -> None:
            async with (
                echo_socket(tmp_path / "echo") as path,
                AsyncsshDialler().dial(server.route(), UnattendedDialogue()) as host,
            ):
                with pytest.raises(ShellProblem) as raised:
                    await host.open_unix_socket(path)
                assert raised.value.code is Code.CHANNEL_REFUSED
                await echo_exactly(host)

        run(work())


def test_f66_one_session_at_a_time_is_enough_and_a_second_is_refused(tmp_path: Path) -> None:
    with SystemSshd(tmp_path, options=["MaxSessions 1"]) as server:

        async def work() -> None:
            async with AsyncsshDialler().dial(server.route(), UnattendedDialogue()) as host:
                for _ in range(5):
                    await echo_exactly(host, 1000)
                running = await host.start(["cat"])
                with pytest.raises(ShellProblem) as raised:
                    await host.start(["true"])
                assert raised.value.code is Code.CHANNEL_REFUSED
                assert "MaxSessions" in raised.value.next_step
                await running.write(b"alive")
                assert await running.read() == b"alive"

        run(work())
        assert (server.accepted_logins(), server.connections()) == (1, 1)


def test_unread_output_stays_on_the_host(tmp_path: Path) -> None:
    finished = tmp_path / "finished"
    with SystemSshd(tmp_path) as server:

        async def work() -> None:
            async with AsyncsshDialler().dial(server.route(), UnattendedDialogue()) as host:
                flood = await host.start(["sh", "-c", f"head -c 64M /dev/zero; touch {finished}"])
                await echo_exactly(host)
                assert not finished.exists()
                size = 0
                while piece := await flood.read():
                    size += len(piece)
                assert size == 64 * 1024 * 1024
                assert await flood.wait() == ExitStatus(status=0)

        run(work())
        assert finished.exists()


def test_a_reader_that_is_slower_than_the_host_gets_no_more_than_it_has_room_for(tmp_path: Path) -> None:
    finished = tmp_path / "finished"
    with SystemSshd(tmp_path) as server:

        async def work() -> None:
            async with AsyncsshDialler().dial(server.route(), UnattendedDialogue()) as host:
                flood = await host.start(["sh", "-c", f"head -c 64M /dev/zero; touch {finished}"])
                for _ in range(20):
                    size = 0
                    while size < 1024 * 1024:
                        size += len(await flood.read())
                    await echo_exactly(host, 65536)  # the host sends what it may meanwhile
                assert not finished.exists()
                await flood.kill()

        run(work())


def test_a_renewed_key_exchange_goes_unnoticed(tmp_path: Path) -> None:
    with SystemSshd(tmp_path, options=["RekeyLimit 1M"]) as server:

        async def work() -> None:
            async with AsyncsshDialler().dial(server.route(), UnattendedDialogue()) as host:
                await echo_exactly(host, 4 * 1024 * 1024)

        run(work())


def test_a_channel_that_is_not_answered_reaches_its_limit(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server:

        async def work() -> None:
            async with AsyncsshDialler(Limits(channel=0.0)).dial(server.route(), UnattendedDialogue()) as host:
                with pytest.raises(TimeLimit) as raised:
                    await host.start(["true"])
                assert raised.value.stage is Stage.SHELL
                assert "a session for a command" in raised.value.message

        run(work())


def test_what_is_listened_to_and_what_is_read_are_one_stream_in_its_order(tmp_path: Path) -> None:
    chance = random.Random(11)  # noqa: S311
    pieces = [chance.randbytes(chance.choice((1, 200, 5_000, 60_000, 3_000_000))) for _ in range(60)]
    sent = b"".join(pieces)

    async def work(server: SystemSshd) -> None:
        async with AsyncsshDialler().dial(server.route(), UnattendedDialogue()) as host:
            process = await host.start(["cat"])
            assert isinstance(process, PromptStream)
            came, heard = bytearray(), []
            begun = asyncio.Event()

            def hear(data: bytes) -> bytes:
                some = len(data) if not begun.is_set() or chance.random() < 0.5 else len(data) // 2
                heard.append(some)
                came.extend(data[:some])
                begun.set()
                return data[some:]

            process.listen(hear)

            async def send() -> None:
                await process.write(sent[:1])  # a small piece that comes while nobody reads is listened to
                await begun.wait()
                for piece in (pieces[0][1:], *pieces[1:]):
                    await process.write(piece)
                await process.write_eof()

            sending = asyncio.create_task(send())
            await begun.wait()
            while data := await process.read(100_000):
                came += data
            await sending
            assert came == sent
            assert 0 < sum(heard) < len(sent), "nothing was listened to, or nothing read"

    with SystemSshd(tmp_path) as server:
        run(work(server))
