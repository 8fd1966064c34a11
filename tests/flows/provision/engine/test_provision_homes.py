"""Homes that cannot be used: full, read-only, without execution, missing, unknown."""

import pytest
from tests.support.base.loop import run
from tests.support.link.links import SshdResolver, world_of
from tests.support.provision.provision_bench import LineStep, bench_at, marker_at, provision
from tests.support.provision.three_lines import ONCE
from tests.support.sshd.account_sshd import AccountSshd

from remora.core.devbox.provision_step import StepScript
from remora.core.errors import Code
from remora.core.server.markers import Readiness
from remora.wire.reports.provision import HostProvision

MOUNT = 'mount -t tmpfs -o size=2m,nr_inodes=12,mode=700 tmpfs "$HOME"\n'
LOOK = 'cd "$HOME" && remora_tell left "$(cat one) $(ls -A | grep -c remora-)"\n'
FILLED = {
    "blocks": 'cat /dev/zero >"$HOME/filler" 2>/dev/null\n',
    "inodes": 'mkdir "$HOME/filler"; for n in 1 2 3 4 5 6 7 8 9 10 11 12; do : >"$HOME/filler/$n"; done 2>/dev/null\n',
}


@pytest.mark.parametrize("shell", ["/bin/bash", "/bin/dash"])
@pytest.mark.parametrize("full_of", list(FILLED))
def test_f38_on_a_full_disk_the_old_state_stays_and_room_makes_it_go_on(shell: str, full_of: str) -> None:
    new = [LineStep("one", "new" * 20000)]
    with AccountSshd(shell) as sshd:
        world = world_of(SshdResolver(sshd), limits=ONCE)

        async def work() -> tuple[HostProvision, str | None, HostProvision]:
            async with bench_at(sshd, world=world) as bench:
                await bench.ask(StepScript("", {}, MOUNT), limit=20)
                before = await provision(sshd, [LineStep("one", "old")], world=world)
                assert before.outcome == "changed"
                await bench.ask(StepScript("", {}, FILLED[full_of]), limit=20)
                full = await provision(sshd, new, world=world)
                left = await bench.ask(StepScript("", {}, LOOK), limit=20)
                await bench.ask(StepScript("", {}, 'rm -r "$HOME/filler"\n'), limit=20)
                return full, left.one("left"), await provision(sshd, new, world=world)

        full, left, after = run(work())
    error = full.steps[0].error
    assert error is not None
    assert error.code == Code.DISK_FULL
    assert left == "old 0", "the old file whole, and no half of a new one"
    assert after.outcome == "changed"


def test_f37_where_nothing_may_be_executed_nothing_has_to_be() -> None:
    with AccountSshd("/bin/bash") as sshd:
        world = world_of(SshdResolver(sshd), limits=ONCE)
        mounts = 'for p in "$HOME" "$XDG_RUNTIME_DIR" /dev/shm; do mount -t tmpfs -o noexec,mode=700 t "$p"; done\n'

        async def work() -> tuple[HostProvision, str | None]:
            async with bench_at(sshd, world=world) as bench:
                await bench.ask(StepScript("", {}, mounts), limit=20)
                ran = await bench.run(StepScript("", {}, "remora_as_user echo ran\n"), limit=20)
                return await provision(sshd, [LineStep("one")], world=world), ran.one("tail")

        host, tail = run(work())
    assert (host.outcome, tail) == ("changed", "ran\n")


def test_f37_with_a_read_only_home_it_says_so_and_the_marker_finds_another_place() -> None:
    with AccountSshd("/bin/bash") as sshd:
        world = world_of(SshdResolver(sshd), limits=ONCE)

        async def work() -> tuple[HostProvision, HostProvision, Readiness]:
            async with bench_at(sshd, world=world) as bench:
                await bench.ask(StepScript("", {}, 'mount -t tmpfs -o ro tmpfs "$HOME"\n'), limit=20)
                return (
                    await provision(sshd, [LineStep("one")], world=world),
                    await provision(sshd, [], world=world),
                    (await marker_at(sshd)).readiness,
                )

        failed, empty, readiness = run(work())
    error = failed.steps[0].error
    assert error is not None
    assert error.code == Code.PLACE_UNUSABLE
    assert empty.outcome == "unchanged"
    assert readiness is Readiness.READY


def test_f37_a_home_that_is_not_there_is_told_with_its_name() -> None:
    with AccountSshd("/bin/bash") as sshd:
        sshd.home.rmdir()
        sshd.home.with_name("elsewhere").mkdir()
        sshd.home.write_text("a file\n")
        host = run(provision(sshd, [LineStep("one")], limits=ONCE))
    error = host.steps[0].error
    assert error is not None
    assert error.code == Code.PLACE_UNUSABLE
    assert str(sshd.home) in error.seen


def test_f37_without_home_in_the_environment_the_account_s_own_is_used() -> None:
    with AccountSshd("/bin/dash") as sshd:
        (sshd.home / ".profile").write_text("unset HOME\n")
        world = world_of(SshdResolver(sshd), limits=ONCE)
        host = run(provision(sshd, [LineStep("one")], world=world))
        assert host.outcome == "changed"
        assert (sshd.home / "one").read_text() == "wished"
