"""Show how a run would come to an app server, without starting anything."""

import os
import sys

from remora import api
from remora.cli.draw.page import Page
from remora.cli.frame.audience import activity_page, dialogue_of, questioner
from remora.cli.frame.floor import Floor
from remora.cli.frame.options import Options
from remora.cli.frame.output import write_document
from remora.cli.link.plan_view import show_plan
from remora.core.host.hosts import Address


async def plan_and_show(address: Address, options: Options, *, codex: str | None = None) -> int:
    """Show how a run would come to an app server."""
    page, floor = activity_page(), Floor()
    with questioner(options, page, floor, settle=page.clear) as someone:
        report = await api.plan(
            address.alias,
            folder=address.folder,
            codex=codex,
            dialogue=dialogue_of(someone),
            ssh_config=options.ssh_config,
            settings=options.settings,
        )
    if options.json:
        write_document(report)
    else:
        show_plan(Page(sys.stdout, os.environ), report)
    return 0
