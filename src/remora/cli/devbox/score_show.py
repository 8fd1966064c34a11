"""A scorecard, measured and shown."""

import os
import sys
from collections.abc import Mapping

from rich.text import Text

from remora import api
from remora.cli.devbox.score_view import ScoreView
from remora.cli.draw.failure import show_failure
from remora.cli.draw.page import Page, remote
from remora.cli.frame.audience import activity_page, dialogue_of, questioner
from remora.cli.frame.floor import Floor
from remora.cli.frame.options import Options
from remora.cli.frame.output import write_document


async def score_and_show(
    alias: str,
    folder: str,
    options: Options,
    *,
    commands: Mapping[str, str | None],
    run: bool,
    limit: float | None,
    minimum: float | None,
    codex: str | None,
) -> int:
    """Measure, show what came of it, and return the exit code."""
    page = activity_page()
    shown = options.verbosity > 0 or (page.terminal and not options.json and options.verbosity >= 0)

    def tell(line: str) -> None:
        if shown:
            page.line(remote(line, "dim"), prefix=Text("… ", style="dim"))

    with questioner(options, page, Floor(), settle=lambda: None) as someone:
        report = await api.score(
            alias,
            folder,
            **commands,
            run=run,
            limit=limit,
            minimum=minimum,
            codex=codex,
            tell=tell,
            dialogue=dialogue_of(someone),
            ssh_config=options.ssh_config,
            settings=options.settings,
        )
    if options.json:
        write_document(report)
        return report.exit_code
    ScoreView(Page(sys.stdout, os.environ), verbosity=options.verbosity).show(report)
    if report.error is not None:
        show_failure(page, report.error)
    return report.exit_code
