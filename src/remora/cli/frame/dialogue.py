"""Questions while connecting, asked on the terminal."""

from collections.abc import Callable
from typing import Final

from rich.text import Text

from remora.cli.draw.page import Page, remote
from remora.cli.frame.floor import Floor
from remora.cli.frame.terminal import Terminal
from remora.core.secrets import Secret
from remora.ports import HostKeyAnswer, HostKeyQuestion, SecretQuestion

READABLE: Final = 5_000
"""Lines that a terminal keeps to scroll back to, at most; nobody can have read what is longer."""
_HOST_KEY_ANSWERS: Final = {
    "no": HostKeyAnswer.REFUSE,
    "n": HostKeyAnswer.REFUSE,
    "once": HostKeyAnswer.ONCE,
    "yes": HostKeyAnswer.ONCE,
    "y": HostKeyAnswer.ONCE,
    "add": HostKeyAnswer.RECORD,
}
"""What may be typed. Yes is never more than this once; only its own word writes to the file."""


class Questioner:
    """Asks one question at a time on a terminal; whatever moves on the screen is taken away first.

    What was typed before the prompt came never answers it; what is asked stands above the prompt by then.
    """

    def __init__(self, terminal: Terminal, page: Page, floor: Floor, *, settle: Callable[[], None]) -> None:
        self.terminal = terminal
        self.page = page
        self.floor = floor
        self.settle = settle

    async def line(self, prompt: Text, *, echo: bool = True) -> str | None:
        """Ask for one line; `None` when the person ended the input. Call it while having the floor."""
        try:
            typed = await self.terminal.read_line(lambda: self.page.prompt(prompt), echo=echo)
        except BaseException:
            self.page.line()
            raise
        if typed is None or not echo:
            self.page.line()
        return typed


class TerminalDialogue:
    """A :class:`~remora.ports.Dialogue` with the person at the terminal."""

    def __init__(self, questioner: Questioner) -> None:
        self._questioner = questioner
        self._page = questioner.page

    async def accept_host_key(self, question: HostKeyQuestion) -> HostKeyAnswer:
        """Show the fingerprint and wait for one of three typed words; the end of input refuses."""
        async with self._questioner.floor.ask():
            self._questioner.settle()
            self._show_host_key(question)
            while True:
                typed = await self._questioner.line(Text("Type no, once or add: ", style="bold"))
                answer = HostKeyAnswer.REFUSE if typed is None else _HOST_KEY_ANSWERS.get(typed.strip().lower())
                if answer is not None:
                    return answer

    async def secret(self, question: SecretQuestion) -> Secret | None:
        """Ask for a passphrase, password or code; the end of input declines."""
        async with self._questioner.floor.ask():
            self._questioner.settle()
            *above, last = question.prompt.splitlines() or [""]
            for line in above:
                self._page.line(remote(line), prefix=Text(f"{question.alias}: ", style="dim"))
            prompt = Text.assemble((f"{question.alias}: ", "dim"), remote(last.rstrip(), one_line=True), " ")
            typed = await self._questioner.line(prompt, echo=question.echo)
            return None if typed is None else Secret(typed)

    def _show_host_key(self, question: HostKeyQuestion) -> None:
        self._page.line()
        self._page.line(remote(f"The key of {question.alias} is not known yet.", "bold yellow", one_line=True))
        rows = (
            ("host", f"{question.hostname} port {question.port}"),
            ("key", question.key_type),
            ("fingerprint", question.fingerprint),
            ("file", question.known_hosts_file),
        )
        for label, value in rows:
            self._page.line(remote(value, one_line=True), prefix=Text(f"  {label:<12}", style="dim"))
        self._page.line("Compare the fingerprint with the one from the administrator of the host.")
        self._page.line(
            "no: stop here. yes or once: trust it for this command. add: trust it and write it to that file."
        )
