"""Hosts with codex as it was, is and will be."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.support.codex.binaries import VERSIONS, codex_binary
from tests.support.sshd.account_sshd import AccountSshd

from remora.demo.scripted_model import ScriptedModel
from remora.flows.thread.run_request import RunRequest
from remora.wire.appserver.calls import ApprovalPolicy, SandboxMode

WITH_SOCKETS = VERSIONS[1:]


@contextmanager
def host_with(version: str, *options: str, home: str = "h", network: bool = True) -> Iterator[AccountSshd]:
    """A host with that codex; at the end its servers are asked to end, so that they take their sockets along."""
    binary = codex_binary(version)
    with AccountSshd("/bin/bash", options=options, home=home, network=network) as sshd:
        place = sshd.home / ".local/bin/codex"
        place.parent.mkdir(parents=True)
        place.symlink_to(binary)
        (sshd.home / "project").mkdir()
        yield sshd
        deadline = time.monotonic() + 5.0
        while (processes := sshd.session_processes()) and time.monotonic() < deadline:
            for process in processes:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGTERM)
            time.sleep(0.02)


def configure(sshd: AccountSshd, model: ScriptedModel, folder: Path) -> str:
    """Point the host's codex at the model; give the SSH config that leads there."""
    (sshd.home / ".codex").mkdir(exist_ok=True)
    (sshd.home / ".codex/config.toml").write_text(model.codex_config())
    config = folder / "ssh_config"
    config.write_text(sshd.ssh_config())
    return str(config)


generations = pytest.mark.parametrize("version", VERSIONS)


def ask(prompt: str = "please", **changes: object) -> RunRequest:
    """A prompt whose commands run without being asked for."""
    free = {"sandbox": SandboxMode.DANGER_FULL_ACCESS, "approval_policy": ApprovalPolicy.NEVER}
    return RunRequest(prompt=prompt, message_id=f"message of {prompt}", **{**free, **changes})  # type: ignore[arg-type]


def cautious(prompt: str = "please") -> RunRequest:
    """A prompt whose commands stay in the folder, or are asked for."""
    return ask(prompt, sandbox=SandboxMode.WORKSPACE_WRITE, approval_policy=ApprovalPolicy.ON_REQUEST)
