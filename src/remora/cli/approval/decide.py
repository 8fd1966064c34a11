"""The person at the terminal decides what the agent asks.

Nothing here grants anything unless a person typed it in answer to the question on the screen.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from rich.text import Text

from remora.cli.approval.approval_view import lines_of, show_choices
from remora.cli.approval.whole_request import whole_request
from remora.cli.draw.page import remote
from remora.cli.frame.dialogue import READABLE, Questioner
from remora.core.approval.request import ApprovalRequest, Choice, Decision, RequestKind
from remora.core.approval.typed import answer_to, choice_keys, chosen_by
from remora.wire.reports.approval import choice_bodies, requested

_ROOM: Final = 10
"""Lines of the screen that the frame of a request, its decisions and the prompt take."""
_READ: Final = "read"
_ANY_ANSWER: Final = "Type an answer, or a number from the list."
_EXPECTED: Final = {"boolean": "Type yes or no.", "integer": "Type a whole number.", "number": "Type a number."}


class TerminalApprovals:
    """Asks the person. Only a typed choice counts: Enter alone asks again, the end of input declines.

    Cancelling :meth:`decide` withdraws the question from the screen.
    """

    def __init__(self, questioner: Questioner) -> None:
        self._questioner = questioner
        self._page = questioner.page

    async def decide(self, request: ApprovalRequest) -> Decision:
        """Ask about `request`, after the view has shown it."""
        async with self._questioner.floor.ask((request.id, request.digest)):
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
        return await self._answered(request, choice) if choice.grants else request.decision(choice, "person")

    def _say(self, text: str) -> None:
        self._page.line(Text(text, style="bold yellow"))

    async def _choice(self, request: ApprovalRequest, *, after_reading: ApprovalRequest | None = None) -> Choice:
        """One of the choices of `request`; of `after_reading` once the person says that it was read."""
        keys = choice_keys(request.choices)
        bodies = choice_bodies(request.choices)
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
                return request.decision(request.refusal, "person")
            if answer:
                answers[str(question["id"])] = (answer,)
        return request.decision(choice, "person", answers=answers)

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
