"""A person at a terminal that is none."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.screen.pseudo_terminal import PseudoTerminal

from remora.cli.draw.page import Page
from remora.cli.frame.dialogue import Questioner
from remora.cli.frame.floor import Floor
from remora.cli.frame.terminal import Terminal

ENVIRONMENT = {"TERM": "xterm-256color", "LANG": "C.UTF-8"}


class Person:
    """A person at a pseudo-terminal, and the questioner that asks them."""

    def __init__(self, screen: PseudoTerminal, terminal: Terminal) -> None:
        self.screen = screen
        self.floor = Floor()
        page = Page(screen.out, ENVIRONMENT, width=80)
        self.questioner = Questioner(terminal, page, self.floor, settle=lambda: None)

    async def answer(self, text: str, *, at: str) -> None:
        """Type `text` when the prompt `at` waits, after everything asked before."""
        await self.screen.shows(at)
        self.screen.type(text)


@asynccontextmanager
async def person() -> AsyncIterator[Person]:
    with PseudoTerminal() as screen, Terminal(screen.path) as terminal:
        yield Person(screen, terminal)
