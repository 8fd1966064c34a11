"""Who watches a command: the page they read, and whether they can be asked."""

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from remora.cli.draw.page import Page
from remora.cli.frame.dialogue import Questioner, TerminalDialogue
from remora.cli.frame.floor import Floor
from remora.cli.frame.options import Options
from remora.cli.frame.terminal import Terminal
from remora.ports import Dialogue

_FRAME_SECONDS: Final = 1 / 12


class Drawn(Protocol):
    """A view with a moving part."""

    def redraw(self) -> None: ...
    def settle(self) -> None: ...


def activity_page() -> Page:
    """Standard error: where everything goes that is for people."""
    return Page(sys.stderr, os.environ)


@contextmanager
def questioner(
    options: Options, page: Page, floor: Floor, *, settle: Callable[[], None]
) -> Iterator[Questioner | None]:
    """The person at the terminal; `None` when standard input or error is no terminal, or ``--no-input`` was given."""
    if not (options.may_ask and page.terminal):
        yield None
        return
    with Terminal.of_standard_input() as terminal:
        yield Questioner(terminal, page, floor, settle=settle)


def dialogue_of(someone: Questioner | None) -> Dialogue | None:
    """How questions while connecting are asked; `None`: the library refuses them and says what they were."""
    return None if someone is None else TerminalDialogue(someone)


@contextmanager
def drawing(view: Drawn, floor: Floor) -> Iterator[None]:
    """Keep the moving part of `view` up to date, except while a question is on the screen."""
    task = asyncio.get_running_loop().create_task(_draw(view, floor))
    try:
        yield
    finally:
        task.cancel()
        view.settle()


async def _draw(view: Drawn, floor: Floor) -> None:
    while True:
        if not floor.taken:
            view.redraw()
        await asyncio.sleep(_FRAME_SECONDS)
