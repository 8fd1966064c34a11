"""Who watches a command: the page they read, and whether they can be asked."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from remora.cli.dialogue import Questioner, TerminalDialogue, UnattendedDialogue
from remora.cli.floor import Floor
from remora.cli.options import Options
from remora.cli.render.page import Page
from remora.cli.terminal import Terminal
from remora.ports import Dialogue


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


def dialogue_of(someone: Questioner | None) -> Dialogue:
    """How questions while connecting are asked."""
    return UnattendedDialogue() if someone is None else TerminalDialogue(someone)
