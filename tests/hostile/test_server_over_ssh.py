"""Hostile app servers behind a real sshd, and the program as a person runs it: limits act, and Ctrl-C twice ends it."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.base.until import wait_until
from tests.support.codex.fake_codex import install
from tests.support.hostile.server import address, hostile_servers
from tests.support.link.hubs import hub_place
from tests.support.network.volume import most_memory
from tests.support.sshd.account_sshd import AccountSshd

from remora.core.codes import Code

pytestmark = pytest.mark.sshd

GONE = 15.0
"""Seconds from the second Ctrl-C to the end; a busy machine is given all of them, a free one takes one."""
LARGEST = 150 * 1024 * 1024
"""Bytes of memory of a program that greets a server; what one message may have is more."""


@contextmanager
def host_with(mode: str, tmp_path: Path) -> Iterator[Path]:
    """The SSH config of a host whose app server is hostile."""
    with (
        tempfile.TemporaryDirectory(prefix="hostile-") as folder,
        hostile_servers(Path(folder)) as servers,
        AccountSshd("/bin/bash") as sshd,
    ):
        install(sshd.home / ".local/bin/codex")
        place = sshd.home / ".codex/app-server-control/app-server-control.sock"
        place.parent.mkdir(parents=True, mode=0o700)
        place.symlink_to(address(servers, mode))
        config = tmp_path / "config"
        config.write_text(sshd.ssh_config())
        yield config


@contextmanager
def run_against(mode: str, tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with host_with(mode, tmp_path) as config:
        settings = tmp_path / "settings.toml"
        settings.write_text("[limits]\nhandshake = 3\n")
        command = [sys.executable, "-m", "remora", "run", "devbox", "hi", "--json", "--config", str(settings)]
        environment = {**os.environ, "REMORA_SSH_CONFIG": str(config)}
        with (tmp_path / "said").open("wb") as said, (tmp_path / "errors").open("wb") as errors:
            process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=errors)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@pytest.mark.parametrize("mode", ["endless-fragments", "endless-pings", "endless-news-before-all", "says-nothing"])
def test_the_limit_of_the_handshake_acts_whatever_arrives(mode: str, tmp_path: Path) -> None:
    with run_against(mode, tmp_path) as process:
        process.wait(60)
        said = (tmp_path / "said").read_text()
        assert any(code in said for code in (Code.TIME_LIMIT, Code.SERVER_MUTE, Code.PROTOCOL_VIOLATION)), said
        assert "Traceback" not in said + (tmp_path / "errors").read_text()


@pytest.mark.parametrize("mode", ["endless-line", "endless-pieces", "endless-warnings", "takes-no-answers"])
def test_the_second_interrupt_ends_a_run_whatever_arrives(mode: str, tmp_path: Path) -> None:
    with run_against(mode, tmp_path) as process:
        wait_until(lambda: b"turn-started" in (tmp_path / "said").read_bytes()[:100_000])
        process.send_signal(signal.SIGINT)
        wait_until(lambda: b"Ctrl-C again" in (tmp_path / "errors").read_bytes())
        process.send_signal(signal.SIGINT)
        assert process.wait(GONE) == 130


_MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
"""
"""Runs a command and tells the most memory that it had, in KiB, in a small process of its own: a program begins with
the peak of the one that started it, and a worker that has run other tests may have had more than is asked about."""


def test_a_check_does_not_hold_what_a_server_sends_instead_of_a_greeting(tmp_path: Path) -> None:
    with host_with("endless-large-fragments", tmp_path) as config:
        command = [sys.executable, "-m", "remora", "check", "devbox", "--json", "--ssh-config", str(config)]
        done = subprocess.run([sys.executable, "-c", _MEASURE, *command], capture_output=True, text=True, check=False)
        assert Code.MESSAGE_TOO_LARGE in done.stdout
        assert int(done.stderr.splitlines()[-1]) * 1024 <= LARGEST


def test_a_hub_does_not_hold_what_a_server_sends_instead_of_a_greeting(tmp_path: Path) -> None:
    with (
        host_with("endless-large-fragments", tmp_path) as config,
        hub_place(REMORA_SSH_CONFIG=str(config)) as hub,
    ):
        (devbox,) = hub.document("connect", "devbox")["hosts"]
        assert devbox["error"]["code"] == Code.MESSAGE_TOO_LARGE
        assert hub.pid is not None
        assert most_memory(hub.pid) <= LARGEST
