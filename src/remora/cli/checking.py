"""Showing a check while it goes on."""

import os
import sys
from collections.abc import Sequence
from contextlib import aclosing

from remora import api
from remora.cli.audience import activity_page, dialogue_of, drawing, questioner
from remora.cli.floor import Floor
from remora.cli.options import Options
from remora.cli.output import write_document
from remora.cli.render.check import CheckView
from remora.cli.render.page import Page
from remora.wire.reports.check import CheckReport


async def check_and_show(aliases: Sequence[str], options: Options, *, codex: str | None = None) -> int:
    """Check `aliases`, show what comes, and return the exit code."""
    floor = Floor()
    view = CheckView(Page(sys.stdout, os.environ), [] if options.json else aliases, verbosity=options.verbosity)
    exit_code = 0
    with questioner(options, activity_page(), floor, settle=view.settle) as someone, drawing(view, floor):
        steps = api.check(
            aliases,
            codex=codex,
            dialogue=dialogue_of(someone),
            ssh_config=options.ssh_config,
            settings=options.settings,
        )
        async with aclosing(steps) as progress:
            async for step in progress:
                await floor.free()
                if isinstance(step, CheckReport):
                    exit_code = step.exit_code
                    if options.json:
                        write_document(step)
                if not options.json:
                    view.show(step)
    return exit_code
