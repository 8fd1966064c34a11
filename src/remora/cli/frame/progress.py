"""Work that tells of itself while it goes on, before a person or a script."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Protocol, TypeVar

from remora.cli.frame.audience import activity_page, dialogue_of, drawing, questioner
from remora.cli.frame.floor import Floor
from remora.cli.frame.options import Options
from remora.cli.frame.output import write_document
from remora.ports import Dialogue
from remora.wire.reports import Report

T_contra = TypeVar("T_contra", contravariant=True)
T = TypeVar("T")


class ProgressView(Protocol[T_contra]):
    """Shows what comes, and has a moving part."""

    def show(self, step: T_contra, /) -> None: ...
    def redraw(self) -> None: ...
    def settle(self) -> None: ...


class Unseen:
    """Shows nothing."""

    def show(self, step: object, /) -> None:
        """See :class:`ProgressView`."""

    def redraw(self) -> None:
        """See :class:`ProgressView`."""

    def settle(self) -> None:
        """See :class:`ProgressView`."""


async def show_progress(
    begin: Callable[[Dialogue | None], AsyncGenerator[T, None]], view: ProgressView[T], options: Options
) -> int:
    """Let `view` show what comes of the work, and return the exit code of the report, which with ``--json`` is written.

    The work gets whoever can be asked; nothing is shown while a question is on the screen.
    """
    floor = Floor()
    exit_code = 0
    with questioner(options, activity_page(), floor, settle=view.settle) as someone, drawing(view, floor):
        async with aclosing(begin(dialogue_of(someone))) as progress:
            async for step in progress:
                await floor.free()
                if isinstance(step, Report):
                    exit_code = step.exit_code
                    if options.json:
                        write_document(step)
                view.show(step)
    return exit_code
