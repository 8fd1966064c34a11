"""F39: a home whose files cannot be locked, or where a lock never comes, as on network file systems."""

import errno
import platform
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.base.required import missing
from tests.support.codex.binaries import NEWEST, codex_binary
from tests.support.codex.fake_codex import Fault, install
from tests.support.codex.launch_words import connected, launched
from tests.support.provision import no_locks
from tests.support.provision.provision_bench import provision
from tests.support.sshd.busy_hosts import hub_over
from tests.support.sshd.system_sshd import SystemSshd

from remora.core.errors import Code, RemoraError
from remora.core.settings import Limits
from remora.flows.provision.steps.server import ServerStep
from remora.wire.manifest.document import ServerTable

pytestmark = pytest.mark.sshd

REFUSALS = {
    str(errno.ENOLCK): "No locks available",
    str(errno.EIO): "Input/output error",
    "hang": "a lock does not come",
}
LIMITS = Limits(launch=60.0)


@contextmanager
def host(folder: Path, how: str) -> Iterator[SystemSshd]:
    """A host where locks end so."""
    if platform.machine() not in no_locks.NUMBERS or shutil.which("flock") is None:
        missing("this machine has no flock, or system calls that nobody has looked up")
    wrapped = f'exec {sys.executable} {no_locks.__file__} {how} /bin/sh -c "$SSH_ORIGINAL_COMMAND"'
    with SystemSshd(folder, options=[f"ForceCommand {wrapped}"]) as sshd:
        yield sshd


def bring_codex(sshd: SystemSshd, version: str) -> None:
    place = sshd.home / ".local/bin/codex"
    place.parent.mkdir(parents=True)
    place.symlink_to(codex_binary(version))


@pytest.mark.codex
@pytest.mark.parametrize("version", ["0.133.0", NEWEST])
@pytest.mark.parametrize("how", REFUSALS)
def test_f39_what_cannot_be_locked_is_said_with_what_to_do_long_before_the_limit(
    how: str, version: str, tmp_path: Path
) -> None:
    async def work(sshd: SystemSshd) -> RemoraError:
        async with connected(sshd, LIMITS) as remote:
            with pytest.raises(RemoraError) as caught:
                async with launched(remote, limits=LIMITS):
                    pass
        return caught.value

    with host(tmp_path, how) as sshd:
        bring_codex(sshd, version)
        error = run(work(sshd))
        assert error.code is Code.LOCKS_UNUSABLE, error
        assert REFUSALS[how] in error.seen
        assert "cannot be locked" in error.message
        assert "CODEX_HOME" in error.next_step
        assert not [path for path in sshd.home.rglob("*") if "remora-lock" in path.name]


@pytest.mark.codex
def test_f39_provision_says_it_of_the_server_step(tmp_path: Path) -> None:
    with host(tmp_path, str(errno.ENOLCK)) as sshd:
        bring_codex(sshd, NEWEST)
        report = run(provision(sshd, (ServerStep(ServerTable(start=True)),)))
        (step,) = [step for step in report.steps if step.name == "server"]
        assert step.error is not None
        assert step.error.code == Code.LOCKS_UNUSABLE
        assert "CODEX_HOME" in step.error.next


def test_f39_a_server_that_locks_nothing_is_reached_and_the_missing_relay_is_told(tmp_path: Path) -> None:
    """Of ours only the relay locks anything, in a folder of its own machine; there is a way without it."""
    with host(tmp_path, str(errno.ENOLCK)) as sshd:
        install(sshd.home / ".local/bin/codex", Fault.NONE)
        with hub_over(tmp_path, [sshd]) as place:
            (connected_host,) = place.document("connect", "host0", "--no-input")["hosts"]
            assert connected_host["ok"], connected_host
            assert connected_host["link"]["byte_path"] == "unix-socket"
            (notice,) = [one for one in connected_host["link"]["notices"] if one["code"] == "no-relay"]
            assert "No locks available" in notice["message"]
