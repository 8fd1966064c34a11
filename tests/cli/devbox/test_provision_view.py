"""What a person sees of a provision run: one host by its steps, several by their results."""

import io
from collections.abc import Sequence

import msgspec
import pytest
from tests.support.screen.golden import assert_golden
from tests.support.screen.pseudo_terminal import PseudoTerminal

from remora.cli.devbox.provision_view import ProvisionView
from remora.cli.draw.page import Page
from remora.core.server.answers import without_escapes
from remora.wire.reports import ErrorBody, NoticeBody
from remora.wire.reports.provision import (
    HostProvision,
    ProvisionProgress,
    ProvisionReport,
    StepBody,
    StepDone,
    StepMoved,
    StepStarted,
)

ENVIRONMENT = {"TERM": "dumb", "LANG": "C.UTF-8"}
FULL = ErrorBody(
    code="disk-full",
    stage="provision",
    verdict="needs-human",
    message="ci-2 has 12 MB free below /home/ci, and 301 MB are needed.",
    seen="/dev/vda1 98% \x1b[31m",
    next="Free some room there, or name another place with codex.location.",
    host="ci-2",
)
AWAY = ErrorBody(
    code="connect-timeout",
    stage="route",
    verdict="retry",
    message="ci-3 did not answer within 20 seconds.",
    seen="",
    next="Find out whether it runs: remora check ci-3",
    host="ci-3",
)
CODEX = StepBody(
    name="codex",
    title="codex 0.163.0",
    outcome="changed",
    detail="0.133.0 was there, 0.163.0 is installed beside it",
    seconds=12.5,
    bytes=43_100_000,
)
CHANGED = HostProvision(
    alias="devbox",
    ok=True,
    outcome="changed",
    seconds=14.2,
    bytes=43_100_412,
    dials=1,
    steps=[
        CODEX,
        StepBody(
            name="path", title="codex on the PATH", outcome="unchanged", detail="~/.local/bin/codex is a link to it"
        ),
        StepBody(
            name="config",
            title="config.toml",
            outcome="changed",
            detail="model, approval_policy",
            seconds=0.08,
            bytes=412,
            notices=["config.toml has a key that codex 0.163.0 does not know: \x1b]0;title\x07"],
        ),
    ],
    notices=[NoticeBody(code="secret-exposed", message="Others on this machine can read the secret in /home/me/key.")],
)
UNCHANGED = HostProvision(
    alias="ci-1",
    ok=True,
    outcome="unchanged",
    seconds=1.1,
    dials=1,
    steps=[StepBody(name="codex", title="codex 0.163.0", outcome="unchanged", detail="0.163.0 is there", seconds=0.01)],
)
FAILED = HostProvision(
    alias="ci-2",
    ok=False,
    outcome="failed",
    seconds=0.9,
    dials=1,
    steps=[
        StepBody(name="codex", title="codex 0.163.0", outcome="failed", seconds=0.2, error=FULL),
        StepBody(name="path", title="codex on the PATH", outcome="skipped"),
    ],
    log="/var/log/remora/provision/ci-2-20260101T000000Z.log",
)
UNREACHED = HostProvision(alias="ci-3", ok=False, outcome="failed", seconds=20.0, dials=3, error=AWAY)
PLANNED = HostProvision(
    alias="devbox",
    ok=True,
    outcome="would-change",
    seconds=1.3,
    bytes=43_100_000,
    dials=1,
    steps=[
        StepBody(
            name="codex",
            title="codex 0.163.0",
            outcome="would-change",
            detail="nothing is installed below ~/.local/share/remora/codex",
            bytes=43_100_000,
        ),
        StepBody(name="path", title="codex on the PATH", outcome="would-change", detail="a link ~/.local/bin/codex"),
        StepBody(name="config", title="config.toml", outcome="unchanged", detail="it has all keys"),
    ],
)


def progress(*hosts: HostProvision, dry_run: bool = False) -> list[ProvisionProgress]:
    """What comes while these hosts are provisioned one after another."""
    came: list[ProvisionProgress] = []
    for host in hosts:
        for number, step in enumerate(host.steps, 1):
            started = StepStarted(
                alias=host.alias, name=step.name, title=step.title, index=number, count=len(host.steps)
            )
            came += [started, StepDone(alias=host.alias, step=step)]
        came.append(host)
    ok = all(host.ok for host in hosts)
    return [*came, ProvisionReport(ok=ok, exit_code=0 if ok else 13, dry_run=dry_run, hosts=list(hosts))]


class Dumb(io.StringIO):
    """A terminal whose lines cannot be drawn again."""

    def isatty(self) -> bool:
        return True


def shown(
    steps: Sequence[ProvisionProgress],
    *,
    width: int,
    verbosity: int = 0,
    plans: bool = False,
    out: io.StringIO | None = None,
) -> str:
    report = steps[-1]
    assert isinstance(report, ProvisionReport)
    out = out or Dumb()
    aliases = [host.alias for host in report.hosts]
    view = ProvisionView(Page(out, ENVIRONMENT, width=width), aliases, verbosity=verbosity, plans=plans)
    for step in steps:
        view.show(step)
        view.redraw()
    return out.getvalue()


@pytest.mark.parametrize("width", [40, 80, 120])
def test_one_host_shows_its_steps(width: int) -> None:
    text = shown(progress(CHANGED), width=width)
    assert max(map(len, text.splitlines())) <= width
    assert_golden(f"provision_one_{width}.txt", text)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_several_hosts_show_a_line_each_what_failed_and_what_to_do(width: int) -> None:
    text = shown(progress(CHANGED, UNCHANGED, FAILED, UNREACHED), width=width)
    assert "\x1b" not in text
    assert_golden(f"provision_several_{width}.txt", text)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_plan_shows_what_is_there_what_changes_and_what_is_sent(width: int) -> None:
    assert_golden(f"provision_plan_{width}.txt", shown(progress(PLANNED, dry_run=True), width=width))


def test_hosts_whose_plans_are_the_same_are_told_together() -> None:
    def host(number: int, like: HostProvision) -> HostProvision:
        return msgspec.structs.replace(like, alias=f"ci-{number}")

    hosts = [host(number, PLANNED if number % 15 == 0 else UNCHANGED) for number in range(1, 201)]
    failed = msgspec.structs.replace(FAILED, alias="ci-201")
    text = shown(progress(*hosts, failed, dry_run=True), plans=True, width=100)
    assert "13 hosts: would change  ci-15, ci-30, ci-45, ci-60, ci-75 and 8 more  sends 560.3 MB in total" in text
    assert "187 hosts: nothing to do  ci-1, ci-2, ci-3, ci-4, ci-5 and 182 more" in text
    assert text.count("codex 0.163.0: nothing is installed") == 1
    assert "✗ ci-201" in text
    assert len(text.splitlines()) < 20
    every = shown(progress(*hosts, failed, dry_run=True), plans=True, verbosity=1, width=100)
    assert len(every.splitlines()) > 200


def test_one_host_that_fails_shows_where_why_what_to_do_and_the_log() -> None:
    assert_golden("provision_failed_80.txt", shown(progress(FAILED), width=80))
    assert_golden("provision_unreached_80.txt", shown(progress(UNREACHED), width=80))


def test_the_same_advice_for_many_hosts_is_said_once() -> None:
    away = msgspec.structs.replace(AWAY, next="Check that sshd runs there.")
    hosts = [msgspec.structs.replace(UNREACHED, alias=f"ci-{number}", error=away) for number in range(9)]
    lines = shown(progress(FAILED, *hosts), width=80).splitlines()
    assert lines[-3:] == [
        "  ci-2  next: Free some room there, or name another place with codex.location.",
        "  ci-0, ci-1, ci-2, ci-3, ci-4 and 4 more",
        "    next: Check that sshd runs there.",
    ]
    lines = shown(progress(*hosts[:2]), width=80).splitlines()
    assert lines[-2:] == ["  ci-0, ci-1", "    next: Check that sshd runs there."]


def test_in_a_pipe_lines_stay_whole() -> None:
    text = shown(progress(CHANGED, FAILED), width=40, out=io.StringIO())
    assert_golden("provision_pipe.txt", text)


def test_a_host_that_is_as_described_says_so() -> None:
    text = shown(progress(UNCHANGED), width=80)
    assert "ci-1 is as described; nothing changed, nothing was sent" in text


@pytest.mark.parametrize("hosts", [[UNREACHED], [UNCHANGED, UNREACHED]])
def test_quietly_a_host_is_one_line_and_what_failed(hosts: list[HostProvision]) -> None:
    lines = shown(progress(*hosts), width=120, verbosity=-1).splitlines()
    assert lines[-1] == f"  next:  {AWAY.next}"
    assert len(lines) == len(hosts) + 1


def test_details_show_the_steps_of_every_host_and_what_scripts_write() -> None:
    steps = progress(CHANGED, UNCHANGED)
    steps.insert(1, StepMoved(alias="devbox", name="codex", line="unpacking \x1b[2J"))
    text = shown(steps, width=120, verbosity=1)
    assert "  │ devbox  unpacking \\x1b[2J" in text
    assert "✓ ci-1    codex 0.163.0: 0.163.0 is there" in text


def test_on_a_terminal_a_table_below_tells_step_bytes_rate_and_the_last_line() -> None:
    now = 0.0
    with PseudoTerminal(columns=80) as screen:
        page = Page(screen.out, {"TERM": "xterm-256color", "LANG": "C.UTF-8"}, width=80)
        view = ProvisionView(page, ["devbox", "ci-1"], now=lambda: now)
        view.redraw()
        assert "2 hosts  connecting, being read, or waiting" in without_escapes(screen.drain())
        view.show(StepStarted(alias="devbox", name="codex", title="codex 0.163.0", index=1, count=9))
        now = 4.0
        view.show(StepMoved(alias="devbox", name="codex", bytes_sent=20_000_000, bytes_total=40_000_000))
        view.show(StepMoved(alias="devbox", name="codex", line="unpacking \x1b[2Jnow"))
        view.redraw()
        drawn = without_escapes(screen.drain())
        assert "20.0 MB of 40.0 MB, 5.0 MB/s" in drawn
        assert "unpacking \\x1b[2Jnow" in drawn
        assert "… ci-1  connecting, being read, or waiting" in drawn
        view.show(StepMoved(alias="ci-1", name="codex", line="joe@laptop is at work since 12:00"))
        view.redraw()
        view.fetching("codex 0.163.0 for Linux x86_64", 0, 0)
        now = 6.0
        view.fetching("codex 0.163.0 for Linux x86_64", 1_000_000, 4_000_000)
        view.redraw()
        drawn = without_escapes(screen.drain())
        assert "… ci-1    waits" in drawn
        assert "joe@laptop is at work" in drawn
        assert "↓ codex 0.163.0 for Linux x86_64  1.0 MB of 4.0 MB, 500.0 kB/s" in drawn
        for step in progress(CHANGED, UNCHANGED):
            view.show(step)
        assert "2 hosts: 1 changed, 1 unchanged" in screen.drain()


def test_a_run_that_is_broken_off_tells_which_hosts_are_left() -> None:
    out = Dumb()
    view = ProvisionView(Page(out, ENVIRONMENT, width=120), ["devbox", "ci-1", "ci-2"])
    for step in progress(CHANGED)[:-1]:
        view.show(step)
    view.broken_off()
    assert out.getvalue().splitlines()[-1] == "3 hosts: 1 done, 2 not: ci-1, ci-2"
