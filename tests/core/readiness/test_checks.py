"""The staged proof as a value."""

import pytest

from remora.core.errors import (
    AuthenticationProblem,
    Code,
    ExitCode,
    HostKeyProblem,
    NeedsPerson,
    RemoraError,
    Stage,
    TimeLimit,
    Unreachable,
)
from remora.core.readiness.checks import PROOF, Outcome, Proof, StageResult, combined_exit_code

AUTHENTICATION = AuthenticationProblem(Code.AUTHENTICATION_REFUSED, "Refused.", next_step="Add the key.")
HOST_KEY = HostKeyProblem(Code.HOST_KEY_UNKNOWN, "Unknown.", next_step="Compare it.")
TIMEOUT = TimeLimit(Code.TIME_LIMIT, "Too long.", next_step="Wait longer.")
UNATTENDED = NeedsPerson(Code.PROMPT_UNATTENDED, "Asked.", next_step="Use a terminal.", stage=Stage.HOST_KEY)
REFUSED = Unreachable(Code.CONNECTION_REFUSED, "Refused.", next_step="Start sshd.")


def outcomes(proof: Proof) -> dict[Stage, Outcome]:
    return {result.stage: result.outcome for result in proof.results}


@pytest.mark.parametrize(
    ("error", "failed"),
    [
        (REFUSED, Stage.ROUTE),
        (HOST_KEY, Stage.HOST_KEY),
        (UNATTENDED, Stage.HOST_KEY),
        (AUTHENTICATION, Stage.AUTHENTICATION),
        (TIMEOUT, Stage.NAME),
    ],
)
def test_a_failed_dial_proves_the_stages_before_it_and_skips_those_behind(error: RemoraError, failed: Stage) -> None:
    proof = Proof()
    proof.passed(Stage.CONFIG, "read")
    proof.failed(error, during=Stage.NAME, seconds=0.5)
    proof.skipped()
    place = PROOF.index(failed)
    assert [outcomes(proof)[stage] for stage in PROOF[:place]] == [Outcome.OK] * place
    assert outcomes(proof)[failed] is Outcome.FAILED
    assert {outcomes(proof)[stage] for stage in PROOF[place + 1 :]} == {Outcome.SKIPPED}
    assert proof.exit_code == error.exit_code


def test_a_failure_never_overwrites_a_stage_that_was_proven() -> None:
    proof = Proof()
    proof.passed(Stage.HOST_KEY, "SHA256:abc")
    late = HostKeyProblem(Code.HOST_KEY_CHANGED, "Changed.", next_step="Stop.")
    proof.failed(late, during=Stage.SHELL)
    assert outcomes(proof) == {Stage.HOST_KEY: Outcome.OK, Stage.SHELL: Outcome.FAILED}


def test_a_failed_stage_does_not_keep_later_ones_from_being_proven() -> None:
    proof = Proof()
    proof.failed(AUTHENTICATION, during=Stage.LOGIN)
    proof.record(StageResult(stage=Stage.SANDBOX, outcome=Outcome.WARNING, detail="not tried"))
    proof.passed(Stage.LAUNCH, "would start ours")
    assert proof.exit_code == ExitCode.AUTHENTICATION
    assert list(outcomes(proof).values()) == [Outcome.FAILED, Outcome.WARNING, Outcome.OK]


@pytest.mark.parametrize(
    ("codes", "combined"),
    [
        ([], ExitCode.DONE),
        ([ExitCode.DONE, ExitCode.DONE], ExitCode.DONE),
        ([ExitCode.SHELL], ExitCode.SHELL),
        ([ExitCode.UNREACHABLE, ExitCode.UNREACHABLE], ExitCode.UNREACHABLE),
        ([ExitCode.UNREACHABLE, ExitCode.SHELL], ExitCode.PARTIAL),
        ([ExitCode.DONE, ExitCode.SHELL], ExitCode.PARTIAL),
    ],
)
def test_several_hosts_have_one_exit_code(codes: list[ExitCode], combined: ExitCode) -> None:
    assert combined_exit_code(codes) == combined
