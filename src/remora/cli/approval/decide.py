"""Who decides what the agent asks: the person at the terminal, or a rule from the command line.

Nothing here grants anything unless a person typed it in answer to the question on the screen.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from msgspec import structs
from rich.text import Text

from remora.cli.approval.approval_view import lines_of, show_choices
from remora.cli.approval.whole_request import whole_request
from remora.cli.draw.page import remote
from remora.cli.frame.dialogue import READABLE, Questioner
from remora.core.approval.request import ApprovalRequest, Choice, Decision, RequestKind
from remora.ports import ApprovalHandler
from remora.wire.reports import encode
from remora.wire.reports.approval import ApprovalRequested, requested

_WORDS: Final = re.compile(r"[A-Z]?[a-z]+")
_CANCELS: Final = ("cancel", "abort")
_RULE: Final = "The user declines every request of this run. Go on without it."
_ROOM: Final = 10
"""Lines of the screen that the frame of a request, its decisions and the prompt take."""
_READ: Final = "read"
_ANY_ANSWER: Final = "Type an answer, or a number from the list."
_EXPECTED: Final = {"boolean": "Type yes or no.", "integer": "Type a whole number.", "number": "Type a number."}
_YES: Final = ("y", "yes")
_NO: Final = ("n", "no")
_ONCE: Final = ("accept", "approved")
_LETTERED: Final = (*_ONCE, "acceptForSession", "approved_for_session", "answer")
"""Grants that a letter may choose; what is stored for good, or is not known to us, only its number chooses."""


class OnApproval(StrEnum):
    """What happens to a request for approval."""

    ASK = "ask"
    FAIL = "fail"
    DECLINE = "decline"
    CANCEL = "cancel"


def approval_handler(on_approval: OnApproval, someone: Questioner | None) -> ApprovalHandler | None:
    """The handler for a choice. `None` where nobody may be asked: the library then declines; the exit code is 11."""
    match on_approval:
        case OnApproval.ASK:
            return TerminalApprovals(someone) if someone is not None else None
        case OnApproval.FAIL:
            return None
        case OnApproval.DECLINE | OnApproval.CANCEL:
            return DeclineByRule(cancel=on_approval is OnApproval.CANCEL)


class DeclineByRule:
    """Declines because the command line said so; with `cancel`, ends the turn where the server offers that."""

    def __init__(self, *, cancel: bool) -> None:
        self._cancel = cancel

    async def decide(self, request: ApprovalRequest) -> Decision:
        """Decline or cancel."""
        cancels = [choice for choice in request.choices if choice.name in _CANCELS and not choice.grants]
        choice = cancels[0] if self._cancel and cancels else request.refusal
        return Decision(choice, "rule", note=_RULE)


class TerminalApprovals:
    """Asks the person. Only a typed choice counts: Enter alone asks again, the end of input declines.

    Cancelling :meth:`decide` withdraws the question from the screen.
    """

    def __init__(self, questioner: Questioner) -> None:
        self._questioner = questioner
        self._page = questioner.page

    async def decide(self, request: ApprovalRequest) -> Decision:
        """Ask about `request`, after the view has shown it."""
        async with self._questioner.floor.ask(topic(request)):
            self._questioner.settle()
            try:
                return await self._decision(request)
            except asyncio.CancelledError:
                self._page.line(Text("this question is withdrawn", style="yellow"))
                raise

    async def _decision(self, request: ApprovalRequest) -> Decision:
        console = self._page.console
        lines = lines_of(requested(request), console.width)
        if lines > READABLE and any(choice.grants for choice in request.choices):
            return await self._unread(request, lines)
        if lines > console.height - _ROOM:
            self._say(
                f"This request has about {lines} lines, more than fit on the screen: scroll up to read all of it."
            )
        if request.kind is RequestKind.USER_INPUT:
            given = next((choice for choice in request.choices if choice.grants), request.refusal)
            return await self._answered(request, given)
        return await self._chosen(request, await self._choice(request))

    async def _unread(self, request: ApprovalRequest, lines: int) -> Decision:
        """What is too long to have been read here can only be denied, until the person has read it elsewhere."""
        with whole_request(requested(request)) as path:
            much = f"This request has about {lines} lines, too many to be read here"
            if path is None:
                self._say(f"{much}, and no file for it can be written (TMPDIR): it can only be denied.")
            else:
                self._say(
                    f"{much}: until you have read it, it can only be denied. As long as it waits, all of it is in"
                )
                self._page.line(remote(str(path), "bold", one_line=True))
                self._say(f"Read that file in another terminal, then type {_READ} here to see every decision.")
            choice = await self._choice(request.without_grants(), after_reading=None if path is None else request)
            return await self._chosen(request, choice)

    async def _chosen(self, request: ApprovalRequest, choice: Choice) -> Decision:
        return await self._answered(request, choice) if choice.grants else Decision(choice, "person")

    def _say(self, text: str) -> None:
        self._page.line(Text(text, style="bold yellow"))

    async def _choice(self, request: ApprovalRequest, *, after_reading: ApprovalRequest | None = None) -> Choice:
        """One of the choices of `request`; of `after_reading` once the person says that it was read."""
        keys = choice_keys(request.choices)
        bodies = requested(request).choices
        show_choices(self._page, [("/".join(each), body) for each, body in zip(keys, bodies, strict=True)])
        while True:
            typed = await self._questioner.line(Text("Your decision: ", style="bold"))
            if typed is None:
                return request.refusal
            if after_reading is not None and typed.strip().lower() == _READ:
                return await self._choice(after_reading)
            chosen = chosen_by(typed, request.choices)
            if chosen is not None:
                return chosen
            self._page.line(
                Text("Type a number or a letter from above, yes or no; nothing is chosen for you.", style="yellow")
            )

    async def _answered(self, request: ApprovalRequest, choice: Choice) -> Decision:
        answers: dict[str, tuple[str, ...]] = {}
        for question in () if request.kind is RequestKind.MCP_TOOL and request.tool else request.questions:
            answer = await self._answer(question)
            if answer is None:
                return Decision(request.refusal, "person")
            if answer:
                answers[str(question["id"])] = (answer,)
        return Decision(choice, "person", answers=answers)

    async def _answer(self, question: Mapping[str, Any]) -> str | None:
        """What is typed; an empty text for a question that need not be answered. `None`: the person ended it."""
        self._page.line(remote(str(question.get("question", "")), "bold"), prefix=Text("? ", style="bold yellow"))
        labels = [str(option.get("label", "")) for option in question.get("options") or ()]
        for number, option in enumerate(question.get("options") or (), start=1):
            text = remote(labels[number - 1], one_line=True)
            if option.get("description"):
                text.append("  ").append_text(remote(str(option["description"]), "dim", one_line=True))
            self._page.line(text, prefix=Text(f"  [{number}] ", style="bold"))
        while True:
            typed = await self._questioner.line(
                Text("Your answer: ", style="bold"), echo=not question.get("isSecret", False)
            )
            if typed is None:
                return None
            answer = answer_to(question, typed.strip(), labels)
            if answer is not None:
                return answer
            self._page.line(Text(_EXPECTED.get(str(question.get("type")), _ANY_ANSWER), style="yellow"))


def topic(asked: ApprovalRequest | ApprovalRequested) -> bytes:
    """What a question is about: all that was shown, because ids begin anew when a server restarts.

    A question whose request was not shown exactly so waits, even when another one had its id.
    """
    shown = requested(asked) if isinstance(asked, ApprovalRequest) else asked
    return encode(structs.replace(shown, again=False, subagent=None))


def choice_keys(choices: Sequence[Choice]) -> list[tuple[str, ...]]:
    """What may be typed for each choice: its number, and a letter of its name that no earlier choice has."""
    taken: set[str] = {*_YES, *_NO}
    keys: list[tuple[str, ...]] = []
    for number, choice in enumerate(choices, start=1):
        words = [word.lower() for word in _WORDS.findall(choice.name)] or [choice.name.lower()]
        letter = next((word[0] for word in (words[0], words[-1]) if word[0] not in taken), None)
        if choice.grants and choice.name not in _LETTERED:
            letter = None
        taken |= {letter} if letter else set()
        keys.append((str(number), letter) if letter else (str(number),))
    return keys


def chosen_by(typed: str, choices: Sequence[Choice]) -> Choice | None:
    """The choice that was typed; `None`: nothing that counts.

    Yes is never more than this once, and no is the mildest refusal on offer.
    """
    word = typed.strip().lower()
    if word in _YES:
        return next((choice for choice in choices if choice.grants and choice.name in _ONCE), None)
    if word in _NO:
        refusals = [choice for choice in choices if not choice.grants]
        return next((choice for choice in refusals if choice.name in ("decline", "denied")), next(iter(refusals), None))
    offered = zip(choices, choice_keys(choices), strict=True)
    return next((choice for choice, accepted in offered if word in accepted), None)


def answer_to(question: Mapping[str, Any], word: str, labels: Sequence[str]) -> str | None:
    """The answer that `word` gives to a question; `None`: none that could be sent."""
    if not word:
        return "" if question.get("required") is False else None
    if labels:
        if word.isdecimal() and 1 <= int(word) <= len(labels):
            return labels[int(word) - 1]
        return word if word in labels or question.get("isOther") else None
    match question.get("type"):
        case "boolean":
            return word if word.lower() in (*_YES, *_NO, "true", "false") else None
        case "integer":
            return word if re.fullmatch(r"[+-]?\d{1,18}", word, re.ASCII) else None
        case "number":
            return word if re.fullmatch(r"[+-]?\d{1,18}(\.\d{1,18})?", word, re.ASCII) else None
    return word
