"""Who is at work, and reasons of scripts as errors."""

from remora.core.devbox.provision_step import operator_word
from remora.core.devbox.script_failures import script_problem
from remora.core.errors import Code
from remora.core.server.answers import Answers


def test_an_operator_is_one_word_whatever_the_name() -> None:
    assert operator_word("Zoë O'Neil $(x)@lap top") == "Zo_O_Neil_x_@lap_top"


def test_answers_without_a_failure_are_none() -> None:
    assert script_problem(Answers((("go", "1"),)), what="codex", seen="") is None


def test_a_reason_that_is_no_code_of_provisioning_is_still_an_error_with_its_word() -> None:
    problem = script_problem(Answers((("failed", "gremlins"),)), what="codex", seen="tail")
    assert problem is not None
    assert problem.code is Code.PROVISION_FAILED
    assert problem.seen == "gremlins\ntail"
    stranger = script_problem(Answers((("failed", "host-key-changed"),)), what="codex", seen="")
    assert stranger is not None
    assert stranger.code is Code.PROVISION_FAILED, "a script cannot pass for what it knows nothing of"
