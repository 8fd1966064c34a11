"""The command `remora forward`."""

from typing import TYPE_CHECKING, Annotated

import typer

from remora.cli.completion import complete_alias
from remora.cli.options import Options, common_options
from remora.cli.output import tell, write_document, write_listing
from remora.cli.parts import make_app
from remora.cli.running import run_async

if TYPE_CHECKING:
    from remora.wire.reports.links import ForwardBody, ForwardReport

app = make_app(default="open")

_Alias = Annotated[str, typer.Argument(metavar="ALIAS", autocompletion=complete_alias)]


@app.callback()
@common_options
def forward(options: Options) -> None:
    """Reach ports of a host through ports of this machine. Without a command: open.

    Examples:

      remora forward devbox 5173

      remora forward devbox 5432 --local-port 15432

      remora forward list

      remora forward stop devbox 5173
    """


@app.command("open")
@common_options
def open_(
    options: Options,
    alias: _Alias,
    port: Annotated[int, typer.Argument(metavar="PORT", help="The port on the host's loopback.")],
    local_port: Annotated[
        int | None,
        typer.Option(metavar="N", help="The port here; the usual is the same number, or any when that is in use."),
    ] = None,
) -> int:
    """Forward a port for as long as the link lasts, and print where it is.

    A forward to that port which is there already is used again. Connects as remora connect does. Connections through
    it survive a lost connection where the host has a relay; new ones wait while the link is down.
    """
    from remora.cli.attaching import open_forward
    from remora.cli.prompting import read_aliases

    (name,) = read_aliases([alias], command="forward")
    report = run_async(open_forward(name, port, options, local_port=local_port), options)
    _show(report, options)
    return 0


@app.command("list")
@common_options
def list_(options: Options) -> int:
    """List all forwarded ports. Starts nothing."""
    from remora import api

    report = run_async(api.list_forwards(settings=options.settings), options)
    _show(report, options)
    if not report.forwards and not options.json and options.verbosity >= 0:
        tell("remora: no port is forwarded.")
    return 0


@app.command()
@common_options
def stop(
    options: Options,
    alias: _Alias,
    port: Annotated[int | None, typer.Argument(metavar="[PORT]", help="The host's port; without it, all.")] = None,
) -> int:
    """Stop forwarding a port of a host, or all its ports."""
    from remora import api
    from remora.cli.prompting import read_aliases

    (name,) = read_aliases([alias], command="forward stop")
    work = api.stop_forward(name, port, ssh_config=options.ssh_config, settings=options.settings)
    report = run_async(work, options)
    if options.json:
        write_document(report)
    elif options.verbosity >= 0:
        stopped = ", ".join(f"port {body.remote_port}" for body in report.forwards)
        tell(f"remora: {name}: {stopped or 'no such port'} {'is no longer' if stopped else 'was'} forwarded.")
    return 0


def _show(report: "ForwardReport", options: Options) -> None:
    if options.json:
        write_document(report)
    elif report.forwards:
        write_listing([_line(body) for body in report.forwards])


def _line(body: "ForwardBody") -> str:
    users = f"  ({body.clients} connected)" if body.clients else ""
    return f"localhost:{body.local_port}  ->  {body.host} port {body.remote_port}{users}"
