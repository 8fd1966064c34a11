"""Showing how hosts are provisioned while it goes on."""

import asyncio
import os
import shlex
import sys
from typing import TYPE_CHECKING, Final

from remora import api
from remora.cli.devbox.provision_view import ProvisionView
from remora.cli.draw.page import Page
from remora.cli.frame.options import Options
from remora.cli.frame.output import tell, write_document
from remora.cli.frame.progress import Unseen, show_progress
from remora.core.errors import ExitCode
from remora.core.text import neutralise
from remora.wire.reports.provision import EmittedReport

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from remora.ports import Dialogue
    from remora.wire.manifest.host_spec import HostSpec
    from remora.wire.reports.provision import ProvisionProgress

_USES: Final = {
    "ansible": "run it with: ansible-playbook -i {0}/inventory.yml {0}/playbook.yml",
    "cloud-init": "for each machine give {0}/ALIAS/user-data to the cloud that makes it.",
}
"""What is done with what was written."""


async def provision_and_show(
    specs: "Sequence[HostSpec]", options: Options, *, dry_run: bool, jobs: int | None, fail_fast: bool
) -> int:
    """Provision hosts, show what comes, and return the exit code."""
    page, aliases = Page(sys.stdout, os.environ), [spec.alias for spec in specs]
    view = None if options.json else ProvisionView(page, aliases, verbosity=options.verbosity, plans=dry_run)

    def begin(dialogue: "Dialogue | None") -> "AsyncGenerator[ProvisionProgress, None]":
        return api.provision(
            specs,
            dry_run=dry_run,
            jobs=jobs,
            fail_fast=fail_fast,
            dialogue=dialogue,
            tell=None if view is None else view.fetching,
            ssh_config=options.ssh_config,
            settings=options.settings,
        )

    try:
        return await show_progress(begin, view or Unseen(), options)
    except asyncio.CancelledError:
        if view is not None:
            view.broken_off()
        raise


async def emit_and_show(
    specs: "Sequence[HostSpec]",
    options: Options,
    *,
    engine: str,
    folder: str,
    manifest: str,
    platforms: "Sequence[str]",
    user: str | None,
    codex_url: str | None,
    program_url: str | None,
) -> int:
    """Write what another engine carries out, and say which files there are and what is to be known of them."""
    files, notices = await api.emit_provisioning(
        specs,
        engine,
        folder,
        manifest=manifest,
        platforms=platforms,
        user=user,
        codex_url=codex_url,
        program_url=program_url,
        ssh_config=options.ssh_config,
        settings=options.settings,
    )
    if options.json:
        write_document(EmittedReport(folder=folder, engine=engine, files=list(files), notices=list(notices)))
        return ExitCode.DONE
    write = sys.stdout.write
    if options.verbosity >= 0:
        listed = [name for name in files if "/files/" not in f"/{name}" or options.verbosity > 0]
        write("".join(f"{folder}/{neutralise(name, one_line=True)}\n" for name in listed))
        tell(f"remora: {neutralise(_USES[engine].format(shlex.quote(folder)), one_line=True)}")
    for notice in notices:
        sys.stderr.write(f"remora: {neutralise(notice, one_line=True)}\n")
    return ExitCode.DONE
