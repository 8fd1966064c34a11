"""From the SSH config to the report of ``remora hosts``."""

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

from remora.core.errors import RemoraError
from remora.core.host.aliases import Alias, Listing
from remora.core.text import neutralise
from remora.wire.reports import error_body
from remora.wire.reports.hosts import HostRow, HostsReport, LineProblem

if TYPE_CHECKING:
    from remora.ports import HostResolver


def report_listing(listing: Listing) -> HostsReport:
    """The aliases and problems as read; nothing is resolved."""
    return HostsReport(
        hosts=[_row(alias) for alias in listing.aliases],
        problems=[
            LineProblem(file=_shown(problem.file), line=problem.line, message=neutralise(problem.message))
            for problem in listing.problems
        ],
    )


async def resolve_listing(listing: Listing, resolver: "HostResolver", tell: Callable[[int, int], None]) -> HostsReport:
    """The same report with what OpenSSH makes of each alias. A failure belongs to its row and stops no other.

    `tell` hears after each alias how many of how many are done.
    """
    import asyncio

    report = report_listing(listing)
    done = itertools.count(1)

    async def resolve(row: HostRow) -> None:
        await _resolve_row(row, resolver)
        tell(next(done), len(report.hosts))

    async with asyncio.TaskGroup() as group:
        for row in report.hosts:
            group.create_task(resolve(row))
    return report


async def _resolve_row(row: HostRow, resolver: "HostResolver") -> None:
    try:
        host = await resolver.resolve(row.alias)
    except RemoraError as error:
        row.error = error_body(error)
        return
    row.user, row.hostname, row.port = host.user, host.hostname, host.port
    row.jump = ",".join(host.proxy_jump) or None


def _row(alias: Alias) -> HostRow:
    return HostRow(alias=alias.name, file=_shown(alias.file), line=alias.line)


def _shown(path: str) -> str:
    """A path that JSON can carry: bytes that are no UTF-8 become visible escapes."""
    return path if path.isascii() else path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
