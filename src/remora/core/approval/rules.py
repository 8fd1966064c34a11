"""Rules: answers that are given before anybody is asked. Each is a function of the request alone."""

from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import Final

from remora.core.approval.request import CANCELS, UNATTENDED, ApprovalRequest, Decision

ApprovalRule = Callable[[ApprovalRequest], Decision | None]
"""Answers a request, or gives `None`: the rule says nothing about it."""

_REFUSED: Final = "The user declines every request of this run. Go on without it."
_NOBODY: Final = (
    "Nobody is there to decide this request, so it was declined. "
    "Go on without it, or finish and say what a person has to approve."
)


class OnApproval(StrEnum):
    """What happens to the requests of a run, by the command line."""

    ASK = "ask"
    FAIL = "fail"
    DECLINE = "decline"
    CANCEL = "cancel"


def rules_for(way: OnApproval) -> tuple[ApprovalRule, ...]:
    """The rules that `way` means. Where somebody may be asked, or nobody, there are none."""
    match way:
        case OnApproval.DECLINE | OnApproval.CANCEL:
            return (partial(refuse, cancel=way is OnApproval.CANCEL),)
        case OnApproval.ASK | OnApproval.FAIL:
            return ()


def refuse(request: ApprovalRequest, *, cancel: bool) -> Decision:
    """Decline; with `cancel`, stop the turn where the server offers that."""
    stops = next((each for each in request.choices if each.name in CANCELS and not each.grants), None)
    return request.decision(stops if cancel and stops else request.refusal, "rule", note=_REFUSED)


def refuse_unattended(request: ApprovalRequest) -> Decision:
    """Decline because nobody decided; the note tells the agent why."""
    return request.decision(request.refusal, UNATTENDED, note=_NOBODY)
