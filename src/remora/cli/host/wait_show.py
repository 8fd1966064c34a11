"""Showing hosts that are waited for."""

import os
import sys
from collections.abc import AsyncGenerator, Sequence

from remora import api
from remora.cli.draw.page import Page
from remora.cli.frame.audience import activity_page
from remora.cli.frame.options import Options
from remora.cli.frame.progress import show_progress
from remora.cli.host.wait_view import AwaitView
from remora.core.readiness.awaited import Awaited
from remora.ports import Dialogue
from remora.wire.reports.wait import WaitProgress


async def wait_and_show(
    aliases: Sequence[str], awaited: Sequence[Awaited], options: Options, *, seconds: float | None
) -> int:
    """Wait for `aliases`, show what they are meanwhile, and return the exit code."""

    def begin(dialogue: Dialogue | None) -> AsyncGenerator[WaitProgress, None]:
        return api.wait_for_hosts(
            aliases,
            awaited,
            seconds=seconds,
            dialogue=dialogue,
            ssh_config=options.ssh_config,
            settings=options.settings,
        )

    results = Page(sys.stdout, os.environ)
    view = AwaitView(results, activity_page(), aliases, awaited, json=options.json, verbosity=options.verbosity)
    return await show_progress(begin, view, options)
