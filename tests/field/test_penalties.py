"""F20: an sshd that punishes who comes without logging in (OpenSSH 9.8 and later) finds nothing to punish in us."""

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.base.until import wait_until
from tests.support.codex.fake_codex import install
from tests.support.sshd.new_sshd import new_sshd
from tests.support.sshd.system_sshd import SystemSshd

from remora import api
from remora.wire.reports.check import CheckReport

pytestmark = pytest.mark.sshd

CHECKS = 20


@contextlib.contextmanager
def strict_host(tmp_path: Path) -> Iterator[tuple[SystemSshd, str]]:
    """A host with the penalties of the field report, and the SSH config that leads there."""
    new = new_sshd()
    options = ("PerSourcePenalties noauth:1s min:5s max:60s", *new.options)
    with SystemSshd(tmp_path, options=options, program=new.program) as sshd:
        config = tmp_path / "ssh_config"
        config.write_text(sshd.ssh_config())
        yield sshd, str(config)


def ssh(config: str) -> int:
    return subprocess.run(
        ["ssh", "-F", config, "-o", "BatchMode=yes", "devbox", "true"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    ).returncode


def test_f20_the_trap_works(tmp_path: Path) -> None:
    with strict_host(tmp_path) as (sshd, config):
        for _ in range(CHECKS):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", sshd.port), timeout=10) as probe:
                probe.recv(1)
        wait_until(lambda: "penalty" in sshd.log_text(), what="a penalty in sshd's log")
        assert ssh(config) != 0


def test_f20_twenty_checks_earn_no_penalty(tmp_path: Path) -> None:
    with strict_host(tmp_path) as (sshd, config):
        install(sshd.home / ".local/bin/codex")

        async def check() -> CheckReport:
            async with aclosing(api.check(["devbox"], ssh_config=config)) as steps:
                *_, report = [step async for step in steps]
            assert isinstance(report, CheckReport)
            return report

        for _ in range(CHECKS):
            (host,) = run(check()).hosts
            assert [codex.version for codex in host.codex] == ["0.999.0"]
        assert sshd.connections() == sshd.named_logins() == sshd.accepted_logins() == CHECKS
        assert ssh(config) == 0
        assert "penalty" not in sshd.log_text()
