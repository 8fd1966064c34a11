"""Links, shown to the people or programs that asked for them."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from typing import TypeVar

from remora import api
from remora.cli.draw.page import Page
from remora.cli.frame.audience import activity_page, dialogue_of, drawing, questioner
from remora.cli.frame.floor import Floor
from remora.cli.frame.options import Options
from remora.cli.frame.output import tell_what_goes_on, write_document
from remora.cli.link.link_view import show_disconnected, show_hub_state, show_links
from remora.cli.link.link_watch_view import ConnectView, StatusView, WaitView
from remora.cli.process.early_end import EarlyEnd
from remora.core.errors import ExitCode, RemoraError, TimeLimit
from remora.wire.reports.links import HubReport, StatusReport

T = TypeVar("T")


async def connect_and_show(aliases: list[str], options: Options, *, codex: str | None) -> int:
    """Connect, show each link as it comes, and return the exit code."""
    floor, settings = Floor(), options.settings
    view = ConnectView(_results(), activity_page(), aliases, json=options.json, verbosity=options.verbosity)
    with questioner(options, activity_page(), floor, settle=view.settle) as someone, drawing(view, floor):
        try:
            report = await api.connect_hosts(
                aliases,
                codex=codex,
                dialogue=dialogue_of(someone),
                tell=view.show,
                ssh_config=options.ssh_config,
                settings=settings,
            )
        except asyncio.CancelledError:
            view.settle()
            if view.under_way and not options.json:
                tell_what_goes_on(view.under_way)
            raise
    if options.json:
        write_document(report)
    return report.exit_code


async def hold_and_show(aliases: list[str], options: Options, ending: EarlyEnd, *, codex: str | None) -> int:
    """Connect, and hold the links until this program is told to end; only then return the exit code."""
    floor, settings = Floor(), options.settings
    view = ConnectView(_results(), activity_page(), aliases, json=options.json, verbosity=options.verbosity)
    exit_code: int = ExitCode.INTERRUPTED
    with questioner(options, activity_page(), floor, settle=view.settle) as someone, drawing(view, floor):
        states = api.hold_hosts(
            aliases,
            codex=codex,
            dialogue=dialogue_of(someone),
            tell=view.show,
            ssh_config=options.ssh_config,
            settings=settings,
        )
        async with aclosing(_until_told(states, ending)) as coming:
            async for state in coming:
                if isinstance(state, StatusReport):
                    view.follow(state)
                    continue
                exit_code = state.exit_code
                if options.json:
                    write_document(state)
                elif state.ok:
                    view.say("Held until Ctrl-C.")
    return exit_code


async def disconnect_and_show(aliases: list[str] | None, options: Options, *, stop_server: bool, force: bool) -> int:
    """Disconnect, show what became of each link, and return the exit code."""
    page = activity_page()
    report = await _waiting(
        page,
        "dropping links",
        api.disconnect_hosts(
            aliases, stop_server=stop_server, force=force, ssh_config=options.ssh_config, settings=options.settings
        ),
    )
    if options.json:
        write_document(report)
    else:
        show_disconnected(_results(), page, report, quiet=options.verbosity < 0)
    return report.exit_code


async def show_status(alias: str | None, options: Options) -> int:
    """Show the links of now."""
    report = _only(await api.status(settings=options.settings), alias)
    if options.json:
        write_document(report)
    else:
        show_links(_results(), report, alias=alias, verbosity=options.verbosity)
    return ExitCode.DONE


async def watch_and_show(alias: str | None, options: Options, ending: EarlyEnd) -> int:
    """Show the links at each change, until this program is told to end."""
    view = StatusView(_results(), alias=alias, verbosity=options.verbosity)
    floor = Floor()
    last: StatusReport | None = None
    watching = _until_told(api.watch_status(settings=options.settings), ending)
    with drawing(view, floor):
        async with aclosing(watching) as states:
            async for state in states:
                report = _only(state, alias)
                if report == last:
                    continue
                last = report
                if options.json:
                    write_document(report)
                else:
                    view.show(report)
    return ExitCode.INTERRUPTED


async def show_hub(asking: Awaitable[HubReport], options: Options, changed: str = "", unchanged: str = "") -> int:
    """Show the hub, and in a word what was done about it."""
    report = await _waiting(activity_page(), "waiting for the hub", asking)
    if options.json:
        write_document(report)
    else:
        show_hub_state(_results(), report, done=changed if report.changed else unchanged)
    return ExitCode.DONE


async def _until_told(states: AsyncGenerator[T, None], ending: EarlyEnd) -> AsyncGenerator[T, None]:
    """What comes, until the program is told to end; then `states` is closed in order. A second wish cuts that short.

    Raises :class:`TimeLimit` when it was the time limit that told.
    """
    told = asyncio.Event()
    late: TimeLimit | None = None

    def hear(reason: RemoraError | None) -> bool:
        nonlocal late
        first = not told.is_set()
        if first and isinstance(reason, TimeLimit):
            late = reason
        told.set()
        return first

    ending.listen(hear)
    ending.watch_readers()
    waiting = asyncio.ensure_future(told.wait())
    coming: asyncio.Future[T | None] | None = None
    try:
        async with aclosing(states):
            while True:
                coming = asyncio.ensure_future(_next(states))
                await asyncio.wait({waiting, coming}, return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    coming.cancel()
                    await asyncio.gather(coming, return_exceptions=True)
                    if late is not None:
                        raise late
                    return
                state = coming.result()
                if state is None:
                    return
                yield state
    finally:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def _next(states: AsyncGenerator[T, None]) -> T | None:
    return await anext(states, None)


async def _waiting(page: Page, what: str, work: Awaitable[T]) -> T:
    """The result of `work`; a person is told after a second that it is waited for."""
    with drawing(WaitView(page, what), Floor()):
        return await work


def _only(report: StatusReport, alias: str | None) -> StatusReport:
    if alias is None:
        return report
    links = [link for link in report.links if alias in link.aliases]
    return StatusReport(hub=report.hub, links=links)


def _results() -> Page:
    return Page(sys.stdout, os.environ)
