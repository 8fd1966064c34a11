"""Who answers a request: rules in their order, then people at the same time, then a refusal."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import pytest
from tests.support.base.loop import run

from remora.core.approval.request import ApprovalRequest, Decision
from remora.core.approval.rules import ApprovalRule
from remora.flows.approval.chain import ApprovalChain, ApprovalOutcome
from remora.ports import ApprovalHandler
from remora.wire import approval

METHOD = "item/commandExecution/requestApproval"


def asked(command: str = "git push") -> ApprovalRequest:
    offers = ["accept", "acceptForSession", "decline"]
    request = approval.read_request(1, METHOD, {"threadId": "t", "command": command, "availableDecisions": offers})
    assert request is not None
    return request


def answer(request: ApprovalRequest, name: str, by: str = "person") -> Decision:
    choice = next(each for each in request.choices if each.name == name)
    return request.decision(choice, "rule" if by == "rule" else "person")


class Source:
    """Gives its answer when `after` is set; remembers whether it was asked and whether it was cancelled."""

    def __init__(self, given: Decision | None = None, *, after: asyncio.Event | None = None) -> None:
        self._given = given
        self._after = after
        self.begun = asyncio.Event()
        self.withdrawn = False

    @property
    def asked(self) -> bool:
        return self.begun.is_set()

    async def decide(self, request: ApprovalRequest) -> Decision | None:
        self.begun.set()
        try:
            if self._after is not None:
                await self._after.wait()
        except asyncio.CancelledError:
            self.withdrawn = True
            raise
        return self._given


async def decided(
    request: ApprovalRequest, *, rules: Sequence[ApprovalRule] = (), people: Sequence[ApprovalHandler] = ()
) -> ApprovalOutcome:
    return await ApprovalChain(rules=rules, people=people).decide(request, partial(approval.answer, METHOD))


def asked_in_vain(request: ApprovalRequest) -> Decision | None:
    pytest.fail("an earlier rule has answered")


def test_the_first_rule_that_answers_wins_and_nobody_is_asked() -> None:
    request, person = asked(), Source()
    rules: list[ApprovalRule] = [lambda _: None, lambda each: answer(each, "decline", "rule"), asked_in_vain]
    outcome = run(decided(request, rules=rules, people=[person]))
    assert (outcome.decision.choice.name, outcome.decision.decided_by) == ("decline", "rule")
    assert not outcome.problems
    assert not person.asked


def test_what_no_rule_answers_people_do() -> None:
    request = asked()
    outcome = run(decided(request, rules=[lambda _: None], people=[Source(answer(request, "accept"))]))
    assert (outcome.decision.choice.name, outcome.decision.decided_by) == ("accept", "person")


async def test_people_are_asked_at_once_the_first_answer_wins_and_the_others_are_told() -> None:
    request = asked()
    slow = Source(answer(request, "decline"), after=asyncio.Event())
    not_mine = Source(None)
    outcome = await decided(request, people=[slow, not_mine, Source(answer(request, "accept"))])
    assert outcome.decision.choice.name == "accept"
    assert slow.withdrawn
    assert not_mine.asked


@pytest.mark.parametrize("people", [[], [Source(None)], [Source(None), Source(None)]])
def test_what_nobody_answers_is_refused_with_a_reason(people: list[Source]) -> None:
    outcome = run(decided(asked(), people=people))
    assert (outcome.decision.choice.name, outcome.decision.decided_by) == ("decline", "unattended")
    assert outcome.decision.note
    assert not outcome.problems


def test_a_decision_for_another_digest_is_refused_and_told_and_a_valid_one_still_counts() -> None:
    request = asked("rm -rf build")
    stale = answer(asked("ls"), "accept")
    refused = run(decided(request, people=[Source(stale)]))
    assert (refused.decision.choice.name, refused.decision.decided_by) == ("decline", "unattended")
    assert "another digest" in refused.problems[0]
    answered = run(decided(request, people=[Source(stale), Source(answer(request, "accept"))]))
    assert answered.decision.choice.name == "accept"
    assert "another digest" in answered.problems[0]


def test_a_choice_that_was_not_offered_is_refused_and_told() -> None:
    request = asked()
    invented = request.decision(replace(request.choices[0], value={"accept": "all"}), "person")
    outcome = run(decided(request, people=[Source(invented)]))
    assert not outcome.decision.choice.grants
    assert "not among the decisions offered" in outcome.problems[0]


def broken(request: ApprovalRequest) -> Decision | None:
    raise LookupError("a bug")


@pytest.mark.parametrize("rule", [broken, lambda _: answer(asked("ls"), "accept", "rule")])
def test_a_rule_that_fails_may_have_meant_a_no_and_people_are_not_asked_instead(rule: ApprovalRule) -> None:
    request = asked()
    person = Source(answer(request, "accept"))
    outcome = run(decided(request, rules=[rule], people=[person]))
    assert not outcome.decision.choice.grants
    assert outcome.problems
    assert not person.asked


def test_other_people_are_asked_under_the_same_rules() -> None:
    chain = ApprovalChain(rules=[lambda each: answer(each, "decline", "rule")])
    person = Source()
    outcome = run(chain.with_people(person).decide(asked(), partial(approval.answer, METHOD)))
    assert outcome.decision.decided_by == "rule"
    assert not person.asked


async def test_when_the_question_is_withdrawn_everybody_is_told() -> None:
    people = [Source(after=asyncio.Event()), Source(after=asyncio.Event())]
    deciding = asyncio.create_task(decided(asked(), people=people))
    await asyncio.gather(*(each.begun.wait() for each in people))
    deciding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await deciding
    assert all(each.withdrawn for each in people)
