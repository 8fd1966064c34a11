"""Known hosts files as a configuration names them: none that says something is passed over, none is waited for."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.sshd.system_sshd import SystemSshd, public_key
from tests.support.sshd.transports import both_transports

from remora.core.errors import Code, ConfigProblem, ExitCode, HostKeyProblem
from remora.core.settings import Transport

pytestmark = pytest.mark.sshd


def link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def unreadable(path: Path) -> None:
    path.touch(mode=0)


STRANGE = [os.mkfifo, os.mkdir, link_to_itself, *([unreadable] if os.geteuid() else [])]
"""Root reads every file."""


@pytest.mark.parametrize("transport", list(Transport))
@pytest.mark.parametrize("keyword", ["UserKnownHostsFile", "GlobalKnownHostsFile"])
@pytest.mark.parametrize("make", STRANGE)
def test_a_file_that_cannot_be_read_is_a_refusal_and_not_an_empty_list(
    tmp_path: Path, make: Callable[[Path], None], keyword: str, transport: Transport
) -> None:
    strange = tmp_path / "strange"
    make(strange)
    config = tmp_path / "config"
    with SystemSshd(tmp_path) as server:
        config.write_text(server.ssh_config(extra=[f"{keyword} {strange} {server.known_hosts}"]))
        with both_transports(config, transport=transport) as laptop, pytest.raises(ConfigProblem) as raised:
            laptop.log_in()
        assert server.named_logins() == 0, "the built-in transport may have connected by then, and said nothing"
    assert (raised.value.code, raised.value.exit_code) == (Code.CONFIG_UNREADABLE, ExitCode.CONFIG)
    assert f"{keyword} {strange} of devbox cannot be read" in raised.value.message


@pytest.mark.parametrize("transport", list(Transport))
def test_files_that_are_missing_and_no_file_at_all_are_empty_lists(tmp_path: Path, transport: Transport) -> None:
    config = tmp_path / "config"
    with SystemSshd(tmp_path) as server:
        nothing = f"/dev/null {tmp_path}/missing {server.known_hosts}/below {server.known_hosts}"
        config.write_text(server.ssh_config(extra=[f"UserKnownHostsFile {nothing}"]))
        with both_transports(config, transport=transport) as laptop:
            assert laptop.log_in().notices == ()


def test_of_a_list_that_ssh_tells_without_quotes_every_file_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``ssh -G`` prints ``/abs rel`` for the two files of an unquoted list and for the one of a quoted name."""
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "config"
    with SystemSshd(tmp_path) as server:
        key = server.known_hosts.read_text()
        (tmp_path / "rel").write_text(key)
        server.known_hosts.write_text("")
        config.write_text(server.ssh_config(extra=[f"UserKnownHostsFile {server.known_hosts} rel"]))
        with both_transports(config) as laptop:
            (notice,) = laptop.log_in().notices
            assert laptop.dialled == [Transport.BUILT_IN, Transport.OPENSSH]
            assert "is ambiguous in the output of ssh -G" in notice.message

        (tmp_path / "rel").write_text(f"@revoked * {public_key(server.host_keys[0])}\n")
        server.known_hosts.write_text(key)
        with both_transports(config) as laptop, pytest.raises(HostKeyProblem):
            laptop.log_in()
        assert server.accepted_logins() == 1


def test_one_file_with_a_space_in_its_name_is_read_here(tmp_path: Path) -> None:
    config = tmp_path / "config"
    with SystemSshd(tmp_path) as server:
        spaced = tmp_path / "known hosts"
        server.known_hosts.rename(spaced)
        config.write_text(server.ssh_config(extra=[f'UserKnownHostsFile "{spaced}"']))
        with both_transports(config) as laptop:
            assert laptop.log_in().notices == ()
            assert laptop.dialled == [Transport.BUILT_IN]


def test_the_real_ssh_waits_for_a_pipe(tmp_path: Path) -> None:
    """Why it is not left to ssh: this is what it does."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    config = tmp_path / "config"
    with SystemSshd(tmp_path) as server:
        config.write_text(server.ssh_config(extra=[f"UserKnownHostsFile {pipe}"]))
        with pytest.raises(subprocess.TimeoutExpired):
            subprocess.run(
                ["ssh", "-F", str(config), "-o", "BatchMode=yes", "devbox", "true"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=2,
            )
