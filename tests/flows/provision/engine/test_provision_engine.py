"""Runs of the engine on a real sshd: what is the same stays, what is broken off goes on, and the marker tells it."""

import asyncio
import os
import signal

import pytest
from tests.support.base.loop import run
from tests.support.base.until import until_none
from tests.support.provision.provision_bench import LineStep, marker_at, provision, sshd
from tests.support.provision.three_lines import NAMES, ONCE, assert_is_ready, outcomes, steps, written
from tests.support.sshd.system_sshd import SystemSshd

from remora.core.devbox.provision_step import Finding
from remora.core.errors import Code, ConfigProblem
from remora.core.server.account_facts import AccountFacts
from remora.core.server.answers import Answers
from remora.core.server.markers import Readiness
from remora.core.settings import Limits
from remora.wire.reports.provision import HostProvision

__all__ = ["sshd"]


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
    before = [sorted(folder.rglob("*")) for folder in (sshd.folder.parent, sshd.runtime_folder)]
    host = run(provision(sshd, steps(), dry_run=True))
    assert (host.outcome, outcomes(host)) == ("would-change", ["would-change", "unchanged", "would-change"])
    assert host.bytes == 2 * len("wished")
    assert [sorted(folder.rglob("*")) for folder in (sshd.folder.parent, sshd.runtime_folder)] == before


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
        await until_none(sshd.session_commands, what="the host to be rid of the first run")
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
