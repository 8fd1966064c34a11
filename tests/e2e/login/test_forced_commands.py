"""Hosts that run a program of their own instead of our command: gateways, menus, devices."""

from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.base.program import remora
from tests.support.codex.launch_words import connected, facts_of
from tests.support.sshd.account_sshd import AccountSshd
from tests.support.sshd.system_sshd import SystemSshd

from remora.adapters.asyncssh_host import AsyncsshDialler
from remora.adapters.openssh_host import OpensshDialler
from remora.adapters.records.answered_shells import AnsweredShells
from remora.core.errors import Code, RemoraError
from remora.core.settings import Limits
from remora.flows.kit.unattended import UnattendedDialogue
from remora.ports import Dialler

pytestmark = pytest.mark.sshd

MENU = """echo 'ACME gateway'; echo '1) printers  2) doors'
while read -r choice; do echo "invalid choice: $choice"; done"""
STUBBORN = """echo 'ACME gateway'
while :; do read -r choice; echo "invalid choice: $choice"; sleep 0.01; done"""


LOOPS = {
    "menu": "echo 'ACME gateway'; echo '1) printers  2) doors'\nwhile read -r line; do note; echo 'ACME gateway'; done",
    "device": "while read -r line; do note; echo '% Invalid input'; done; echo 'ACME gateway logged off'",
    "echo": "echo 'ACME gateway'; while read -r line; do note; printf '%s\\n' \"$line\"; done",
    "calculator": "echo 'ACME gateway'; while printf '>>> ' && read -r line; do note; echo \"NameError: $line\"; done",
    "stubborn": "echo 'ACME gateway'; while :; do read -r line && note || sleep 0.05; echo 'again?'; done",
}
"""Programs that read lines and never run one."""


@pytest.mark.parametrize("transport", ["built-in", "openssh"])
@pytest.mark.parametrize("kind", LOOPS)
def test_a_program_that_reads_lines_is_sent_a_greeting_and_no_script(kind: str, transport: str, tmp_path: Path) -> None:
    forced, heard, config = tmp_path / "forced", tmp_path / "heard", tmp_path / "config"
    forced.write_text(f'#!/bin/sh\nnote() {{ printf "%s\\n" "$line" >>{heard}; }}\n{LOOPS[kind]}\n')
    forced.chmod(0o755)
    limits = Limits(shell_silence=1.0, shell_total=3.0)
    memory = AnsweredShells(tmp_path / "state")
    with SystemSshd(tmp_path, options=[f"ForceCommand {forced}"]) as server:
        config.write_text(server.ssh_config())

        def dialler() -> Dialler:
            if transport == "built-in":
                return AsyncsshDialler(limits, shells=memory)
            return OpensshDialler(lambda: server.runtime_folder, ssh_config=str(config), limits=limits, shells=memory)

        async def work() -> None:
            async with dialler().dial(server.route(), UnattendedDialogue()) as host:
                await facts_of(host, limits=limits)

        with pytest.raises(RemoraError) as raised:
            run(work())
    error = raised.value
    assert error.code in (Code.COMMAND_FORCED, Code.SHELL_NEVER_ENDS)
    assert "ACME gateway" in error.seen
    lines = [line for line in heard.read_text().splitlines() if line]
    first_words = [line.partition("_")[0].partition(" ")[0] for line in lines]
    assert first_words[:9] == ["remora"] * 8 + ["command"]
    assert first_words[9:] in ([], ["grep"]), "the one line that looks for a cause in start-up files"
    assert not (tmp_path / "state").exists()


def test_a_host_that_answered_once_is_greeted_no_more(tmp_path: Path) -> None:
    with AccountSshd("/bin/bash") as server:
        (tmp_path / "config").write_text(server.ssh_config())
        there = {"REMORA_SSH_CONFIG": str(tmp_path / "config"), "XDG_STATE_HOME": str(tmp_path / "state")}
        remora("check", "devbox", environment=there)
        kept = (tmp_path / "state/remora/answered-shells").read_text()
        remora("check", "devbox", environment=there)
        assert (tmp_path / "state/remora/answered-shells").read_text() == kept
    assert len(kept.splitlines()) == 1


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
