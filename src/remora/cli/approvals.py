"""Who decides what the agent asks: the person at the terminal, or a rule from the command line.

Nothing here grants anything unless a person typed it in answer to the question on the screen.
"""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from rich.text import Text

from remora.cli.dialogue import Questioner
from remora.cli.render.approval import lines_of, show_choices
from remora.cli.render.page import remote
from remora.core.approvals import ApprovalRequest, Choice, Decision, RequestKind
from remora.ports import ApprovalHandler
from remora.wire.reports.run import ApprovalRequested

_WORDS: Final = re.compile(r"[A-Z]?[a-z]+")
_CANCELS: Final = ("cancel", "abort")
_RULE: Final = "The user declines every request of this run. Go on without it."


_BEYOND: Final = {
    "kind": "kind",
    "environmentId": "runs in",
    "serverName": "asked by",
    "networkApprovalContext": "network",
    "permissions": "permits",
    "additionalPermissions": "permits",
}
"""Members of a request that change what a yes means, and how they are called here."""
_NOTHING_SPECIAL: Final = (("kind", "command"), ("environmentId", "local"))
"""What is so unless said otherwise; codex calls the host that it runs on local, which is not what is local here."""
_ROOM: Final = 10
"""Lines of the screen that the frame of a request, its decisions and the prompt take."""


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
                self._show_beyond(request)
                return await self._decision(request)
            except asyncio.CancelledError:
                self._page.line(Text("this question is withdrawn", style="yellow"))
                raise

    def _show_beyond(self, request: ApprovalRequest) -> None:
        """What a yes would mean beyond what the events carry, and that there is more than the screen shows."""
        for name, label in _BEYOND.items():
            value = request.detail.get(name)
            if value and (name, value) not in _NOTHING_SPECIAL:
                self._page.line(remote(json.dumps(value, indent=2, ensure_ascii=True)), prefix=f"  {label:<8} ")
        console = self._page.console
        if (lines := lines_of(request, console.width)) > console.height - _ROOM:
            text = f"This request has about {lines} lines, more than fit on the screen: scroll up to read all of it."
            self._page.line(Text(text, style="bold yellow"))

    async def _decision(self, request: ApprovalRequest) -> Decision:
        if request.kind is RequestKind.USER_INPUT:
            given = next((choice for choice in request.choices if choice.grants), request.refusal)
            return await self._answered(request, given)
        choice = await self._choice(request)
        return await self._answered(request, choice) if choice.grants else Decision(choice, "person")

    async def _choice(self, request: ApprovalRequest) -> Choice:
        keys = choice_keys(request.choices)
        offered = list(zip(request.choices, keys, strict=True))
        rows = [("/".join(accepted), choice.label, choice.grants) for choice, accepted in offered]
        show_choices(self._page, rows)
        while True:
            typed = await self._questioner.line(Text("Your decision: ", style="bold"))
            if typed is None:
                return request.refusal
            word = typed.strip().lower()
            chosen = next((choice for choice, accepted in offered if word in accepted), None)
            if chosen is not None:
                return chosen
            self._page.line(Text("Type one of the keys above; nothing is chosen for you.", style="yellow"))

    async def _answered(self, request: ApprovalRequest, choice: Choice) -> Decision:
        answers: dict[str, tuple[str, ...]] = {}
        for question in request.questions:
            answer = await self._answer(question)
            if answer is None:
                return Decision(request.refusal, "person")
            answers[str(question["id"])] = (answer,)
        return Decision(choice, "person", answers=answers)

    async def _answer(self, question: Mapping[str, Any]) -> str | None:
        self._page.line(remote(str(question.get("question", "")), "bold"), prefix=Text("? ", style="bold yellow"))
        labels = [str(option.get("label", "")) for option in question.get("options") or ()]
        for number, option in enumerate(question.get("options") or (), start=1):
            text = remote(labels[number - 1], one_line=True)
            if option.get("description"):
                text.append("  ").append_text(remote(str(option["description"]), "dim", one_line=True))
            self._page.line(text, prefix=Text(f"  [{number}] ", style="bold"))
        free = not labels or bool(question.get("isOther"))
        while True:
            typed = await self._questioner.line(
                Text("Your answer: ", style="bold"), echo=not question.get("isSecret", False)
            )
            if typed is None:
                return None
            word = typed.strip()
            if word.isdecimal() and 1 <= int(word) <= len(labels):
                return labels[int(word) - 1]
            if word and (free or word in labels):
                return word
            self._page.line(Text("Type an answer, or a number from the list.", style="yellow"))


def topic(asked: ApprovalRequest | ApprovalRequested) -> tuple[object, ...]:
    """What a question is about: all that was shown, because ids begin anew when a server restarts.

    A question whose request was not shown exactly so waits, even when another one had its id.
    """
    kind = asked.kind.value if isinstance(asked, ApprovalRequest) else asked.request
    choices = tuple((choice.name, choice.label, choice.grants) for choice in asked.choices)
    return (asked.request_id, kind, asked.item_id, asked.command, asked.folder, asked.diff, asked.reason, choices)


def choice_keys(choices: Sequence[Choice]) -> list[tuple[str, ...]]:
    """What may be typed for each choice: its number, and a letter of its name that no earlier choice has."""
    taken: set[str] = set()
    keys: list[tuple[str, ...]] = []
    for number, choice in enumerate(choices, start=1):
        words = [word.lower() for word in _WORDS.findall(choice.name)] or [choice.name.lower()]
        letter = next((word[0] for word in (words[0], words[-1]) if word[0] not in taken), None)
        taken |= {letter} if letter else set()
        keys.append((str(number), letter) if letter else (str(number),))
    return keys
