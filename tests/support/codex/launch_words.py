"""Short words for tests that launch app servers on a host."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.sshd.system_sshd import SystemSshd

from remora.adapters.asyncssh_host import AsyncsshDialler
from remora.adapters.machine.system_clock import SystemClock
from remora.core.server.probes import HostFacts
from remora.core.settings import DEFAULT_LIMITS, Limits
from remora.flows.kit.unattended import UnattendedDialogue
from remora.flows.server.launch import AppServer, LaunchRequest, open_app_server
from remora.flows.server.shell import ProbeRequest, open_shell
from remora.ports import RemoteHost


@asynccontextmanager
async def connected(sshd: SystemSshd, limits: Limits = DEFAULT_LIMITS) -> AsyncIterator[RemoteHost]:
    """One SSH connection."""
    async with AsyncsshDialler(limits).dial(sshd.route(), UnattendedDialogue()) as host:
        yield host


@asynccontextmanager
async def launched(
    host: RemoteHost, request: LaunchRequest | None = None, *, limits: Limits = DEFAULT_LIMITS
) -> AsyncIterator[AppServer]:
    """An app server on that connection."""
    wanted = request or LaunchRequest()
    async with open_app_server(host, wanted, clock=SystemClock(), limits=limits, nonce=nonce) as server:
        yield server


async def facts_of(
    host: RemoteHost, request: ProbeRequest | None = None, *, limits: Limits = DEFAULT_LIMITS
) -> HostFacts:
    """What one probe says."""
    async with open_shell(host, clock=SystemClock(), limits=limits, nonce=nonce) as shell:
        return await shell.probe(request or ProbeRequest())


def nonce() -> str:
    """A random word."""
    return secrets.token_hex(16)
