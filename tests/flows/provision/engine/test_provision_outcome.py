"""What becomes of one host, from readings and events alone: no host, no clock."""

from dataclasses import dataclass
from typing import Any

from remora.core.devbox.provision_step import Finding, StepScript, StepState
from remora.core.errors import Code, ProvisionProblem, Unreachable
from remora.core.server.account_facts import AccountFacts
from remora.core.server.answers import Answers
from remora.flows.provision.outcome import HostOutcome
from remora.flows.provision.steps.alone import AloneStep, AloneTerms
from remora.flows.provision.steps.step import Tell, Workbench
from remora.wire.reports.provision import HostProvision, StepDone, StepMoved, StepStarted

SAME = Finding(state=StepState.SAME, detail="as wished")
OTHER = Finding(state=StepState.DIFFERENT, detail="old becomes new", sends=70, notices=("a notice",))
LATER = Finding(state=StepState.LATER, detail="codex must be installed first", sends=10)
LOST = Unreachable(Code.CONNECTION_LOST, "The connection was lost.", next_step="Try again.")
FULL = ProvisionProblem(Code.DISK_FULL, "It is full.", next_step="Free space.")


@dataclass
class Named:
    """A step in name only."""

    name: str
    title: str = "a title"

    def reading(self) -> StepScript:
        raise NotImplementedError

    async def judge(self, answers: Answers, facts: AccountFacts) -> Finding:
        raise NotImplementedError

    async def apply(self, finding: Finding, bench: Workbench, tell: Tell) -> None:
        raise NotImplementedError

    def alone(self, terms: AloneTerms) -> AloneStep:
        raise NotImplementedError


class Case:
    """An outcome of some steps that were read, at a time that the test sets."""

    def __init__(self, *findings: Finding) -> None:
        self.seconds = 100.0
        self.heard: list[StepStarted | StepMoved | StepDone] = []
        steps = [Named(f"step-{index}") for index in range(len(findings))]
        self.outcome = HostOutcome("devbox", "sha256:1", steps, self.heard.append, lambda: self.seconds)
        for index, finding in enumerate(findings):
            self.outcome.found(index, finding)

    def shape(self, body: HostProvision) -> tuple[str, list[tuple[str, int]]]:
        return body.outcome, [(step.outcome, step.bytes) for step in body.steps]


def test_a_dry_run_says_what_would_travel_and_what_only_later_steps_tell() -> None:
    case = Case(SAME, OTHER, LATER)
    case.outcome.predict()
    body = case.outcome.body(None)
    assert case.shape(body) == ("would-change", [("unchanged", 0), ("would-change", 70), ("would-change", 0)])
    assert body.ok
    assert body.bytes == 70
    assert body.steps[2].detail == "codex must be installed first"


def test_a_dry_run_with_a_step_that_cannot_be_carried_out_has_failed() -> None:
    case = Case(Finding(state=StepState.BLOCKED, detail="full", error=FULL), OTHER)
    case.outcome.predict()
    body = case.outcome.body(None)
    assert (body.outcome, body.ok, body.error) == ("failed", False, None)
    assert body.steps[0].error is not None
    assert body.steps[0].error.host == "devbox"


def test_a_changed_step_tells_what_was_before_how_long_it_took_and_what_travelled() -> None:
    case = Case(OTHER)
    case.outcome.begin(0)
    for sent in (40, 50, 30, 60):  # two transfers of 50 and 60
        case.outcome.moved(sent, 100, "")
    case.seconds += 2.5
    case.outcome.found(0, SAME)
    case.outcome.changed("as wished")
    (step,) = case.outcome.body(None).steps
    assert (step.outcome, step.detail, step.seconds, step.bytes) == ("changed", "old becomes new", 2.5, 110)
    assert step.notices == ["a notice"]


def test_a_step_that_was_done_when_its_connection_broke_counts_as_changed() -> None:
    case = Case(OTHER)
    case.outcome.begin(0)
    case.outcome.found(0, SAME)  # read again, over another connection
    case.outcome.same(0)
    assert case.shape(case.outcome.body(None)) == ("changed", [("changed", 70)])


def test_a_step_changed_before_the_connection_broke_stays_changed_and_is_told_once() -> None:
    case = Case(OTHER, OTHER)
    case.outcome.begin(0)
    case.outcome.changed("")
    case.outcome.begin(1)
    case.outcome.found(0, SAME)
    case.outcome.same(0)
    case.outcome.begin(1)
    case.outcome.changed("")
    assert case.shape(case.outcome.body(None)) == ("changed", [("changed", 70), ("changed", 70)])
    names: list[Any] = [(type(item).__name__, getattr(item, "name", "")) for item in case.heard]
    assert names == [("StepStarted", "step-0"), ("StepDone", ""), ("StepStarted", "step-1"), ("StepDone", "")]


def test_a_failure_belongs_to_the_step_at_work_and_else_to_the_host() -> None:
    at_work = Case(OTHER, SAME, OTHER)
    at_work.outcome.begin(0)
    body = at_work.outcome.body(LOST)
    assert at_work.shape(body) == ("failed", [("failed", 0), ("unchanged", 0), ("skipped", 0)])
    assert body.error is None
    outside = Case(OTHER).outcome.body(LOST)
    assert outside.error is not None
    assert [step.outcome for step in outside.steps] == ["skipped"]


def test_a_host_that_was_never_begun_is_skipped() -> None:
    case = Case()
    case.outcome.steps = [Named("x")]
    body = case.outcome.body(None, skipped=True)
    assert (body.outcome, body.ok) == ("skipped", False)


def test_lines_of_scripts_are_neutral_and_belong_to_the_step_at_work_or_to_come() -> None:
    case = Case(SAME, OTHER)
    case.outcome.moved(0, 0, "waits for \x1b[31mbob")
    (line,) = case.heard
    assert isinstance(line, StepMoved)
    assert (line.name, line.line) == ("step-1", "waits for \\x1b[31mbob")


def test_what_a_host_says_in_a_notice_forges_no_line_and_moves_no_cursor() -> None:
    case = Case(Finding(state=StepState.SAME, detail="\x1b[2J", notices=("a\n! forged\x1b[2J",)))
    case.outcome.same(0)
    step = case.outcome.body(None).steps[0]
    assert (step.detail, step.notices) == ("\\x1b[2J", ["a ! forged\\x1b[2J"])
