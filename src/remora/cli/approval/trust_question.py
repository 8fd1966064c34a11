"""Whether a repository is trusted: what it brings, and a question to the person at the terminal."""

from typing import Final

from rich.cells import cell_len
from rich.text import Text

from remora.cli.draw.page import remote
from remora.cli.frame.dialogue import READABLE, Questioner
from remora.core.text import escape_breaks
from remora.core.trust.repository import Brought
from remora.ports import TrustQuestion

_ANSWERS: Final = {"": False, "n": False, "no": False, "yes": True}
_LABEL: Final = 12
_ROOM: Final = 12
"""Lines of the screen that the head, the hash, the explanation and the prompt take."""
_MEANING: Final = (
    "yes: use it in the threads that remora starts there, until it changes.",
    "Its programs run as your account, outside of any sandbox.",
    "no: work without it.",
    "The hash covers .codex and the files that it names (program), but not what those load or fetch: read them first.",
    "Neither answer changes the sandbox or the approvals, and remora writes nothing on the host.",
)
_KINDS: Final = {
    "mcp-server": "MCP server",
    "hook": "hook",
    "rule": "rules",
    "program": "program",
    "environment": "environment",
    "safety": "no effect",
    "setting": "setting",
    "file": "file",
    "skill": "skill",
}


class TerminalTrust:
    """A :class:`~remora.ports.TrustHandler` with the person at the terminal. Only a typed ``yes`` counts as one."""

    def __init__(self, questioner: Questioner) -> None:
        self._questioner = questioner
        self._page = questioner.page

    async def trust_repository(self, question: TrustQuestion) -> bool | None:
        """Show what the repository brings and ask; Enter and the end of input are a no.

        What is too long to have been read is not asked about: nobody says anything then.
        """
        async with self._questioner.floor.ask():
            self._questioner.settle()
            shown = _lines_of(question, self._page.console.width)
            self._show_head(question)
            if shown > READABLE:
                text = f"about {shown} lines, too many to read here, so it is not used in this thread."
                self._page.line(Text(text, style="bold yellow"))
                return None
            self._show(question)
            if shown > self._page.console.height - _ROOM:
                text = f"This is about {shown} lines, more than fit on the screen: scroll up to read all of it."
                self._page.line(Text(text, style="bold yellow"))
            while True:
                typed = await self._questioner.line(Text("Use it? yes or no [no]: ", style="bold"))
                answer = False if typed is None else _ANSWERS.get(typed.strip().lower())
                if answer is not None:
                    return answer

    def _show_head(self, question: TrustQuestion) -> None:
        changed = " now, other than before" if question.changed else ""
        head = f"The repository in {question.repository.top} on {question.alias} brings{changed}:"
        self._page.line()
        self._page.line(remote(head, "bold yellow", one_line=True))

    def _show(self, question: TrustQuestion) -> None:
        for each in question.repository.brings:  # all of it: what is left out would be agreed to unseen
            self._page.line(remote(_words(each)), prefix=Text(f"  {_KINDS[each.kind]:<{_LABEL}}", style="dim"))
        self._page.line(remote(question.digest, one_line=True), prefix=Text(f"  {'hash':<{_LABEL}}", style="dim"))
        for sentence in _MEANING:
            self._page.line(sentence)


def _words(each: Brought) -> str:
    name = escape_breaks(each.name, limit=None)
    return f"{name}: {each.detail}" if each.detail else name


def _lines_of(question: TrustQuestion, width: int) -> int:
    """About how many lines of a terminal the question takes."""
    room = max(1, width - _LABEL - 2)
    lines = (line for each in question.repository.brings for line in remote(_words(each)).plain.split("\n"))
    return sum(1 + cell_len(line.expandtabs()) // room for line in lines)
