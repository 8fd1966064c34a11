"""What a person sees of a check: one host by its stages, several by their results."""

import io
from collections.abc import Sequence

import pytest
from tests.support.screen.golden import assert_golden
from tests.support.screen.pseudo_terminal import PseudoTerminal

from remora.cli.draw.page import Page
from remora.cli.host.check_view import CheckView
from remora.wire.reports import ErrorBody, NoticeBody
from remora.wire.reports.check import CheckProgress, CheckReport, CodexEntry, HostCheck, StageBody, StageProven

ENVIRONMENT = {"TERM": "dumb", "LANG": "C.UTF-8"}
ERROR = ErrorBody(
    code="authentication-refused",
    stage="authentication",
    verdict="needs-human",
    message="broken refused the login of joe.",
    seen="Permission denied (publickey). \x1b[31m",
    next="Add your public key to ~/.ssh/authorized_keys there.",
    host="broken",
)
GOOD = HostCheck(
    alias="devbox",
    ok=True,
    seconds=0.8,
    stages=[
        StageBody(stage="config", outcome="ok", detail="joe@devbox.example.org port 22", seconds=0.011),
        StageBody(stage="authentication", outcome="ok", detail="joe by publickey", seconds=0.25),
        StageBody(stage="path", outcome="warning", detail="codex is outside of it, at /opt/codex/bin/codex"),
        StageBody(stage="codex", outcome="ok", detail="0.169.0 at /opt/codex/bin/codex: found where installers put it"),
        StageBody(stage="handshake", outcome="skipped", detail="no app server runs there, and none was started"),
    ],
    codex=[
        CodexEntry(path="/usr/bin/codex", problem="is a broken symbolic link"),
        CodexEntry(path="/opt/codex/bin/codex", version="0.169.0", chosen=True),
    ],
    plan=["start, detached: /opt/codex/bin/codex app-server --listen unix://", "work in /home/joe"],
    notices=[NoticeBody(code="option", message="ForwardX11 is not honoured.")],
)
BAD = HostCheck(
    alias="broken",
    ok=False,
    seconds=1.5,
    stages=[
        StageBody(stage="config", outcome="ok", detail="joe@broken.example.org port 22", seconds=0.011),
        StageBody(stage="authentication", outcome="failed", detail=ERROR.message, seconds=1.2, error=ERROR),
        StageBody(stage="shell", outcome="skipped", detail="not reached"),
    ],
)


def progress(*checks: HostCheck) -> list[CheckProgress]:
    """What comes while these hosts are checked one after another."""
    came: list[CheckProgress] = []
    for check in checks:
        came += [StageProven(alias=check.alias, stage=stage) for stage in check.stages]
        came.append(check)
    ok = all(check.ok for check in checks)
    return [*came, CheckReport(ok=ok, exit_code=0 if ok else 13, hosts=list(checks))]


def shown(aliases: Sequence[str], steps: Sequence[CheckProgress], *, width: int, verbosity: int = 0) -> str:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    view = CheckView(Page(out, ENVIRONMENT, width=width), aliases, verbosity=verbosity)
    for step in steps:
        view.show(step)
        view.redraw()
    return out.getvalue()


@pytest.mark.parametrize("width", [40, 80, 120])
def test_one_host_shows_its_stages(width: int) -> None:
    text = shown(["devbox"], progress(GOOD), width=width)
    assert max(map(len, text.splitlines())) <= width
    assert_golden(f"check_one_{width}.txt", text)


@pytest.mark.parametrize("width", [40, 80])
def test_several_hosts_show_a_line_each_and_what_failed(width: int) -> None:
    text = shown(["devbox", "broken"], progress(GOOD, BAD), width=width)
    assert "\x1b" not in text
    assert_golden(f"check_several_{width}.txt", text)


def test_details_show_the_stages_of_every_host_and_its_plan() -> None:
    assert_golden("check_details_80.txt", shown(["devbox", "broken"], progress(GOOD, BAD), width=80, verbosity=1))


@pytest.mark.parametrize("names", [["broken"], ["devbox", "broken"]])
def test_quietly_a_host_is_one_line_and_what_failed(names: list[str]) -> None:
    checks = {"devbox": GOOD, "broken": BAD}
    lines = shown(names, progress(*(checks[name] for name in names)), width=80, verbosity=-1).splitlines()
    assert "broken" in lines[len(names) - 1]
    assert "next:" in lines[-1]
    assert not any("not reached" in line or "ready" in line for line in lines if "devbox" not in line)


def test_on_a_terminal_the_hosts_under_way_are_shown_below_and_vanish() -> None:
    with PseudoTerminal(columns=80) as screen:
        page = Page(screen.out, {"TERM": "xterm-256color", "LANG": "C.UTF-8"}, width=80)
        view = CheckView(page, ["devbox", "broken"])
        view.redraw()
        assert "waiting" in screen.drain()
        *steps, report = progress(GOOD, BAD)
        for step in steps:
            view.show(step)
            view.redraw()
        assert "authentication ok" in screen.drain()
        view.show(report)
        assert "1 of 2 hosts ready" in screen.drain()
        assert screen.seen.rstrip().endswith("\x1b[0m") or screen.seen.rstrip().endswith("ready")
