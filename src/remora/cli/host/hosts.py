"""The command `remora hosts`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Final

import typer

from remora.cli.frame.options import Options, common_options
from remora.cli.frame.output import progress, short_path, tell, write_document, write_listing
from remora.cli.frame.parts import make_app
from remora.cli.frame.timed_run import limit_blocking, run_async
from remora.core.errors import ExitCode
from remora.core.failure_lines import HEADLINE, advice_rows
from remora.core.host.hosts import place_name
from remora.core.text import neutralise

if TYPE_CHECKING:
    from remora.wire.reports.hosts import HostRow, HostsReport

app = make_app(default="list")

_NAMES_SHOWN: Final = 5


@app.callback()
@common_options
def hosts(options: Options) -> None:
    """List the hosts of the SSH config. Without a command: list.

    Examples:

      remora hosts

      remora hosts --resolve
    """


@app.command("list")
@common_options
def list_(
    options: Options,
    resolve: Annotated[
        bool, typer.Option("--resolve", help="Ask ssh -G for the user, host name, port and jump host of each.")
    ] = False,
) -> int:
    """List every concrete alias with its file and line. Runs nothing and contacts nobody."""
    from remora import api

    if resolve:
        with progress("resolved", shown=not options.json and options.verbosity >= 0) as tell_done:
            report = run_async(
                api.resolve_hosts(ssh_config=options.ssh_config, settings=options.settings, tell=tell_done), options
            )
    else:
        with limit_blocking(options):
            if options.config is not None:
                api.load_settings(options.config)  # nothing here needs it; a bad file is told all the same
            report = api.list_hosts(ssh_config=options.ssh_config)
    if options.json:
        write_document(report)
    else:
        _show(report, options)
    return _exit_code(report)


def _exit_code(report: "HostsReport") -> ExitCode:
    if report.problems and not report.hosts:
        return ExitCode.CONFIG
    failed = [row for row in report.hosts if row.error is not None]
    if not failed:
        return ExitCode.DONE
    return ExitCode.CONFIG if len(failed) == len(report.hosts) else ExitCode.PARTIAL


def _show(report: "HostsReport", options: Options) -> None:
    write_listing(list(_table([_cells(row) for row in report.hosts])))
    for problem in report.problems:
        tell(f"remora: {short_path(problem.file)}:{problem.line}: {neutralise(problem.message, one_line=True)}")
    for line in _failures(report.hosts):
        tell(line)
    if not report.hosts and not report.problems and options.verbosity >= 0:
        tell("remora: the SSH config names no host. Add one to ~/.ssh/config, or name a file with --ssh-config.")


def _failures(rows: list["HostRow"]) -> Iterator[str]:
    """Each distinct failure once, with the aliases it stands for: one bad line spoils every alias alike."""
    alike: dict[tuple[str, str], list[HostRow]] = {}
    for row in rows:
        if row.error is not None:
            alike.setdefault((row.error.message, row.error.seen), []).append(row)
    for (message, seen), failed in alike.items():
        names = ", ".join(row.alias for row in failed[:_NAMES_SHOWN])
        more = f" and {len(failed) - _NAMES_SHOWN} more" if len(failed) > _NAMES_SHOWN else ""
        yield f"{HEADLINE}{names}{more}: {message}"
        for label, words in advice_rows(seen, failed[0].error.next if failed[0].error else ""):
            yield label + words


def _cells(row: "HostRow") -> list[str]:
    place = f"{short_path(row.file)}:{row.line}"
    if row.error is not None:
        return [row.alias, f"({row.error.code})", place]
    if row.hostname is None or row.user is None or row.port is None:
        return [row.alias, place]
    target = place_name(row.user, row.hostname, row.port) + (f" via {row.jump}" if row.jump else "")
    return [row.alias, neutralise(target, one_line=True), place]


def _table(rows: list[list[str]]) -> Iterator[str]:
    """Columns as wide as their widest cell; the last one is not padded."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        padded = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        yield "  ".join([*padded, row[-1]])
