"""Showing hosts that are waited for."""

import os
import sys
from collections.abc import Sequence
from contextlib import aclosing

from remora import api
from remora.cli.audience import activity_page, dialogue_of, drawing, questioner
from remora.cli.floor import Floor
from remora.cli.options import Options
from remora.cli.output import write_document
from remora.cli.render.page import Page
from remora.cli.render.wait import AwaitView
from remora.core.awaited import Awaited
from remora.wire.reports.wait import WaitReport


async def wait_and_show(
    aliases: Sequence[str], awaited: Sequence[Awaited], options: Options, *, seconds: float | None
) -> int:
    """Wait for `aliases`, show what they are meanwhile, and return the exit code."""
    floor = Floor()
    results = Page(sys.stdout, os.environ)
    view = AwaitView(results, activity_page(), aliases, awaited, json=options.json, verbosity=options.verbosity)
    exit_code = 0
    with questioner(options, activity_page(), floor, settle=view.settle) as someone, drawing(view, floor):
        waiting = api.wait_for_hosts(
            aliases,
            awaited,
            seconds=seconds,
            dialogue=dialogue_of(someone),
            ssh_config=options.ssh_config,
            settings=options.settings,
        )
        async with aclosing(waiting) as progress:
            async for step in progress:
                await floor.free()
                if isinstance(step, WaitReport):
                    exit_code = step.exit_code
                    if options.json:
                        write_document(step)
                else:
                    view.show(step)
    return exit_code
