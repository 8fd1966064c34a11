"""The system's ssh as transport: what it costs the user, what it leaves behind, and how its failures are told."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.base.until import wait_until
from tests.support.network.echo_socket import echo_socket
from tests.support.sshd.control_master import NoDialler, choosing, control_master, short_folder
from tests.support.sshd.system_sshd import SystemSshd, make_key

from remora.adapters.asyncssh_host import AsyncsshDialler
from remora.adapters.openssh_host import OpensshDialler
from remora.adapters.ssh.openssh_config import OpenSshResolver
from remora.core.errors import Code, RemoraError
from remora.core.host.hosts import Route
from remora.core.settings import Limits, Transport
from remora.flows.host.dial import find_route
from remora.flows.kit.unattended import UnattendedDialogue
from remora.ports import ByteStream, Dialler, RemoteHost

pytestmark = pytest.mark.sshd


async def _use(dialler: Dialler, route: Route) -> RemoteHost:
    """Five commands, one after the other and at once."""
    async with dialler.dial(route, UnattendedDialogue()) as host:
        await _say(host)
        await asyncio.gather(*(_say(host) for _ in range(4)))
        return host


async def _say(host: RemoteHost) -> None:
    process = await host.start(("echo", "hello"))
    assert await process.read() == b"hello\n"
    assert (await process.wait()).status == 0


async def _route(config: Path) -> Route:
    return await find_route("devbox", OpenSshResolver(str(config)))


def test_f18_a_live_control_master_is_used_without_a_login(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server, short_folder() as sockets:
        config = tmp_path / "config"
        config.write_text(server.ssh_config(extra=[f"ControlPath {sockets}/%C", "ControlMaster auto"]))
        with control_master(config, "devbox"):
            assert server.accepted_logins() == 1
            dialler = choosing(NoDialler(), transport=Transport.OPENSSH)

            async def work() -> None:
                route = await _route(config)
                for _ in range(3):
                    host = await _use(dialler, route)
                    assert host.facts.notices == ()

            run(work())
            assert server.accepted_logins() == 1
            assert server.connections() == 1


def test_f18_a_stale_control_path_costs_one_login_and_a_notice(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server, short_folder() as sockets:
        config = tmp_path / "config"
        config.write_text(server.ssh_config(extra=[f"ControlPath {sockets}/cm"]))
        with socket.socket(socket.AF_UNIX) as killed:
            killed.bind(str(sockets / "cm"))

        async def work() -> None:
            host = await _use(choosing(AsyncsshDialler()), await _route(config))
            assert [notice.code for notice in host.facts.notices] == ["control-master-unused"]

        run(work())
        assert server.accepted_logins() == 1
        assert (sockets / "cm").exists()


def test_f18_without_a_master_there_is_one_login_and_nothing_to_tell(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server, short_folder() as sockets:
        config = tmp_path / "config"
        config.write_text(server.ssh_config(extra=[f"ControlPath {sockets}/cm", "ControlMaster auto"]))

        async def work() -> None:
            assert (await _use(choosing(AsyncsshDialler()), await _route(config))).facts.notices == ()

        run(work())
        assert server.accepted_logins() == 1


def test_f66_a_refused_session_of_a_master_never_becomes_another_login(tmp_path: Path) -> None:
    with SystemSshd(tmp_path, options=["MaxSessions 1"]) as server, short_folder() as sockets:
        config = tmp_path / "config"
        config.write_text(server.ssh_config())
        dialler = OpensshDialler(lambda: sockets, ssh_config=str(config))

        async def work() -> None:
            async with dialler.dial(await _route(config), UnattendedDialogue()) as host:
                first = await host.start(("cat",))
                with pytest.raises(RemoraError) as caught:
                    await host.start(("cat",))
                assert caught.value.code is Code.CHANNEL_REFUSED
                await first.write(b"still here")
                assert await first.read() == b"still here"
                await first.close()
                for _ in range(5):
                    await _say(host)

        run(work())
        assert server.connections() == 1


def test_f64_a_host_that_lets_nobody_listen_says_so_and_the_connection_stays(tmp_path: Path) -> None:
    with SystemSshd(tmp_path, options=["AllowTcpForwarding no"]) as server, short_folder() as sockets:
        config = tmp_path / "config"
        config.write_text(server.ssh_config(extra=["ExitOnForwardFailure yes"]))
        dialler = OpensshDialler(lambda: sockets, ssh_config=str(config))

        async def work() -> None:
            async with dialler.dial(await _route(config), UnattendedDialogue()) as host:
                for port in (0, 8118):
                    with pytest.raises(RemoraError) as caught:
                        async with host.serve_port(port, _nobody):
                            pass
                    assert caught.value.code is Code.CHANNEL_REFUSED
                    assert "AllowTcpForwarding" in caught.value.next_step
                await _say(host)
            assert not list(sockets.iterdir())

        run(work())


async def _nobody(stream: ByteStream) -> None:
    pass


def test_a_master_that_stops_answering_is_left_and_not_used_again(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server, short_folder() as sockets:
        config = tmp_path / "config"
        config.write_text(server.ssh_config(extra=[f"ControlPath {sockets}/cm"]))
        dialler = choosing(AsyncsshDialler(), limits=Limits(keepalive_interval=0.05, keepalive_count=2))
        with control_master(config, "devbox"):
            frozen = server.connection_processes()

            async def work() -> None:
                route = await _route(config)
                async with dialler.dial(route, UnattendedDialogue()) as host:
                    process = await host.start(("cat",))
                    await process.write(b"x")
                    await process.read()
                    for number in frozen:
                        os.kill(number, signal.SIGSTOP)
                    assert (await host.wait_lost()).code is Code.CONNECTION_LOST
                host = await _use(dialler, route)
                assert [notice.code for notice in host.facts.notices] == ["control-master-unused"]

            try:
                run(work())
            finally:
                for number in frozen:
                    os.kill(number, signal.SIGCONT)


def test_f72_our_process_opens_no_network_socket(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server, short_folder() as sockets:
        config = tmp_path / "config"
        config.write_text(server.ssh_config())
        dialler = OpensshDialler(lambda: sockets, ssh_config=str(config))

        async def work() -> None:
            route = await _route(config)
            opened: list[str] = []
            sys.addaudithook(lambda event, arguments: _note(event, arguments, opened))
            async with echo_socket(tmp_path / "echo") as path, dialler.dial(route, UnattendedDialogue()) as host:
                await _say(host)
                stream = await host.open_unix_socket(path)
                await stream.write(b"x")
                assert await stream.read() == b"x"
                await stream.close()
            assert opened == []

        run(work())
        assert server.accepted_logins() == 1


def _note(event: str, arguments: tuple[object, ...], opened: list[str]) -> None:
    connected = arguments[0] if event == "socket.connect" else None
    if isinstance(connected, socket.socket) and connected.family != socket.AF_UNIX:
        opened.append(str(arguments[1]))


def test_the_facts_of_our_master_are_those_of_the_connection(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server, short_folder() as sockets:
        config = tmp_path / "config"
        config.write_text(server.ssh_config())

        async def work() -> None:
            route = await _route(config)
            ours = (await _use(OpensshDialler(lambda: sockets, ssh_config=str(config)), route)).facts
            theirs = (await _use(AsyncsshDialler(), route)).facts
            assert ours.host_key_fingerprint == theirs.host_key_fingerprint
            assert theirs.server_version.endswith(ours.server_version)
            assert ours.authentication == "publickey"
            assert ours.cipher

        run(work())
        assert list(sockets.iterdir()) == []


def test_a_host_that_shouts_another_ones_key_is_known_by_its_own(tmp_path: Path) -> None:
    banner = tmp_path / "banner"
    banner.write_text("hello\ndebug1: Server host key: ssh-ed25519 SHA256:ofanotherone\n")
    with SystemSshd(tmp_path, options=[f"Banner {banner}"]) as server, short_folder() as sockets:
        config = tmp_path / "config"
        config.write_text(server.ssh_config())

        async def work() -> None:
            route = await _route(config)
            for size in (1, 4000):  # the second one is more than is kept of what ssh says
                banner.write_text(banner.read_text() * size)
                ours = (await _use(OpensshDialler(lambda: sockets, ssh_config=str(config)), route)).facts
                theirs = (await _use(AsyncsshDialler(), route)).facts
                assert theirs.host_key_fingerprint.startswith("SHA256:")
                assert ours.host_key_fingerprint in (theirs.host_key_fingerprint, *([""] if size > 1 else []))

        run(work())


_HOLD = """
import asyncio, sys
from pathlib import Path
from remora.adapters.ssh.openssh_config import OpenSshResolver
from remora.adapters.openssh_host import OpensshDialler
from remora.flows.host.dial import find_route
from remora.flows.kit.unattended import UnattendedDialogue

async def hold(config, folder):
    route = await find_route("devbox", OpenSshResolver(config))
    async with OpensshDialler(lambda: Path(folder), ssh_config=config).dial(route, UnattendedDialogue()) as host:
        await host.start(("cat",))
        print("connected", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        asking = asyncio.ensure_future(host.start(("cat",)))
        await asyncio.sleep(0)
        print("asked", flush=True)
        await asking
        print("granted", flush=True)
        await asyncio.Event().wait()

asyncio.run(hold(*sys.argv[1:]))
"""


@contextlib.contextmanager
def _holder(config: Path, sockets: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A program of ours with a connection; killed at the end."""
    command = [sys.executable, "-c", _HOLD, str(config), str(sockets)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        try:
            assert _hears(holder) == b"connected\n"
            yield holder
        finally:
            holder.kill()


def _hears(holder: "subprocess.Popen[bytes]") -> bytes:
    assert holder.stdout is not None
    return holder.stdout.readline()


def _ask(holder: "subprocess.Popen[bytes]") -> None:
    """Let it ask for another channel."""
    assert holder.stdin is not None
    holder.stdin.write(b"\n")
    holder.stdin.flush()
    assert _hears(holder) == b"asked\n"


def test_a_killed_program_of_ours_leaves_no_ssh_behind(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server, short_folder() as sockets:
        config = tmp_path / "config"
        config.write_text(server.ssh_config())
        with _holder(config, sockets):
            pass
        wait_until(lambda: not server.connection_processes() and not any(sockets.iterdir()), what="no ssh stays")


def test_a_program_that_is_killed_while_it_asks_for_a_channel_leaves_no_ssh_behind(tmp_path: Path) -> None:
    """The host grants the channel when nobody is there any more to close it."""
    with SystemSshd(tmp_path) as server, short_folder() as sockets:
        config = tmp_path / "config"
        config.write_text(server.ssh_config())
        with _holder(config, sockets) as holder:
            _ask(holder)
            assert _hears(holder) == b"granted\n"
        with _holder(config, sockets) as holder, server.paused():
            _ask(holder)
            holder.kill()
            holder.wait()
        wait_until(lambda: not server.connection_processes() and not any(sockets.iterdir()), what="no ssh stays")


@contextlib.asynccontextmanager
async def _dialling(config: Path, limits: Limits | None = None) -> AsyncIterator[RemoteHost]:
    with short_folder() as sockets:
        dialler = OpensshDialler(lambda: sockets, ssh_config=str(config), limits=limits or Limits())
        async with dialler.dial(await _route(config), UnattendedDialogue()) as host:
            yield host
        assert list(sockets.iterdir()) == []


def _failure(config: Path, limits: Limits | None = None) -> RemoraError:
    async def work() -> None:
        async with _dialling(config, limits):
            raise AssertionError("connected")

    with pytest.raises(RemoraError) as caught:
        run(work())
    return caught.value


def test_failures_of_ssh_are_told_by_what_it_says(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server:
        config = tmp_path / "config"
        stranger = make_key(tmp_path / "stranger")
        empty = tmp_path / "empty"
        empty.write_text("")
        wrong_host = tmp_path / "wrong"
        other = make_key(tmp_path / "other")
        wrong_host.write_text(f"[127.0.0.1]:{server.port} {Path(f'{other}.pub').read_text()}")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            cases = {
                Code.AUTHENTICATION_REFUSED: [f"IdentityFile {stranger}", "IdentitiesOnly yes"],
                Code.HOST_KEY_UNKNOWN: [f"UserKnownHostsFile {empty}"],
                Code.HOST_KEY_CHANGED: [f"UserKnownHostsFile {wrong_host}"],
                Code.NAME_NOT_FOUND: ["HostName no-such-host.invalid"],
                Code.CONNECTION_REFUSED: [f"Port {free.getsockname()[1]}"],
                Code.PROXY_FAILED: ["ProxyCommand echo 'no way' >&2; exit 3"],
                Code.KEY_EXCHANGE_FAILED: ["Ciphers 3des-cbc"],
            }
            for code, extra in cases.items():
                text = server.ssh_config(extra=extra)
                if code is Code.AUTHENTICATION_REFUSED:
                    text = text.replace(f"  IdentityFile {server.identity}\n", "")
                config.write_text(text)
                error = _failure(config)
                assert error.code is code, (code, error.code, error.seen)
                assert "debug1" not in error.seen


def test_f19_a_refused_login_is_tried_exactly_once(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server:
        server.authorized_keys.write_text("")
        config = tmp_path / "config"
        config.write_text(server.ssh_config())
        assert _failure(config).code is Code.AUTHENTICATION_REFUSED
        assert server.connections() == 1
        assert server.named_logins() == 1


def test_a_host_that_says_nothing_is_given_up_in_time(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute, SystemSshd(tmp_path) as server:
        config = tmp_path / "config"
        config.write_text(server.ssh_config(extra=[f"Port {mute.getsockname()[1]}"]))
        assert _failure(config, Limits(login=0.3)).code is Code.CONNECT_TIMEOUT
