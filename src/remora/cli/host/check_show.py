"""Showing a check while it goes on."""

import os
import sys
from collections.abc import AsyncGenerator, Sequence

from remora import api
from remora.cli.draw.page import Page
from remora.cli.frame.options import Options
from remora.cli.frame.progress import Unseen, show_progress
from remora.cli.host.check_view import CheckView
from remora.ports import Dialogue
from remora.wire.reports.check import CheckProgress


async def check_and_show(aliases: Sequence[str], options: Options, *, codex: str | None = None) -> int:
    """Check `aliases`, show what comes, and return the exit code."""

    def begin(dialogue: Dialogue | None) -> AsyncGenerator[CheckProgress, None]:
        return api.check(
            aliases, codex=codex, dialogue=dialogue, ssh_config=options.ssh_config, settings=options.settings
        )

    page = Page(sys.stdout, os.environ)
    view = Unseen() if options.json else CheckView(page, aliases, verbosity=options.verbosity)
    return await show_progress(begin, view, options)
