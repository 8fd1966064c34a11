"""One run at a time on a host, whoever else is at work, has died, or shares its folders."""

import asyncio
import os
from pathlib import Path

from tests.support.base.loop import run
from tests.support.base.until import until
from tests.support.provision.provision_bench import bench_at, provision, sshd
from tests.support.provision.three_lines import NAMES, assert_is_ready, steps, written
from tests.support.sshd.account_sshd import AccountSshd
from tests.support.sshd.system_sshd import SystemSshd

from remora.core.errors import Code
from remora.core.settings import Limits
from remora.flows.provision.operators import Operator
from remora.wire.reports.provision import HostProvision, ProvisionProgress, StepMoved

__all__ = ["sshd"]


class Held:
    """A step that is at work until it is released."""

    def __init__(self) -> None:
        self.at_work, self.released = asyncio.Event(), asyncio.Event()

    async def hook(self, moment: str) -> None:
        self.at_work.set()
        await self.released.wait()


def test_f39_of_two_operators_at_once_one_waits_and_finds_all_done(sshd: SystemSshd) -> None:
    heard: list[ProvisionProgress] = []

    async def both() -> tuple[HostProvision, HostProvision]:
        held = Held()
        one = asyncio.ensure_future(provision(sshd, steps(held.hook, at="one")))
        await held.at_work.wait()
        two = asyncio.ensure_future(provision(sshd, steps(), operator=Operator("bob@desk"), progress=heard))
        await until(lambda: heard, what="the second to wait")
        held.released.set()
        return await one, await two

    one, two = run(both())
    assert (one.outcome, two.outcome) == ("changed", "unchanged")
    assert written(sshd) == list(NAMES)
    lines = [item.line for item in heard if isinstance(item, StepMoved)]
    assert "alice@laptop" in lines[0]
    assert_is_ready(sshd)


def test_f39_who_waits_too_long_is_told_for_whom(sshd: SystemSshd) -> None:
    async def both() -> HostProvision:
        held = Held()
        one = asyncio.ensure_future(provision(sshd, steps(held.hook, at="one")))
        await held.at_work.wait()
        two = await provision(sshd, steps(), operator=Operator("bob@desk"), limits=Limits(provision_lock=1.0))
        held.released.set()
        await one
        return two

    two = run(both())
    assert two.error is not None
    assert two.error.code == Code.PROVISION_BUSY
    assert "alice@laptop" in two.error.message
    assert "kill " in two.error.next


def test_f39_a_lock_whose_owner_is_dead_or_of_another_boot_is_healed(sshd: SystemSshd) -> None:
    lock = run(_lock(sshd))
    lock.symlink_to(f"{os.getpid()} 1 another-boot alice")
    host = run(provision(sshd, steps()))
    assert host.outcome == "changed"
    assert_is_ready(sshd)
    assert not lock.is_symlink()


def test_f39_a_lock_of_another_machine_with_the_same_folders_is_not_touched(sshd: SystemSshd) -> None:
    other = run(_lock(sshd)).with_name("provision-00000000000000000000000000000000")
    other.symlink_to("1 1 another-boot alice")
    try:
        assert run(provision(sshd, steps())).outcome == "changed"
        assert other.is_symlink()
    finally:
        other.unlink()


def test_f39_flock_that_never_returns_is_never_called(sshd: SystemSshd, tmp_path: Path) -> None:
    trap = tmp_path / "bin"
    trap.mkdir()
    (trap / "flock").write_text("#!/bin/sh\necho called >>$HOME/flock-was-called\nexec sleep 1000\n")
    (trap / "flock").chmod(0o755)
    (sshd.home / ".bashrc").write_text(f"PATH={trap}:$PATH\n")
    assert run(provision(sshd, steps())).outcome == "changed"
    assert not (sshd.home / "flock-was-called").exists()


async def _lock(sshd: SystemSshd) -> Path:
    """Where the host's lock is, in a folder that is there; which folder that is depends on the length of names."""
    async with bench_at(sshd) as bench:
        assert bench.facts.runtime_folder is not None
        os.makedirs(bench.facts.runtime_folder, mode=0o700, exist_ok=True)  # noqa: PTH103
        return Path(bench.facts.runtime_folder, f"provision-{Path(bench.facts.state_folder).name}")


def test_f39_where_only_a_shared_home_is_left_each_machine_has_a_folder_of_its_own() -> None:
    with AccountSshd("/bin/bash", environment={"XDG_RUNTIME_DIR": "", "TMPDIR": "/dev/null"}, ordinary=True) as sshd:

        async def places() -> tuple[str | None, str, str | None]:
            async with bench_at(sshd) as bench:
                return bench.facts.runtime_folder, bench.facts.state_folder, bench.facts.machine_id

        runtime, state, machine = run(places())
        ours = f"{sshd.home}/.local/state/remora"
        assert state == f"{ours}/{machine}"
        assert (runtime or "").startswith(f"{ours}/run-")
        assert run(provision(sshd, steps())).outcome == "changed"
        assert_is_ready(sshd)
