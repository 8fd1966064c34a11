"""A provision run written down on this machine."""

from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path

import msgspec
from tests.support.base.loop import run

from remora.adapters.files.run_logs import LogFiles
from remora.flows.provision.redaction import without_secrets
from remora.flows.provision.run_record import recorded
from remora.testing.manual_clock import ManualClock
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

FAILURE = ErrorBody(
    code="step-failed",
    stage="provision",
    verdict="needs-human",
    message="The set-up failed with exit status 2.",
    seen="make: *** No rule\nmake: stop",
    next="Look into the log.",
)


def record(
    progress: Sequence[ProvisionProgress],
    folder: Path,
    *,
    remarks: Sequence[str] = (),
    hide: Callable[[str], str] = str,
) -> list[ProvisionProgress]:
    async def coming() -> AsyncGenerator[ProvisionProgress, None]:
        for step in progress:
            yield step

    async def go() -> list[ProvisionProgress]:
        clock = ManualClock()
        logs = LogFiles(folder, keep=5, clock=clock)
        told = without_secrets(coming(), hide)
        return [step async for step in recorded(told, logs, clock, remarks=lambda alias: remarks)]

    return run(go())


def host(*, outcome: str, steps: Sequence[StepBody]) -> list[ProvisionProgress]:
    came: list[ProvisionProgress] = []
    for number, step in enumerate(steps, 1):
        came.append(StepStarted(alias="devbox", name=step.name, title=step.title, index=number, count=len(steps)))
        came.append(StepDone(alias="devbox", step=step))
    body = HostProvision(alias="devbox", ok=outcome != "failed", outcome=outcome, steps=list(steps), bytes=12)
    return [*came, body, ProvisionReport(ok=body.ok, exit_code=0, dry_run=False, hosts=[body])]


def body_of(progress: Sequence[ProvisionProgress]) -> HostProvision:
    report = progress[-1]
    assert isinstance(report, ProvisionReport)
    return report.hosts[0]


def test_what_happened_is_in_the_log_that_the_report_names(tmp_path: Path) -> None:
    same = StepBody(name="codex", title="codex 0.163.0", outcome="unchanged", detail="it is there")
    failed = StepBody(name="setup:~/app", title="set up ~/app", outcome="failed", seconds=2.0, error=FAILURE)
    progress = host(outcome="failed", steps=[same, failed])
    progress.insert(3, StepMoved(alias="devbox", name="setup:~/app", line="make: *** No rule"))
    log = body_of(record(progress, tmp_path)).log
    assert log is not None
    assert Path(log).read_text().splitlines() == [
        f"2001-09-09T01:46:40Z {line}"
        for line in (
            "step 1 of 2, codex: codex 0.163.0",
            "codex: unchanged. it is there",
            "step 2 of 2, setup:~/app: set up ~/app",
            "setup:~/app | make: *** No rule",
            "setup:~/app: failed in 2.0 s",
            "  The set-up failed with exit status 2. [step-failed]",
            "  seen: make: *** No rule",
            "  seen: make: stop",
            "  next: Look into the log.",
            "devbox: failed in 0.0 s, 12 bytes sent",
        )
    ]


def test_a_host_at_which_nothing_happened_leaves_no_log(tmp_path: Path) -> None:
    for outcome in ("unchanged", "would-change"):
        step = StepBody(name="codex", title="codex 0.163.0", outcome=outcome)
        assert body_of(record(host(outcome=outcome, steps=[step]), tmp_path)).log is None
    assert list(tmp_path.iterdir()) == []


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    step = StepBody(name="codex", title="codex 0.163.0", outcome="changed")
    came = record(host(outcome="changed", steps=[step]), tmp_path / "file" / "below")
    assert [notice.code for notice in body_of(came).notices] == ["log-unwritable"]
    assert len(came) == 4


def test_a_secret_that_a_script_wrote_is_in_no_line_report_or_log(tmp_path: Path) -> None:
    error = msgspec.structs.replace(
        FAILURE, seen="+ curl -H sk-canary", message="sk-canary is refused", next="sk-canary"
    )
    step = StepBody(
        name="setup", title="set up", outcome="failed", detail="sk-canary", error=error, notices=["sk-canary"]
    )
    progress = host(outcome="failed", steps=[step])
    progress.insert(1, StepMoved(alias="devbox", name="setup", line="export KEY=sk-canary"))
    for document in progress:
        if isinstance(document, HostProvision):
            document.notices.append(NoticeBody(code="marker-unwritable", message="sk-canary"))
    came = record(progress, tmp_path, hide=lambda text: text.replace("sk-canary", "***"))
    log = body_of(came).log
    assert log is not None
    assert "export KEY=***" in Path(log).read_text()
    assert "canary" not in f"{came}{Path(log).read_text()}"


def test_what_there_is_to_say_about_a_host_becomes_its_notice(tmp_path: Path) -> None:
    step = StepBody(name="codex", title="codex 0.163.0", outcome="unchanged")
    came = record(host(outcome="unchanged", steps=[step]), tmp_path, remarks=["Others can read the secret in key."])
    assert [notice.message for notice in body_of(came).notices] == ["Others can read the secret in key."]
