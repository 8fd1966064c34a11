"""The way to a server on a real sshd: forwarding or not, long names, one session, either framing."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from tests.support.base.host_processes import command_of
from tests.support.base.loop import run
from tests.support.codex.fake_codex import Fault
from tests.support.codex.fake_launches import LIMITS, becomes, codex_in, launch
from tests.support.codex.launch_words import connected, launched
from tests.support.sshd.account_sshd import AccountSshd

from remora.core.errors import RemoraError
from remora.core.server.launch_plan import BytePath, LaunchMode

pytestmark = pytest.mark.sshd


def proxies(sshd: AccountSshd) -> list[int]:
    return [pid for pid in sshd.session_processes() if "proxy" in command_of(pid)]


@pytest.mark.parametrize(
    "options",
    [
        ["AllowTcpForwarding no"],
        ["AllowStreamLocalForwarding no"],
        ["DisableForwarding yes"],
        ["PermitOpen none"],
        ["restrict"],
    ],
    ids=lambda options: options[0].split()[0],
)
def test_f64_forwarding_forbidden_goes_by_the_proxy(options: list[str]) -> None:
    lines = [] if options == ["restrict"] else options
    with AccountSshd("/bin/bash", options=lines) as sshd:
        if options == ["restrict"]:
            sshd.authorized_keys.write_text(f"restrict {sshd.authorized_keys.read_text()}")
        codex_in(sshd)
        mode, first_path, pid = launch(sshd)
        assert mode is LaunchMode.DETACHED
        assert launch(sshd) == (LaunchMode.ADOPTED, first_path, pid)
        if options != ["PermitOpen none"]:
            assert first_path is BytePath.PROXY
        assert becomes(sshd, 1)


@pytest.mark.parametrize("ending", ["ours", "server"])
def test_f53_the_bridge_ends_when_either_side_ends(ending: str) -> None:
    async def work(sshd: AccountSshd) -> None:
        async with connected(sshd) as host, launched(host, limits=LIMITS) as server:
            assert server.byte_path is BytePath.PROXY
            assert len(proxies(sshd)) == 1
            if ending == "server":
                os.kill(await server.rpc.request("process"), signal.SIGKILL)
            else:
                for process in sshd.connection_processes():
                    with suppress(ProcessLookupError):
                        os.kill(process, signal.SIGKILL)
            await server.rpc.wait_closed()

    with AccountSshd("/bin/bash", options=["DisableForwarding yes"]) as sshd:
        codex_in(sshd)
        with suppress(RemoraError):
            run(work(sshd))
        assert becomes(sshd, 0 if ending == "server" else 1)
        assert not proxies(sshd)


@pytest.mark.parametrize("length", [40, 60, 90, 200])
@pytest.mark.parametrize("letter", ["h", "é"])
def test_f65_a_socket_path_beyond_the_limit_is_replaced_by_a_short_one(length: int, letter: str) -> None:
    name = "/".join([letter * 40] * (length // (40 * len(letter.encode())) + 1))
    with AccountSshd("/bin/bash", home=name) as sshd:
        codex_in(sshd)
        mode, path, pid = launch(sshd)
        assert (mode, path) == (LaunchMode.DETACHED, BytePath.UNIX_SOCKET)
        assert launch(sshd) == (LaunchMode.ADOPTED, BytePath.UNIX_SOCKET, pid)


def test_f65_where_no_socket_fits_the_server_is_attached(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 90)
    deep.mkdir()
    environment = {"XDG_RUNTIME_DIR": str(deep), "TMPDIR": str(deep), "XDG_STATE_HOME": str(deep)}
    with AccountSshd("/bin/bash", home="h" * 90, environment=environment) as sshd:
        codex_in(sshd)
        assert launch(sshd)[:2] == (LaunchMode.ATTACHED, BytePath.STDIO)


@pytest.mark.parametrize("options", [["MaxSessions 1"], ["MaxSessions 1", "DisableForwarding yes"]])
def test_f66_one_session_and_one_login_are_enough(options: list[str]) -> None:
    async def work(sshd: AccountSshd) -> None:
        async with connected(sshd) as host:
            for mode in (LaunchMode.DETACHED, LaunchMode.ADOPTED):
                async with launched(host, limits=LIMITS) as server:
                    assert server.mode is mode

    with AccountSshd("/bin/bash", options=options) as sshd:
        codex_in(sshd)
        run(work(sshd))
        assert sshd.accepted_logins() == 1


@pytest.mark.parametrize(
    ("fault", "options", "path"),
    [
        (Fault.NO_SOCKETS, [], BytePath.STDIO),
        (Fault.LINES_ON_SOCKET, [], BytePath.UNIX_SOCKET),
        (Fault.NONE, [], BytePath.UNIX_SOCKET),
        (Fault.NONE, ["DisableForwarding yes"], BytePath.PROXY),
    ],
)
def test_f69_either_framing_is_understood(fault: Fault, options: list[str], path: BytePath) -> None:
    with AccountSshd("/bin/bash", options=options) as sshd:
        codex_in(sshd, fault)
        assert launch(sshd)[1] is path
