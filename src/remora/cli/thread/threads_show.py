"""Stopping a thread, and showing what became of it."""

import os
import sys

from remora import api
from remora.cli.draw.failure import show_advice
from remora.cli.draw.page import Page, remote
from remora.cli.frame.audience import activity_page, dialogue_of, drawing, questioner
from remora.cli.frame.floor import Floor
from remora.cli.frame.options import Options
from remora.cli.frame.output import write_document
from remora.cli.link.link_watch_view import WaitView
from remora.wire.reports.threads import ThreadInterrupted


async def interrupt_and_show(alias: str, thread: str, options: Options, *, codex: str | None) -> int:
    """Stop the thread, say what is left of it, and return the exit code."""
    page, floor = activity_page(), Floor()
    view = WaitView(page, f"stopping the thread on {alias}")
    with questioner(options, page, floor, settle=view.settle) as someone, drawing(view, floor):
        report = await api.interrupt_thread(
            alias,
            thread,
            codex=codex,
            dialogue=dialogue_of(someone),
            ssh_config=options.ssh_config,
            settings=options.settings,
        )
    if options.json:
        write_document(report)
    elif report.unfinished is not None or options.verbosity >= 0:
        _show(Page(sys.stdout, os.environ), report)
    return report.exit_code


def _outcome(report: ThreadInterrupted) -> str:
    thread = f"thread {report.thread_id}"
    if not report.server_runs:
        return f"No app server runs on {report.host}, so no turn runs; no process of {thread} is left there."
    done = "is stopped" if report.was_active else "had no turn that ran"
    return f"T{thread[1:]} on {report.host} {done}; no process of it is left there."


def _show(page: Page, report: ThreadInterrupted) -> None:
    if report.unfinished is not None:
        page.line(remote(report.unfinished.message, "bold yellow"))
        show_advice(page, report.unfinished)
    else:
        page.line(remote(_outcome(report)))
    if report.goal_paused:
        page.line("Its goal would have started the next turn; remora paused it.")
