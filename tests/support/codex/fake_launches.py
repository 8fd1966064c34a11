"""Launches of a fake codex on a real sshd."""

import os
import time
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.codex.fake_codex import Fault, install
from tests.support.codex.launch_words import connected, launched
from tests.support.sshd.account_sshd import AccountSshd

from remora.core.errors import RemoraError
from remora.core.server.launch_plan import BytePath, LaunchMode, LaunchRequest
from remora.core.settings import Limits

LIMITS = Limits(shell_silence=5.0, probe=8.0, launch=8.0, handshake=4.0)


def codex_in(sshd: AccountSshd, fault: Fault = Fault.NONE, version: str = "0.999.0") -> Path:
    """A fake codex where codex is looked for."""
    return install(sshd.home / ".local/bin/codex", fault, version=version)


def socket_of(sshd: AccountSshd) -> Path:
    return sshd.home / ".codex/app-server-control/app-server-control.sock"


def becomes(sshd: AccountSshd, wanted: int) -> bool:
    """Whether soon exactly `wanted` processes of all sessions run."""
    deadline = time.monotonic() + 3.0
    while len(sshd.session_processes()) != wanted:
        if time.monotonic() > deadline:
            return False
        os.sched_yield()
    return True


def launch(
    sshd: AccountSshd, request: LaunchRequest | None = None, *, limits: Limits = LIMITS
) -> tuple[LaunchMode, BytePath, int]:
    """Connect, launch, ask the server for its process id, leave."""

    async def work() -> tuple[LaunchMode, BytePath, int]:
        async with connected(sshd) as host, launched(host, request, limits=limits) as server:
            return server.mode, server.byte_path, await server.rpc.request("process")

    return run(work())


def refusal(sshd: AccountSshd, request: LaunchRequest | None = None, *, limits: Limits = LIMITS) -> RemoraError:
    with pytest.raises(RemoraError) as caught:
        launch(sshd, request, limits=limits)
    return caught.value
