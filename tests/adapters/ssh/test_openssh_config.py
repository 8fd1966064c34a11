"""Asking the real ``ssh``, and a program in its place that misbehaves."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.base.required import missing

from remora.adapters.files.config_files import ConfigFiles
from remora.adapters.ssh.openssh_config import OpenSshResolver
from remora.core.errors import Code, ConfigProblem, RemoraError, TimeLimit
from remora.core.host.hosts import Host
from remora.core.settings import DEFAULT_LIMITS

needs_ssh = pytest.mark.skipif(shutil.which("ssh") is None, reason="the OpenSSH client is not installed")

Program = Callable[[str], Path]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """A program in the place of ssh, from the body of a shell script."""

    def make(body: str) -> Path:
        path = tmp_path / "fake-ssh"
        path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        path.chmod(0o700)
        return path

    return make


def _config(folder: Path, text: str) -> Path:
    path = folder / "config"
    path.write_text(text, encoding="utf-8")
    return path


def _ask(config: Path | str, alias: str, *, program: Path | str = "ssh", seconds: float = 30.0) -> Host:
    async def ask() -> Host:
        limits = replace(DEFAULT_LIMITS, resolve=seconds)
        resolver = OpenSshResolver(str(config), reader=ConfigFiles(str(config)), limits=limits, program=str(program))
        return await resolver.resolve(alias)

    return run(ask())


def _refused(config: Path | str, alias: str, *, program: Path | str = "ssh", seconds: float = 30.0) -> RemoraError:
    with pytest.raises(RemoraError) as caught:
        _ask(config, alias, program=program, seconds=seconds)
    return caught.value


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@needs_ssh
def test_b3_the_answer_counts_whatever_ssh_writes_beside_it(tmp_path: Path) -> None:
    """B3: the pseudo-terminal notice on standard error is no failure."""
    host = _ask(_config(tmp_path, "Host a\n HostName x.example\n User u\n Port 24\n ProxyJump j1,j2\n"), "a")
    assert (host.hostname, host.user, host.port, host.proxy_jump) == ("x.example", "u", 24, ("j1", "j2"))


@needs_ssh
def test_b1_f04_a_match_command_runs_once_per_resolved_name(tmp_path: Path) -> None:
    """B1, F04: resolving runs the predicate, once, for the name that was asked for."""
    marker = tmp_path / "marker"
    config = _config(tmp_path, f'Host a b\nMatch exec "echo %n >>{marker}"\n User x\n')
    assert _ask(config, "a").user == "x"
    assert marker.read_text(encoding="utf-8") == "a\n"


@needs_ssh
def test_f04_a_match_command_that_never_ends_is_cut_and_named(tmp_path: Path) -> None:
    """F04: at the limit ssh and the command it started are gone, and the message names the line."""
    pids = tmp_path / "pids"
    config = _config(tmp_path, f'Host a\n\nMatch exec "echo $$ >{pids}; trap : TERM; while :; do sleep 60; done"\n')
    error = _refused(config, "a", seconds=1.5)
    assert isinstance(error, TimeLimit)
    assert error.code is Code.RESOLVE_TIMEOUT
    assert f"{config}:3" in error.message
    assert not _runs(int(pids.read_text(encoding="utf-8")))


def test_a_cancelled_question_leaves_nothing_running(tmp_path: Path, program: Program) -> None:
    started = tmp_path / "started"
    os.mkfifo(started)
    fake = program(f"sleep 60 & echo $$ $! >{started}; wait")

    async def ask() -> list[int]:
        task = asyncio.create_task(OpenSshResolver("none", program=str(fake)).resolve("a"))
        pids = await asyncio.to_thread(started.read_text, encoding="utf-8")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return [int(pid) for pid in pids.split()]

    pids = run(ask())
    assert len(pids) == 2
    assert not any(_runs(pid) for pid in pids)


@needs_ssh
def test_f01_b2_a_rejected_configuration_is_told_in_the_words_of_ssh(tmp_path: Path) -> None:
    """F01, B2: an option that ssh does not know spoils every alias; file, line and ssh's words are given."""
    config = _config(tmp_path, "Host a\n\nHost later\n FutureOption yes\n")
    error = _refused(config, "a")
    assert isinstance(error, ConfigProblem)
    assert error.code is Code.CONFIG_REJECTED
    assert f"{config}:4" in error.message
    assert "futureoption" in error.seen.lower()
    assert "Pseudo-terminal" not in error.seen


def test_f01_no_ssh_on_this_machine(tmp_path: Path) -> None:
    """F01: without the program the advice is to install it."""
    error = _refused("none", "a", program=tmp_path / "missing")
    assert error.code is Code.SSH_MISSING


@needs_ssh
@pytest.mark.parametrize(
    "name", ["-oProxyCommand=touch marker", "`touch marker`", "$(touch marker)", "a\ntouch marker", "'", ""]
)
def test_b4_f86_a_name_never_becomes_an_option_or_a_command(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B4, F86: names that are options or shell text are refused before ssh starts; the marker never appears."""
    monkeypatch.chdir(tmp_path)
    config = _config(tmp_path, "Match exec 'echo %n'\nHost *\n ProxyCommand echo %h\n")
    assert _refused(config, name).code is Code.ALIAS_UNSAFE
    assert not (tmp_path / "marker").exists()


def test_b4_the_destination_stands_behind_two_dashes(program: Program) -> None:
    """B4: whatever a name looks like, ssh takes it for a destination."""
    fake = program('printf "user %s\\nhostname x\\nport 22\\n" "$*"')
    assert _ask("none", "a", program=fake).user == "-F none -G -- a"


@needs_ssh
def test_an_address_is_a_name_too() -> None:
    """A jump may be given as an IPv6 address."""
    assert _ask("none", "2001:db8::1").hostname == "2001:db8::1"


@needs_ssh
def test_f06_tokens_mean_what_they_mean_to_openssh(tmp_path: Path) -> None:
    """F06: ssh -G fills in a ControlPath but leaves an IdentityFile to its reader; both come out the same."""
    tokens = "/x/%C_%h_%n_%p_%r_%u_%i_%L_%l_%k_%%_${HOME}"
    config = _config(
        tmp_path,
        f"Host a\n HostName %h.example\n User u\n Port 24\n HostKeyAlias key\n IdentityFile {tokens}\n"
        f" CertificateFile {tokens}\n ControlPath {tokens}\n",
    )
    host = _ask(config, "a")
    assert host.options["controlpath"] == host.identity_files == host.certificate_files


def test_what_a_match_command_leaves_running_does_not_hold_the_answer(tmp_path: Path, program: Program) -> None:
    """A helper that outlives ssh and keeps its standard error open."""
    pids = tmp_path / "pids"
    fake = program(f"sleep 60 >/dev/null & echo $! >{pids}; printf 'user u\\nhostname x\\nport 22\\n'")
    try:
        assert _ask("none", "a", program=fake).user == "u"
    finally:
        os.kill(int(pids.read_text(encoding="utf-8")), signal.SIGKILL)


def test_only_so_many_questions_at_once(tmp_path: Path, program: Program) -> None:
    """The limit on parallel questions holds: no answer counts more than that many askers."""
    running = tmp_path / "running"
    running.mkdir()
    fake = program(
        f"touch {running}/$$; count=$(ls {running} | wc -l); printf 'user u\\nhostname x\\nport %s\\n' $count;"
        f" rm {running}/$$"
    )

    async def ask() -> list[Host]:
        resolver = OpenSshResolver("none", program=str(fake), limits=replace(DEFAULT_LIMITS, resolve_parallel=2))
        return await asyncio.gather(*(resolver.resolve(f"h{number}") for number in range(12)))

    assert all(1 <= host.port <= 2 for host in run(ask()))


@needs_ssh
def test_a_host_that_goes_to_the_background_is_resolved_like_any_other(tmp_path: Path) -> None:
    host = _ask(_config(tmp_path, "Host a\n  HostName b\n  ForkAfterAuthentication yes\n"), "a")
    assert host.hostname == "b"


@needs_ssh
def test_a_variable_without_a_value_is_named_with_file_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REMORA_NOTHING", raising=False)
    config = _config(tmp_path, "Host *\n  User x\nHost a\n  ControlPath ${REMORA_NOTHING}/x\n")
    error = _refused(config, "a")
    assert error.code is Code.CONFIG_REJECTED
    assert f"{config}:4" in error.message
    assert "REMORA_NOTHING" in error.seen


@needs_ssh
def test_an_option_of_another_ssh_comes_with_the_advice_to_ignore_it(tmp_path: Path) -> None:
    config = _config(tmp_path, "Host a\n  UseKeychain yes\n  Whatever 1\n")
    error = _refused(config, "a")
    assert "IgnoreUnknown UseKeychain,whatever" in error.next_step
    config.write_text(f"IgnoreUnknown UseKeychain,whatever\n{config.read_text()}")
    assert _ask(config, "a").hostname == "a"


@needs_ssh
def test_an_ipv6_address_is_an_alias(tmp_path: Path) -> None:
    config = _config(tmp_path, "Host ::1 2001:db8::2\n  User six\n")
    assert [alias.name for alias in ConfigFiles(str(config)).read().aliases] == ["::1", "2001:db8::2"]
    assert _ask(config, "::1").user == "six"


def test_a_refusal_of_the_configuration_is_told_in_its_words(tmp_path: Path, program: Program) -> None:
    """RefuseConnection, of an OpenSSH newer than 10.0."""
    fake = program("echo '/h/config line 3: RefuseConnection: use the bastion' >&2; exit 255")
    error = _refused(_config(tmp_path, "Host a\n"), "a", program=fake)
    assert "use the bastion" in error.message
    assert "/h/config:3" in error.next_step


def test_a_user_without_an_entry_in_the_password_database_is_told_so() -> None:
    """As in a container that was started with any user id."""
    somebody = ["unshare", "--user", "--map-user=54322"]
    if subprocess.run([*somebody, "true"], capture_output=True, check=False).returncode:
        missing("this machine has no user namespaces for everybody")
    command = [*somebody, sys.executable, "-m", "remora", "hosts"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert "54322 has no entry in the password database" in done.stderr
