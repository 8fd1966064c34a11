"""``remora login`` as a program, against the real codex behind a real sshd and a scripted endpoint and issuer."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from tests.support.base.until import LIMIT
from tests.support.codex.binaries import NEWEST, VERSIONS, codex_binary
from tests.support.model.login_endpoint import LoginEndpoint, login_endpoint, write_chatgpt_login
from tests.support.sshd.system_sshd import SystemSshd

from remora.core.errors import ExitCode

pytestmark = [pytest.mark.sshd, pytest.mark.codex]

NEW = NEWEST
CANARY = "sk-canary-of-the-command"
CODE = "ABCD-12345"


class Login:
    """One host, and the program that signs it in."""

    def __init__(self, sshd: SystemSshd, config: Path) -> None:
        self.sshd = sshd
        self.environment = {**os.environ, "REMORA_SSH_CONFIG": str(config)}

    def words(self, *options: str) -> list[str]:
        return [sys.executable, "-m", "remora", "login", "devbox", *options]

    def run(self, *options: str, typed: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.words(*options),
            input=typed,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
            env={**self.environment, **environment},
        )

    def report(self, *options: str, typed: str = "", **environment: str) -> tuple[int, dict[str, Any]]:
        done = self.run(*options, "--json", typed=typed, **environment)
        document = json.loads(done.stdout)
        assert isinstance(document, dict)
        return done.returncode, document

    @property
    def auth(self) -> Path:
        return self.sshd.home / ".codex/auth.json"

    def logins(self) -> list[int]:
        """Processes of ``codex login`` on the host."""
        return [process for process in self.sshd.session_processes() if b"--device-auth" in _command_line(process)]


def _command_line(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


@contextmanager
def started(login: Login, *options: str) -> Iterator[subprocess.Popen[str]]:
    """The program while it waits; whatever happens, it has ended on leaving."""
    pipe = subprocess.PIPE
    words = login.words(*options)
    with subprocess.Popen(words, env=login.environment, stdout=pipe, stderr=pipe, text=True) as program:
        watch = threading.Timer(LIMIT, program.kill)
        watch.start()
        try:
            yield program
        finally:
            watch.cancel()
            program.kill()


@contextmanager
def host_with(version: str, folder: Path, endpoint: LoginEndpoint) -> Iterator[Login]:
    """A host whose codex knows no other issuer than `endpoint`."""
    with (
        TemporaryDirectory(prefix="r-") as own,  # its lock is not that of other hosts on this machine
        SystemSshd(folder, environment={**endpoint.environment(), "TMPDIR": own}) as sshd,
    ):
        codex = sshd.home / ".local/bin/codex"
        codex.parent.mkdir(parents=True)
        real = codex_binary(version)
        codex.write_text(
            "#!/bin/sh\n"
            f'[ "$2" != --device-auth ] || exec {real} "$@" --experimental_issuer {endpoint.url}\n'
            f'exec {real} "$@"\n'
        )
        codex.chmod(0o755)
        endpoint.configure(sshd.home / ".codex")
        config = folder / "config"
        config.write_text(sshd.ssh_config())
        yield Login(sshd, config)


def wait_for(seen: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LIMIT
    while not seen():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def test_an_api_key_from_a_pipe_or_a_variable_is_proven_and_told_in_one_document(tmp_path: Path) -> None:
    with login_endpoint() as endpoint, host_with(NEW, tmp_path, endpoint) as login:
        code, report = login.report("--with-api-key", "--expires", "2099-01-01", typed=f"{CANARY}\n")
        assert (code, report["kind"], report["action"], report["state"]) == (0, "login", "signed-in", "ok")
        assert (report["login"], report["expires"], report["hostname"]) == ("apiKey", "2099-01-01", "127.0.0.1")
        assert json.loads(login.auth.read_text())["OPENAI_API_KEY"] == CANARY
        done = login.run("--api-key-from", "SOME_KEY", SOME_KEY="sk-other")
        assert done.returncode == 0, done.stderr
        assert "a real request succeeded" in done.stderr
        assert json.loads(login.auth.read_text())["OPENAI_API_KEY"] == "sk-other"
        assert endpoint.credentials == [f"Bearer {CANARY}", "Bearer sk-other"]


def test_a_secret_that_ends_soon_is_told_by_check(tmp_path: Path) -> None:
    near = (datetime.now(tz=UTC) + timedelta(days=3)).date().isoformat()
    with login_endpoint() as endpoint, host_with(NEW, tmp_path, endpoint) as login:
        code, report = login.report("--with-api-key", "--expires", near, typed=CANARY)
        assert (code, [notice["code"] for notice in report["notices"]]) == (0, ["login-expires"])
        words = [sys.executable, "-m", "remora", "check", "devbox", "--json"]
        done = subprocess.run(words, capture_output=True, timeout=LIMIT, check=False, env=login.environment)
        (host,) = json.loads(done.stdout)["hosts"]
        (notice,) = (notice for notice in host["notices"] if notice["code"] == "login-expires")
        assert near in notice["message"]


def test_f44_status_is_what_a_real_request_says(tmp_path: Path) -> None:
    """Not signed in; signed in and refused; a renewal that is refused; good. No port is listened on for any of it."""
    with login_endpoint() as endpoint, host_with(NEW, tmp_path, endpoint) as login:
        endpoint.refuses = True
        code, report = login.report("--status")
        assert (code, report["state"], report["error"]["code"]) == (ExitCode.APP_SERVER, "missing", "login-missing")
        login.auth.write_text(json.dumps({"auth_mode": "apikey", "OPENAI_API_KEY": CANARY}))
        code, report = login.report("--status")
        assert (code, report["state"], report["error"]["code"]) == (ExitCode.APP_SERVER, "refused", "login-refused")
        assert "127.0.0.1" in report["error"]["message"]
        write_chatgpt_login(login.auth.parent, seconds=-100)
        code, report = login.report("--status")
        assert (code, report["state"]) == (ExitCode.APP_SERVER, "refused")
        assert "refresh" in report["detail"]
        endpoint.refuses = False
        code, report = login.report("--status")
        assert (code, report["state"]) == (ExitCode.DONE, "ok")


def test_a_refused_key_is_told_with_the_machine_and_seen_nowhere(tmp_path: Path) -> None:
    with login_endpoint() as endpoint, host_with(NEW, tmp_path, endpoint) as login:
        endpoint.refuses = True
        done = login.run("--with-api-key", typed=CANARY)
        assert done.returncode == ExitCode.APP_SERVER
        assert "login-refused" in done.stderr
        assert CANARY not in done.stdout + done.stderr
        assert not login.auth.exists()


@pytest.mark.parametrize("version", VERSIONS)
def test_f44_a_device_code_is_shown_here_and_entered_anywhere(version: str, tmp_path: Path) -> None:
    with login_endpoint() as endpoint, host_with(version, tmp_path, endpoint) as login:
        with started(login, "--device", "--json") as program:
            assert program.stderr is not None
            shown = ""
            while CODE not in shown:
                line = program.stderr.readline()
                assert line, shown
                shown += line
            assert f"{endpoint.url}/codex/device" in shown
            assert "\x1b" not in shown
            assert not login.auth.exists()
            endpoint.entered = True
            output, _ = program.communicate(timeout=LIMIT)
        report = json.loads(output)
        assert (program.returncode, report["state"]) == (0, "ok")
        assert json.loads(login.auth.read_text())["auth_mode"] == "chatgpt"


def test_f35_a_device_code_is_asked_for_on_the_way_out_that_codex_has_there(tmp_path: Path) -> None:
    asked: list[bytes] = []

    def refuse(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                with client:
                    asked.append(client.recv(4096).partition(b"\r\n")[0])

    with (
        login_endpoint() as endpoint,
        host_with(NEW, tmp_path, endpoint) as login,
        socket.create_server(("127.0.0.1", 0)) as proxy,
    ):
        codex = login.sshd.home / ".local/bin/codex"
        codex.unlink()
        codex.symlink_to(codex_binary(NEW))
        (login.sshd.home / ".codex/.env").write_text(f"HTTPS_PROXY=http://127.0.0.1:{proxy.getsockname()[1]}\n")
        threading.Thread(target=refuse, args=(proxy,), daemon=True).start()
        done = login.run("--device")
        proxy.shutdown(socket.SHUT_RDWR)
        assert done.returncode == 1, done
        assert "could not reach the address for device codes" in done.stderr
        assert "remora forward --egress" in done.stderr
        assert b"CONNECT auth.openai.com:443 HTTP/1.1" in asked
        assert not list(login.sshd.home.rglob("login.new"))


def test_f44_ctrl_c_ends_the_wait_on_the_host_too(tmp_path: Path) -> None:
    with login_endpoint() as endpoint, host_with(NEW, tmp_path, endpoint) as login:
        with started(login, "--device") as program:
            wait_for(lambda: bool(login.logins()), "codex login was never started on the host")
            wait_for(lambda: any(path.endswith("/deviceauth/token") for path, _ in endpoint.asked), "no code was asked")
            program.send_signal(signal.SIGINT)
            assert program.wait(LIMIT) == ExitCode.INTERRUPTED
        wait_for(lambda: not login.logins(), "codex login waits on, on the host")
        assert not login.auth.exists()


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--device", "--status"),
        ("--with-api-key", "--expires", "soon"),
        ("--with-api-key", "--expires", "2020-01-31"),
    ],
)
def test_what_is_not_one_way_to_sign_in_is_refused_before_anybody_is_asked(options: tuple[str, ...]) -> None:
    words = [sys.executable, "-m", "remora", "login", "nobody", *options]
    done = subprocess.run(words, input="", capture_output=True, text=True, timeout=LIMIT, check=False)
    assert done.returncode == ExitCode.USAGE, done.stderr


@pytest.mark.parametrize(("options", "code"), [((), ExitCode.CONFIG), (("--no-input",), ExitCode.USAGE)])
def test_on_a_terminal_a_device_code_needs_no_word(options: tuple[str, ...], code: ExitCode, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host devbox\n")
    words = [sys.executable, "-m", "remora", "login", "nobody", "--ssh-config", str(config), *options]
    ours, theirs = os.openpty()
    try:
        done = subprocess.run(words, stdin=theirs, capture_output=True, text=True, timeout=LIMIT, check=False)
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == code, done.stderr
