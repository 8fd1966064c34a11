"""The rules of the command line: each refuses, none grants."""

import pytest

from remora.core.approval.request import ApprovalRequest, Choice, RequestKind
from remora.core.approval.rules import OnApproval, refuse_unattended, rules_for

ACCEPT = Choice("accept", "Yes, run it", "accept", grants=True)
DECLINE = Choice("decline", "No, go on without it", "decline", grants=False)
CANCEL = Choice("cancel", "No, and stop the turn", "cancel", grants=False)


def asked(*choices: Choice, unlisted: Choice | None = None) -> ApprovalRequest:
    return ApprovalRequest(
        request_id=1, kind=RequestKind.COMMAND, thread_id="t", choices=choices, unlisted_decline=unlisted
    )


@pytest.mark.parametrize(
    ("way", "request_", "chosen"),
    [
        (OnApproval.DECLINE, asked(ACCEPT, CANCEL, DECLINE), DECLINE),
        (OnApproval.DECLINE, asked(ACCEPT, CANCEL, unlisted=DECLINE), DECLINE),
        (OnApproval.CANCEL, asked(ACCEPT, DECLINE, CANCEL), CANCEL),
        (OnApproval.CANCEL, asked(ACCEPT, DECLINE), DECLINE),
        (OnApproval.CANCEL, asked(Choice("cancel", "", {"cancel": 1}, grants=True), DECLINE), DECLINE),
    ],
)
def test_a_rule_of_the_command_line_declines_or_stops_the_turn(
    way: OnApproval, request_: ApprovalRequest, chosen: Choice
) -> None:
    (rule,) = rules_for(way)
    decision = rule(request_)
    assert decision is not None
    assert (decision.choice, decision.decided_by, decision.digest) == (chosen, "rule", request_.digest)
    assert decision.note


@pytest.mark.parametrize("way", [OnApproval.ASK, OnApproval.FAIL])
def test_where_somebody_may_be_asked_or_nobody_no_rule_answers(way: OnApproval) -> None:
    assert rules_for(way) == ()


def test_where_nobody_decides_the_answer_is_a_decline_that_says_why() -> None:
    decision = refuse_unattended(asked(ACCEPT, DECLINE))
    assert (decision.choice, decision.decided_by) == (DECLINE, "unattended")
    assert decision.note
