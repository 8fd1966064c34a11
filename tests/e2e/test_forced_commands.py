"""Hosts that run a program of their own instead of our command: gateways, menus, devices."""

from pathlib import Path

import pytest
from tests.support.launching import connected, facts_of
from tests.support.loop import run
from tests.support.system_sshd import SystemSshd

from remora.core.errors import Code, RemoraError
from remora.core.settings import Limits

pytestmark = pytest.mark.sshd

MENU = """echo 'ACME gateway'; echo '1) printers  2) doors'
while read -r choice; do echo "invalid choice: $choice"; done"""
STUBBORN = """echo 'ACME gateway'
while :; do read -r choice; echo "invalid choice: $choice"; sleep 0.01; done"""


@pytest.mark.parametrize(
    ("program", "code", "shown"),
    [
        ("echo 'This host offers no shell. Ask ops@example.org.'", Code.COMMAND_FORCED, "offers no shell"),
        ("echo 'This host offers no shell.' >&2", Code.COMMAND_FORCED, "offers no shell"),
        ("cat", Code.COMMAND_FORCED, "remora_1=1"),
        (MENU, Code.COMMAND_FORCED, "ACME gateway"),
        (STUBBORN, Code.SHELL_NEVER_ENDS, "ACME gateway"),
        ("echo 'This service allows sftp connections only.'; exit 1", Code.SHELL_FAILED, "sftp"),
        ("echo 'Account is for file transfer only'; exit 1", Code.SHELL_FAILED, "file transfer only"),
    ],
)
def test_a_program_in_the_place_of_our_command_is_named_and_its_words_are_shown(
    tmp_path: Path, program: str, code: Code, shown: str
) -> None:
    forced = tmp_path / "forced"
    forced.write_text(f"#!/bin/sh\n{program}\n")
    forced.chmod(0o755)
    with SystemSshd(tmp_path, options=[f"ForceCommand {forced}"]) as server:

        async def work() -> None:
            async with connected(server) as host:
                await facts_of(host, limits=Limits(shell_silence=1.0, shell_total=3.0))

        with pytest.raises(RemoraError) as raised:
            run(work())
        error = raised.value
        assert error.code is code
        assert shown in error.seen
        assert "Guard " not in error.next_step
        assert "forced command" in error.message.lower().replace("forcecommand", "forced command")
