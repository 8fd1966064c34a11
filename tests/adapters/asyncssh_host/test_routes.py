"""The way to the host: jumps, proxies, algorithms, and every fault on it with its one code and verdict."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from tests.support.base.loop import run
from tests.support.sshd.system_sshd import SystemSshd, public_key

from remora.adapters.asyncssh_host import AsyncsshDialler
from remora.adapters.ssh.openssh_config import OpenSshResolver
from remora.core.errors import Code, RemoraError, Unreachable, Verdict
from remora.core.host.hosts import AddressFamily, Host, Route
from remora.core.settings import Limits
from remora.flows.host.dial import find_route
from remora.flows.kit.unattended import UnattendedDialogue
from remora.ports import ConnectionFacts, ExitStatus

Behaviour: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

QUICK = Limits(connect=0.5)

RELAY = """
import os, socket, subprocess, sys, threading
subprocess.Popen(["sleep", "600"])
print("the proxy says hello", file=sys.stderr, flush=True)
far = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def up():
    while data := os.read(0, 65536):
        far.sendall(data)
threading.Thread(target=up, daemon=True).start()
while data := far.recv(65536):
    os.write(1, data)
"""


async def facts_of(route: Route, limits: Limits = QUICK) -> ConnectionFacts:
    async with AsyncsshDialler(limits).dial(route, UnattendedDialogue()) as host:
        assert await (await host.start(["true"])).wait() == ExitStatus(status=0)
        return host.facts


async def failure_of(route: Route) -> RemoraError:
    with pytest.raises(RemoraError) as raised:
        await facts_of(route)
    return raised.value


def somewhere(port: int, **changes: Any) -> Host:
    return replace(Host(alias="there", hostname="127.0.0.1", port=port, user="me", options={}), **changes)


@contextlib.asynccontextmanager
async def listener(behave: Behaviour) -> AsyncIterator[int]:
    """A server on loopback that is no SSH server."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await behave(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    return


async def speak_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readline()
    writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    await writer.drain()


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("changes", "code", "verdict"),
    [
        ({"hostname": "no-such-name.invalid"}, Code.NAME_NOT_FOUND, Verdict.RETRY),
        ({"hostname": "x" * 300}, Code.NAME_NOT_FOUND, Verdict.RETRY),
        ({}, Code.CONNECTION_REFUSED, Verdict.RETRY),
        ({"bind_address": "192.0.2.1"}, Code.NETWORK_UNREACHABLE, Verdict.RETRY),
        ({"bind_address": "no-such-name.invalid"}, Code.NETWORK_UNREACHABLE, Verdict.RETRY),
        ({"bind_address": "::1"}, Code.NETWORK_UNREACHABLE, Verdict.RETRY),
        ({"address_family": AddressFamily.IPV6}, Code.NAME_NOT_FOUND, Verdict.RETRY),
        ({"proxy_command": "echo no route here >&2; exit 1"}, Code.PROXY_FAILED, Verdict.RETRY),
        ({"proxy_command": "/nonexistent/proxy"}, Code.PROXY_FAILED, Verdict.RETRY),
        ({"options": {"ciphers": ("no-such-cipher",)}}, Code.OPTION_UNSUPPORTED, Verdict.FATAL),
    ],
)
def test_f79_faults_before_ssh(changes: dict[str, Any], code: Code, verdict: Verdict) -> None:
    error = run(failure_of(Route(somewhere(closed_port(), **changes))))
    assert (error.code, error.verdict) == (code, verdict)
    assert error.host == "there"
    assert error.next_step


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        (say_nothing, Code.CONNECT_TIMEOUT),
        (hang_up, Code.CONNECTION_CLOSED),
        (speak_http, Code.CONNECTION_CLOSED),
    ],
)
def test_f79_servers_that_are_no_ssh_servers(behaviour: Behaviour, code: Code) -> None:
    async def work() -> RemoraError:
        async with listener(behaviour) as port:
            return await failure_of(Route(somewhere(port)))

    error = run(work())
    assert (error.code, error.verdict) == (code, Verdict.RETRY)


def test_connect_timeout_of_the_configuration_wins() -> None:
    async def work() -> RemoraError:
        async with listener(say_nothing) as port:
            return await failure_of(Route(somewhere(port, connect_timeout=0.1)))

    assert "within 0.1 seconds" in run(work()).message


@pytest.mark.sshd
def test_b19_too_many_startups_is_a_closed_connection_to_try_again(tmp_path: Path) -> None:
    with SystemSshd(tmp_path, options=["MaxStartups 1:100:1"]) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as idle:
            idle.recv(100)
            error = run(failure_of(server.route()))
        assert (error.code, error.verdict) == (Code.CONNECTION_CLOSED, Verdict.RETRY)
        assert "too many connections" in error.message


@pytest.mark.sshd
def test_no_common_algorithm_names_what_both_sides_have(tmp_path: Path) -> None:
    with SystemSshd(tmp_path, options=["Ciphers aes256-ctr"]) as server:
        error = run(failure_of(server.route(options={"ciphers": ("aes128-ctr,aes192-ctr",)})))
        assert (error.code, error.verdict) == (Code.KEY_EXCHANGE_FAILED, Verdict.NEEDS_HUMAN)
        assert "aes128-ctr,aes192-ctr" in error.seen
        assert "aes256-ctr" in error.seen


@pytest.mark.sshd
@pytest.mark.parametrize(
    ("server_has", "configured", "used"),
    [
        (None, "chacha20-poly1305@openssh.com,aes128-ctr,aes256-gcm@openssh.com", "aes256-gcm@openssh.com"),
        (None, "chacha20-poly1305@openssh.com,aes128-ctr", "chacha20-poly1305@openssh.com"),
        ("aes256-ctr", None, "aes256-ctr"),
        (None, None, "aes128-gcm@openssh.com"),
    ],
)
def test_aes_gcm_is_preferred_where_both_ends_allow_it(
    tmp_path: Path, server_has: str | None, configured: str | None, used: str
) -> None:
    options = {"ciphers": (configured,)} if configured else {}
    with SystemSshd(tmp_path, options=[f"Ciphers {server_has}"] if server_has else []) as server:
        assert run(facts_of(server.route(options=options))).cipher == used


@pytest.mark.sshd
def test_every_jump_logs_in_with_its_own_settings(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as first, SystemSshd(tmp_path) as second, SystemSshd(tmp_path) as target:
        config = tmp_path / "config"
        config.write_text(
            first.ssh_config("first")
            + second.ssh_config("second", extra=["ProxyJump first"])
            + target.ssh_config("target", extra=["ProxyJump second"])
        )

        async def work() -> ConnectionFacts:
            return await facts_of(await find_route("target", OpenSshResolver(str(config))))

        assert run(work()).port == target.port
        servers = (first, second, target)
        assert [(server.accepted_logins(), server.connections()) for server in servers] == [(1, 1)] * 3


@pytest.mark.sshd
@pytest.mark.parametrize("fault", ["down", "refuses forwarding", "cannot reach the target"])
def test_f79_a_failing_jump_is_named(tmp_path: Path, fault: str) -> None:
    options = ["AllowTcpForwarding no"] if fault == "refuses forwarding" else []
    with SystemSshd(tmp_path, options=options) as jump, SystemSshd(tmp_path) as target:
        gate = jump.host("gate", port=closed_port()) if fault == "down" else jump.host("gate")
        port = closed_port() if fault == "cannot reach the target" else target.port
        error = run(failure_of(Route(target.host("target", port=port), (gate,))))
        assert (error.code, error.verdict) == (Code.JUMP_FAILED, Verdict.RETRY)
        assert error.host == "target"
        assert "gate" in error.message
        assert target.connections() == 0


@pytest.mark.sshd
def test_a_jump_that_refuses_the_login_is_an_authentication_problem(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as jump, SystemSshd(tmp_path) as target:
        jump.authorized_keys.write_text("")
        error = run(failure_of(Route(target.host("target"), (jump.host("gate"),))))
        assert (error.code, error.verdict) == (Code.AUTHENTICATION_REFUSED, Verdict.NEEDS_HUMAN)
        assert "jump host gate" in error.message


@pytest.mark.sshd
def test_a_proxy_command_carries_the_connection_and_ends_with_it(tmp_path: Path) -> None:
    relay = tmp_path / "relay.py"
    relay.write_text(RELAY)
    with SystemSshd(tmp_path) as server:
        command = f"{sys.executable} {relay} 127.0.0.1 {server.port}"
        run(facts_of(server.route(proxy_command=command), Limits()))
        # The relay started a child of its own; the check for leaks after this test sees that it is gone too.


@pytest.mark.sshd
def test_what_a_proxy_says_is_kept_when_it_fails(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server:
        error = run(failure_of(server.route(proxy_command="echo 'token expired, run: vpn login' >&2; exit 3")))
        assert error.code is Code.PROXY_FAILED
        assert error.seen == "token expired, run: vpn login"


@pytest.mark.sshd
@pytest.mark.parametrize("hop", ["gate", "target"])
def test_a_lost_connection_wakes_what_runs_in_it(tmp_path: Path, hop: str) -> None:
    with SystemSshd(tmp_path) as jump, SystemSshd(tmp_path) as target:
        server = jump if hop == "gate" else target

        async def work() -> None:
            route = Route(target.host("target"), (jump.host("gate"),))
            async with AsyncsshDialler().dial(route, UnattendedDialogue()) as host:
                process = await host.start(["cat"])
                reading = asyncio.ensure_future(process.read())
                for number in server.connection_processes():
                    os.kill(number, signal.SIGKILL)
                await host.wait_lost()
                with pytest.raises(Unreachable) as raised:
                    await reading
                assert raised.value.code is Code.CONNECTION_LOST
                assert raised.value.host == "target"

        run(work())


@pytest.mark.sshd
def test_b16_a_host_that_stops_answering_is_noticed_by_keepalives(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server:

        async def work() -> None:
            route = server.route(keepalive_interval=0.1, keepalive_count=2)
            async with AsyncsshDialler().dial(route, UnattendedDialogue()) as host:
                process = await host.start(["cat"])
                stopped = server.connection_processes()
                for number in stopped:
                    os.kill(number, signal.SIGSTOP)
                try:
                    with pytest.raises(Unreachable) as raised:
                        await process.read()
                finally:
                    for number in stopped:
                        os.kill(number, signal.SIGCONT)
                assert raised.value.code is Code.CONNECTION_LOST
                assert "keepalive" in raised.value.seen

        run(work())


@pytest.mark.sshd
def test_a_server_that_says_goodbye_is_a_lost_connection_too(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server:

        async def work() -> None:
            async with AsyncsshDialler().dial(server.route(), UnattendedDialogue()) as host:
                process = await host.start(["cat"])
                for number in server.connection_processes():
                    os.kill(number, signal.SIGTERM)
                with pytest.raises(Unreachable) as raised:
                    await process.read()
                assert raised.value.code is Code.CONNECTION_LOST

        run(work())


@pytest.mark.sshd
def test_what_is_set_and_not_honoured_is_told_and_defaults_are_silent(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server:
        config = tmp_path / "config"
        extra = ["RemoteCommand sudo -iu other", "ControlMaster auto", "ControlPath /nonexistent/%C", "Tunnel yes"]
        extra += ["RekeyLimit 1G 1h"]
        config.write_text(server.ssh_config("plain") + server.ssh_config("laden", extra=extra))
        resolver = OpenSshResolver(str(config))

        async def notices(alias: str) -> list[str]:
            facts = await facts_of(await find_route(alias, resolver), Limits())
            return [notice.message.partition(" ")[0] for notice in facts.notices]

        assert run(notices("plain")) == []
        assert sorted(run(notices("laden"))) == ["remotecommand", "tunnel"]


@pytest.mark.sshd
def test_send_env_and_set_env_reach_the_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_REMORA", "sent")
    with SystemSshd(tmp_path, options=["AcceptEnv LC_* REMORA_*"]) as server:
        config = tmp_path / "config"
        config.write_text(server.ssh_config("devbox", extra=["SendEnv LC_REM*", "SetEnv REMORA_SET=fixed"]))

        async def work() -> bytes:
            route = await find_route("devbox", OpenSshResolver(str(config)))
            async with AsyncsshDialler().dial(route, UnattendedDialogue()) as host:
                return await (await host.start(["sh", "-c", "echo $LC_REMORA $REMORA_SET"])).read()

        assert run(work()) == b"sent fixed\n"


@pytest.mark.sshd
def test_f86_names_that_are_options_or_shell_text_run_nothing(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    with SystemSshd(tmp_path) as server:
        server.authorized_keys.write_text(f"{public_key(server.identity)}\n")
        for text in (f"-oProxyCommand=touch {marker}", f"$(touch {marker})", f"`touch {marker}`", f"a\ntouch {marker}"):
            assert isinstance(run(failure_of(server.route(user=text))), RemoraError)
            assert run(failure_of(server.route(hostname=text))).code is Code.NAME_NOT_FOUND
    assert not marker.exists()
