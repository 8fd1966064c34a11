"""One host provisioned by the engine, on a real sshd: whatever breaks, the next run comes to the same end."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.account_sshd import AccountSshd
from tests.support.links import SshdResolver, world_of
from tests.support.loop import run
from tests.support.provisioning import DIGEST, Hook, LineStep, bench_at, marker_at, nothing, provision
from tests.support.system_sshd import SystemSshd
from tests.support.until import until

from remora.core.account_facts import AccountFacts
from remora.core.answers import Answers
from remora.core.errors import Code, ConfigProblem
from remora.core.markers import Readiness
from remora.core.provisioning import Finding, Script
from remora.core.settings import Limits
from remora.flows.provision.operators import Operator
from remora.wire.reports.provision import HostProvision, ProvisionProgress, StepMoved

NAMES = ("one", "two", "three")
ONCE = Limits(provision_retries=1, provision_lock=20.0)


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[SystemSshd]:
    with SystemSshd(tmp_path, options=["MaxSessions 1"], environment={"XDG_RUNTIME_DIR": str(tmp_path)}) as server:
        yield server


def steps(hook: Hook = nothing, *, at: str = "") -> list[LineStep]:
    """Three steps; `hook` is that of the one named."""
    return [LineStep(name, hook=hook if name == at else nothing) for name in NAMES]


def outcomes(host: HostProvision) -> list[str]:
    return [step.outcome for step in host.steps]


def written(sshd: SystemSshd) -> list[str]:
    """Which files were written, in order."""
    file = sshd.home / "written"
    return file.read_text().split() if file.exists() else []


def assert_is_ready(sshd: SystemSshd) -> None:
    assert all((sshd.home / name).read_text() == "wished" for name in NAMES)
    marker = run(marker_at(sshd))
    assert (marker.readiness, marker.digest) == (Readiness.READY, DIGEST)
    assert not list(sshd.folder.parent.rglob("provision-*")), "a lock was left"
    assert not [path for path in sshd.home.iterdir() if ".remora-" in path.name], "half a file was left"


def test_f47_a_second_run_changes_nothing_and_moves_nothing(sshd: SystemSshd) -> None:
    first = run(provision(sshd, steps()))
    assert (first.outcome, outcomes(first)) == ("changed", ["changed"] * 3)
    before = {path: path.stat().st_mtime_ns for path in sshd.home.rglob("*")}
    second = run(provision(sshd, steps()))
    assert (second.outcome, outcomes(second)) == ("unchanged", ["unchanged"] * 3)
    assert (second.bytes, second.dials) == (0, 1)
    assert {path: path.stat().st_mtime_ns for path in sshd.home.rglob("*")} == before
    assert_is_ready(sshd)


def test_only_what_differs_is_changed_again(sshd: SystemSshd) -> None:
    run(provision(sshd, steps()))
    (sshd.home / "two").write_text("by somebody else")
    host = run(provision(sshd, steps()))
    assert outcomes(host) == ["unchanged", "changed", "unchanged"]
    assert written(sshd) == ["one", "two", "three", "two"]


def test_a_dry_run_says_what_would_change_and_changes_nothing(sshd: SystemSshd) -> None:
    (sshd.home / "two").write_text("wished")
    before = sorted(sshd.folder.parent.rglob("*"))
    host = run(provision(sshd, steps(), dry_run=True))
    assert (host.outcome, outcomes(host)) == ("would-change", ["would-change", "unchanged", "would-change"])
    assert host.bytes == 2 * len("wished")
    assert sorted(sshd.folder.parent.rglob("*")) == before


class Breaks:
    """A hook that breaks something, once."""

    def __init__(self, sshd: SystemSshd, how: str, moment: str) -> None:
        self._sshd = sshd
        self._how = how
        self._moment = moment
        self.broken = False
        self.run: asyncio.Future[HostProvision] | None = None

    async def __call__(self, moment: str) -> None:
        if moment != self._moment or self.broken:
            return
        self.broken = True
        if self._how == "client":
            assert self.run is not None
            self.run.cancel()
            await asyncio.Event().wait()
        elif self._how == "connection":
            self._sshd.drop_connections()
        else:
            for pid in self._sshd.session_processes():
                os.kill(pid, signal.SIGKILL)


MOMENTS = [(name, moment) for name in NAMES for moment in ("before", "after")]


def left_as(how: str, name: str, moment: str) -> Readiness:
    if how == "shell":
        return Readiness.FAILED  # the connection stands, so it can still be told
    return Readiness.NEVER if (name, moment) == ("one", "before") else Readiness.INTERRUPTED


@pytest.mark.parametrize("how", ["client", "connection", "shell"])
@pytest.mark.parametrize(("name", "moment"), MOMENTS)
def test_f47_broken_at_a_step_boundary_the_next_run_goes_on(sshd: SystemSshd, name: str, moment: str, how: str) -> None:
    breaks = Breaks(sshd, how, moment)

    async def first() -> HostProvision | None:
        breaks.run = asyncio.ensure_future(provision(sshd, steps(breaks, at=name), limits=ONCE))
        await asyncio.wait({breaks.run})
        await until(lambda: not sshd.session_processes(), what="the host to be rid of the first run")
        return None if breaks.run.cancelled() else breaks.run.result()

    host = run(first())
    assert breaks.broken
    if how == "connection":
        assert host is not None
        assert (host.outcome, host.dials) == ("changed", 2), "dialled anew, it went on by itself"
    else:
        marker = run(marker_at(sshd))
        done = NAMES.index(name) + (moment == "after")
        assert marker.readiness is left_as(how, name, moment)
        assert written(sshd) == list(NAMES[:done])
    second = run(provision(sshd, steps()))
    all_done = how == "connection" or (name, moment) == MOMENTS[-1]
    assert second.outcome == ("unchanged" if all_done else "changed")
    assert_is_ready(sshd)
    assert sorted(written(sshd)) == sorted(NAMES), "no step was done twice"


def test_a_refused_login_is_not_tried_again(sshd: SystemSshd) -> None:
    sshd.authorized_keys.write_text("")
    host = run(provision(sshd, steps(), limits=Limits(provision_retries=3)))
    assert host.error is not None
    assert host.error.code == Code.AUTHENTICATION_REFUSED
    assert (host.outcome, outcomes(host), sshd.connections()) == ("failed", ["skipped"] * 3, 1)


def test_f39_of_two_operators_at_once_one_waits_and_finds_all_done(sshd: SystemSshd) -> None:
    heard: list[ProvisionProgress] = []

    async def both() -> tuple[HostProvision, HostProvision]:
        at_work, waited = asyncio.Event(), asyncio.Event()

        async def hold(moment: str) -> None:
            at_work.set()
            await waited.wait()

        one = asyncio.ensure_future(provision(sshd, steps(hold, at="one")))
        await at_work.wait()
        two = asyncio.ensure_future(provision(sshd, steps(), operator=Operator("bob@desk"), progress=heard))
        await until(lambda: heard, what="the second to wait")
        waited.set()
        return await one, await two

    one, two = run(both())
    assert (one.outcome, two.outcome) == ("changed", "unchanged")
    assert written(sshd) == list(NAMES)
    lines = [item.line for item in heard if isinstance(item, StepMoved)]
    assert "alice@laptop" in lines[0]
    assert_is_ready(sshd)


def test_f39_who_waits_too_long_is_told_for_whom(sshd: SystemSshd) -> None:
    async def both() -> HostProvision:
        at_work, waited = asyncio.Event(), asyncio.Event()

        async def hold(moment: str) -> None:
            at_work.set()
            await waited.wait()

        one = asyncio.ensure_future(provision(sshd, steps(hold, at="one")))
        await at_work.wait()
        two = await provision(sshd, steps(), operator=Operator("bob@desk"), limits=Limits(provision_lock=1.0))
        waited.set()
        await one
        return two

    two = run(both())
    assert two.error is not None
    assert two.error.code == Code.PROVISION_BUSY
    assert "alice@laptop" in two.error.message
    assert "kill " in two.error.next


def test_f39_a_lock_whose_owner_is_dead_or_of_another_boot_is_healed(sshd: SystemSshd) -> None:
    folder = sshd.folder.parent / "remora"
    folder.mkdir(mode=0o700)
    here = run(_machine(sshd))
    (folder / f"provision-{here}").symlink_to(f"{os.getpid()} 1 another-boot alice")
    host = run(provision(sshd, steps()))
    assert host.outcome == "changed"
    assert_is_ready(sshd)


def test_f39_a_lock_of_another_machine_with_the_same_folders_is_not_touched(sshd: SystemSshd) -> None:
    folder = sshd.folder.parent / "remora"
    folder.mkdir(mode=0o700)
    other = folder / "provision-00000000000000000000000000000000"
    other.symlink_to("1 1 another-boot alice")
    assert run(provision(sshd, steps())).outcome == "changed"
    assert other.is_symlink()


def test_f39_flock_that_never_returns_is_never_called(sshd: SystemSshd, tmp_path: Path) -> None:
    trap = tmp_path / "bin"
    trap.mkdir()
    (trap / "flock").write_text("#!/bin/sh\necho called >>$HOME/flock-was-called\nexec sleep 1000\n")
    (trap / "flock").chmod(0o755)
    (sshd.home / ".bashrc").write_text(f"PATH={trap}:$PATH\n")
    assert run(provision(sshd, steps())).outcome == "changed"
    assert not (sshd.home / "flock-was-called").exists()


async def _machine(sshd: SystemSshd) -> str:
    async with bench_at(sshd) as bench:
        return Path(bench.facts.state_folder).name


def test_f46_before_during_after_success_and_after_failure_are_different_states(sshd: SystemSshd) -> None:
    seen: list[Readiness] = [run(marker_at(sshd)).readiness]

    async def look(moment: str) -> None:
        if moment == "after":
            marker = await marker_at(sshd)
            seen.append(marker.readiness)
            assert (marker.step, marker.steps, marker.step_title) == (3, 3, "the three line")
            assert marker.operator == "alice@laptop"
            assert marker.since is not None
            (sshd.home / "three").write_text("undone")

    failed = run(provision(sshd, steps(look, at="three")))
    assert outcomes(failed) == ["changed", "changed", "failed"]
    error = failed.steps[2].error
    assert error is not None
    assert error.code == Code.STEP_UNPROVEN
    marker = run(marker_at(sshd))
    seen.append(marker.readiness)
    assert (marker.step, marker.step_title, marker.detail) == (3, "the three line", error.message)
    assert run(provision(sshd, steps())).outcome == "changed"
    seen.append(run(marker_at(sshd)).readiness)
    assert seen == [Readiness.NEVER, Readiness.PROVISIONING, Readiness.FAILED, Readiness.READY]


def test_a_plan_that_cannot_be_carried_out_is_not_begun(sshd: SystemSshd) -> None:
    blocked = [LineStep("one"), LineStep("two", blocked=True), LineStep("three")]
    host = run(provision(sshd, blocked))
    assert outcomes(host) == ["skipped", "failed", "skipped"]
    assert written(sshd) == []
    marker = run(marker_at(sshd))
    assert (marker.readiness, marker.step) == (Readiness.FAILED, 2)


class SecretStep(LineStep):
    """A line that this machine lacks the secret for."""

    async def judge(self, answers: Answers, facts: AccountFacts) -> Finding:
        """See the contract."""
        raise ConfigProblem(Code.SECRET_MISSING, "There is no key.", next_step="Set it.")


def test_what_this_machine_lacks_does_not_make_a_ready_host_a_failed_one(sshd: SystemSshd) -> None:
    lacking = [LineStep("one", "other"), SecretStep("two")]
    assert run(provision(sshd, lacking)).outcome == "failed"
    assert run(marker_at(sshd)).readiness is Readiness.FAILED
    assert run(provision(sshd, steps())).outcome == "changed"
    assert run(provision(sshd, lacking, digest="sha256:" + "2" * 64)).outcome == "failed"
    assert_is_ready(sshd)
    assert run(provision(sshd, steps())).outcome == "unchanged"


# -- homes that cannot be used


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
                await bench.ask(Script("", {}, MOUNT), limit=20)
                before = await provision(sshd, [LineStep("one", "old")], world=world)
                assert before.outcome == "changed"
                await bench.ask(Script("", {}, FILLED[full_of]), limit=20)
                full = await provision(sshd, new, world=world)
                left = await bench.ask(Script("", {}, LOOK), limit=20)
                await bench.ask(Script("", {}, 'rm -r "$HOME/filler"\n'), limit=20)
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
                await bench.ask(Script("", {}, mounts), limit=20)
                ran = await bench.run(Script("", {}, "remora_as_user echo ran\n"), limit=20)
                return await provision(sshd, [LineStep("one")], world=world), ran.one("tail")

        host, tail = run(work())
    assert (host.outcome, tail) == ("changed", "ran\n")


def test_f37_with_a_read_only_home_it_says_so_and_the_marker_finds_another_place() -> None:
    with AccountSshd("/bin/bash") as sshd:
        world = world_of(SshdResolver(sshd), limits=ONCE)

        async def work() -> tuple[HostProvision, HostProvision, Readiness]:
            async with bench_at(sshd, world=world) as bench:
                await bench.ask(Script("", {}, 'mount -t tmpfs -o ro tmpfs "$HOME"\n'), limit=20)
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


def test_f39_where_only_a_shared_home_is_left_each_machine_has_a_folder_of_its_own() -> None:
    with AccountSshd("/bin/bash", environment={"XDG_RUNTIME_DIR": "", "TMPDIR": "/dev/null"}) as sshd:

        async def places() -> tuple[str | None, str, str | None]:
            async with bench_at(sshd) as bench:
                return bench.facts.runtime_folder, bench.facts.state_folder, bench.facts.machine_id

        runtime, state, machine = run(places())
        ours = f"{sshd.home}/.local/state/remora"
        assert state == f"{ours}/{machine}"
        assert (runtime or "").startswith(f"{ours}/run-")
        assert run(provision(sshd, steps())).outcome == "changed"
        assert_is_ready(sshd)
