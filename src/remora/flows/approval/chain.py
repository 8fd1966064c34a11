"""Who answers a request: rules, then people, then a refusal. Nothing here ever says yes by itself.

A source of answers is a rule (:data:`~remora.core.approval.rules.ApprovalRule`) or a person
(:class:`~remora.ports.ApprovalHandler`). Each answers a request, or says with `None` that it leaves the request to
others. Rules answer in their order. People are asked at the same time; the first valid answer wins, and the others are
cancelled.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from remora.core.approval.request import ApprovalRequest, Decision
from remora.core.approval.rules import ApprovalRule, refuse_unattended
from remora.flows.kit.timeout import dismiss
from remora.ports import ApprovalHandler

Check = Callable[[ApprovalRequest, Decision], Any]
"""Raises where a decision cannot be sent as the answer to the request."""
_INVALID: Final = (ValueError, TypeError, AttributeError)
"""What a check raises: a handler of a program without types may give anything."""


@dataclass(frozen=True, slots=True)
class ApprovalOutcome:
    """The decision, and what went wrong with other answers: each a sentence."""

    decision: Decision
    problems: tuple[str, ...] = ()


class ApprovalChain:
    """Rules, people, refusal. Without sources every request is refused."""

    def __init__(self, *, rules: Sequence[ApprovalRule] = (), people: Sequence[ApprovalHandler] = ()) -> None:
        self._rules = tuple(rules)
        self._people = tuple(people)

    def with_people(self, *people: ApprovalHandler) -> "ApprovalChain":
        """The same rules, and `people` in the place of those asked so far."""
        return ApprovalChain(rules=self._rules, people=people)

    async def decide(self, request: ApprovalRequest, check: Check) -> ApprovalOutcome:
        """The first answer to `request` that `check` takes, else a refusal; an answer that it does not take is told."""
        answers = _Answers(request, check)
        decision = answers.by_rule(self._rules) or await answers.by_people(self._people)
        return ApprovalOutcome(decision or refuse_unattended(request), tuple(answers.problems))


class _Answers:
    """The answers to one request, valid or not."""

    def __init__(self, request: ApprovalRequest, check: Check) -> None:
        self._request = request
        self._check = check
        self.problems: list[str] = []

    def by_rule(self, rules: Sequence[ApprovalRule]) -> Decision | None:
        """The first answer of a rule. A rule that fails may have meant a no: then nobody is asked any more."""
        for rule in rules:
            try:
                decision = rule(self._request)
            except Exception as error:  # noqa: BLE001 - a rule is anybody's code
                self.problems.append(f"An approval rule failed ({type(error).__name__}); the request is declined.")
                return refuse_unattended(self._request)
            if decision is not None:
                return self._valid(decision) or refuse_unattended(self._request)
        return None

    async def by_people(self, people: Sequence[ApprovalHandler]) -> Decision | None:
        asked = [asyncio.create_task(_ask(each, self._request)) for each in people]
        waiting = set(asked)
        try:
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in (each for each in asked if each in done):
                    decision = self._given(task)
                    if decision is not None:
                        return decision
        finally:
            await dismiss(*asked)
        return None

    def _given(self, task: "asyncio.Task[Decision | None]") -> Decision | None:
        if task.cancelled():
            self.problems.append("The approval prompt was cancelled; it gave no answer.")
            return None
        failure = task.exception()
        if failure is not None:
            self.problems.append(f"The approval prompt failed ({type(failure).__name__}); it gave no answer.")
            return None
        return self._valid(task.result())

    def _valid(self, decision: Decision | None) -> Decision | None:
        if decision is None:
            return None
        try:
            self._check(self._request, decision)
        except _INVALID as error:
            self.problems.append(f"An answer to an approval request was not used: {error}.")
            return None
        return decision


async def _ask(person: ApprovalHandler, request: ApprovalRequest) -> Decision | None:
    return await person.decide(request)
