"""Whether a repository is trusted: what it brings, and a question to the person at the terminal."""

from typing import Final

from rich.text import Text

from remora.cli.dialogue import Questioner
from remora.cli.render.page import remote
from remora.core.text import escape_breaks
from remora.core.trust.repository import Brought
from remora.ports import TrustQuestion

_ANSWERS: Final = {"": False, "n": False, "no": False, "yes": True}
_KINDS: Final = {
    "mcp-server": "MCP server",
    "hook": "hook",
    "rule": "rules",
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
        """Show what the repository brings and ask; Enter and the end of input are a no."""
        async with self._questioner.floor.ask():
            self._questioner.settle()
            self._show(question)
            while True:
                typed = await self._questioner.line(Text("Use it? yes or no [no]: ", style="bold"))
                answer = False if typed is None else _ANSWERS.get(typed.strip().lower())
                if answer is not None:
                    return answer

    def _show(self, question: TrustQuestion) -> None:
        changed = " now, other than before" if question.changed else ""
        head = f"The repository in {question.repository.top} on {question.alias} brings{changed}:"
        self._page.line()
        self._page.line(remote(head, "bold yellow", one_line=True))
        for each in question.repository.brings:  # all of it: what is left out would be agreed to unseen
            self._page.line(remote(_words(each)), prefix=Text(f"  {_KINDS[each.kind]:<12}", style="dim"))
        self._page.line(remote(question.digest, one_line=True), prefix=Text(f"  {'hash':<12}", style="dim"))
        self._page.line(
            "yes: use it in the threads that remora starts there, until it changes; its programs run as your account, "
            "outside of any sandbox. no: work without it. Sandbox and approvals stay as you set them either way, and "
            "nothing is written on the host."
        )


def _words(each: Brought) -> str:
    name = escape_breaks(each.name, limit=None)
    return f"{name}: {each.detail}" if each.detail else name
