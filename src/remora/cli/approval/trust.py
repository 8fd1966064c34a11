"""The command `remora trust`."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from remora.cli.frame.completion import complete_alias
from remora.cli.frame.options import Options, common_options
from remora.cli.frame.output import write_document, write_listing
from remora.cli.frame.parts import make_app
from remora.core.errors import Code, ExitCode, UsageProblem
from remora.core.text import neutralise

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from remora.wire.reports.trust import KeptTrustBody

app = make_app(default="list")

_HASH: Final = 12
"""Digits of a hash that are shown."""
_WHO: Final = {
    None: "not trusted (answered no)",
    "answer": "trusted (answered yes)",
    "option": "trusted (--trust-folder)",
    "manifest": "trusted (a manifest)",
    "codex": "noted (codex on the host trusts the folder)",
}


@app.callback()
@common_options
def trust(options: Options) -> None:
    """Show and take back which repositories are trusted. Without a command: list.

    Examples:

      remora trust

      remora trust revoke devbox:~/proj
    """


@app.command("list")
@common_options
def list_(options: Options) -> int:
    """List what this machine remembers of repositories on hosts.

    One line for each folder: the host, the folder, the beginning of the content's hash, and who trusts it. Contacts
    nobody.
    """
    from remora import api

    report = api.list_trust()
    if options.json:
        write_document(report)
    else:
        write_listing([*_lines(report.kept)] or ["No repository is recorded."])
    return ExitCode.DONE


@app.command()
@common_options
def revoke(
    options: Options,
    place: Annotated[
        str,
        typer.Argument(
            metavar="ALIAS[:DIR]",
            help="The host and a folder as listed; without a folder, all of the host.",
            autocompletion=complete_alias,
        ),
    ],
) -> int:
    """Forget what was said of a repository on a host, a no as well.

    A thread that starts later asks again, and what the repository brings is not in force where nobody answers. Threads
    that the app server has loaded keep what they have. Contacts nobody: what codex on the host trusts by its own
    configuration stays, and a manifest that still names the hash says so again when it provisions the host.

    Examples:

      remora trust revoke devbox:~/proj

      remora trust revoke devbox
    """
    from remora import api
    from remora.cli.frame.typed import read_folder

    address = read_folder(place, command="trust revoke")
    report = api.revoke_trust(address.alias, address.folder)
    if not report.revoked:
        raise UsageProblem(
            Code.USAGE,
            f"No record exists for the repository {place!r}.",
            next_step="List the records with: remora trust",
        )
    if options.json:
        write_document(report)
    elif options.verbosity >= 0:
        write_listing(["Forgotten:", *_lines(report.revoked)])
    return ExitCode.DONE


def _lines(kept: "Iterable[KeptTrustBody]") -> "Iterator[str]":
    rows = [(body.host, body.folder, body.hash[:_HASH], _WHO[body.trusted_by]) for body in kept]
    shown = [tuple(neutralise(word, one_line=True) for word in row) for row in rows]
    widths = [max((len(row[column]) for row in shown), default=0) for column in range(3)]
    for row in shown:
        yield "  ".join([*(word.ljust(width) for word, width in zip(row, widths, strict=False)), row[3]])
