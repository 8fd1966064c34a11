"""F79: a connection that is lost anywhere on the way to a login is a lost connection, never a refused login."""

from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.network.fault_proxy import FaultProxy
from tests.support.network.faults import ResetInHandshake
from tests.support.sshd.system_sshd import SystemSshd

from remora.adapters.asyncssh_host import AsyncsshDialler
from remora.core.errors import RemoraError, Unreachable, Verdict
from remora.core.settings import DEFAULT_LIMITS
from remora.flows.kit.unattended import UnattendedDialogue

pytestmark = pytest.mark.sshd

STEP = 150
ENOUGH = 20_000
"""More bytes than any login takes."""


def test_f79_a_reset_after_any_number_of_bytes_of_a_login_asks_for_another_attempt(tmp_path: Path) -> None:
    async def fails_after(count: int, sshd: SystemSshd, proxy: FaultProxy) -> RemoraError | None:
        proxy.strike(ResetInHandshake(1, after=count))
        route = sshd.route(port=proxy.port, host_key_alias=f"[127.0.0.1]:{sshd.port}")
        try:
            async with AsyncsshDialler(DEFAULT_LIMITS).dial(route, UnattendedDialogue()):
                return None
        except RemoraError as error:
            return error

    with SystemSshd(tmp_path) as sshd, FaultProxy(sshd.port) as proxy:
        for count in range(0, ENOUGH, STEP):
            error = run(fails_after(count, sshd, proxy))
            if error is None:
                assert count > 10 * STEP
                break
            assert isinstance(error, Unreachable), (count, error.code, error.message)
            assert error.verdict is Verdict.RETRY
        else:
            pytest.fail("the login never succeeded")
