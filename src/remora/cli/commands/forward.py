"""The command `remora forward`."""

from typing import TYPE_CHECKING, Annotated

import typer

from remora.cli.completion import complete_alias
from remora.cli.options import Options, common_options
from remora.cli.output import fitted, tell, write_document, write_listing
from remora.cli.parts import make_app
from remora.cli.running import run_async
from remora.core.errors import Code, UsageProblem

if TYPE_CHECKING:
    from remora.wire.reports.links import ForwardBody, ForwardReport

app = make_app(default="open")

_Alias = Annotated[str, typer.Argument(metavar="ALIAS", autocompletion=complete_alias)]


@app.callback()
@common_options
def forward(options: Options) -> None:
    """Reach ports of a host from here, or let it reach the world.

    Without a command: open.

    Examples:

      remora forward devbox 5173

      remora forward devbox 5432 --local-port 15432

      remora forward --egress devbox api.openai.com

      remora forward --egress devbox --to 127.0.0.1:8080

      remora forward list

      remora forward stop devbox 5173
    """


@app.command("open")
@common_options
def open_(
    options: Options,
    alias: _Alias,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PORT | LOCAL:PORT | DESTINATION...",
            help="The host's port, behind LOCAL here; with --egress, names.",
        ),
    ] = None,
    local_port: Annotated[
        int | None,
        typer.Option(metavar="N", help="The port here; the usual is the same number, or any when that is in use."),
    ] = None,
    egress: Annotated[
        bool, typer.Option("--egress", help="The other way: let the host reach DESTINATION (HOST or HOST:PORT).")
    ] = False,
    to: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="With --egress: no proxy, the port is this destination.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(metavar="N", help="With --egress: the port on the host; the usual is any.")
    ] = None,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="With --egress: every account of the host may use the proxy.")
    ] = False,
) -> int:
    """Forward a port for as long as the link lasts, and print where it is.

    A forward to that port which is there already is used again. Connects as remora connect does. Connections through
    it survive a lost connection where the host has a relay; new ones wait while the link is down.

    With --egress a port opens on the host instead: an HTTP proxy that leads through this machine to the destinations
    that are named, and nowhere else. It is opened again after each reconnect, and wants the password printed here.
    """
    from remora.cli.attaching import open_egress, open_forward
    from remora.cli.prompting import read_aliases

    words = words or []
    if not egress:
        alias, words = _apart(alias, words)
    (name,) = read_aliases([alias], command="forward" + " --egress" * egress)
    if egress:
        if local_port is not None:
            raise _misplaced("--local-port", "says where a forward begins here; with --egress the port is --port")
        opening = open_egress(name, words, options, to=to, port=port, password=not no_password)
    else:
        for option, given in (("--to", to is not None), ("--port", port is not None), ("--no-password", no_password)):
            if given:
                raise _misplaced(option, "belongs to --egress")
        here, there = _read_ports(words)
        if here is not None and local_port not in (None, here):
            raise _misplaced("--local-port", f"is {local_port}, and {words[0]} begins at {here}")
        opening = open_forward(name, there, options, local_port=local_port if here is None else here)
    report = run_async(opening, options)
    _show(report, options)
    if not options.json and options.verbosity >= 0:
        _advise(report)
    return 0


@app.command("list")
@common_options
def list_(options: Options) -> int:
    """List all forwarded ports. Starts nothing."""
    from remora import api

    report = run_async(api.list_forwards(settings=options.settings), options)
    _show(report, options)
    if not (report.forwards or report.egresses) and not options.json and options.verbosity >= 0:
        running = run_async(api.hub_status(settings=options.settings), options).hub.running
        tell(f"remora: no port is forwarded{'' if running else '; the hub does not run, and would hold them'}.")
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
        ports = [body.remote_port for body in report.forwards]
        ports += [body.port or body.wanted for body in report.egresses]
        stopped = " and ".join(filter(None, [", ".join(map(str, ports[:-1])), *map(str, ports[-1:])]))
        words = {0: "no such port was", 1: f"port {stopped} is no longer"}.get(
            len(ports), f"ports {stopped} are no longer"
        )
        tell(f"remora: {name}: {words} forwarded.")
    return 0


def _show(report: "ForwardReport", options: Options) -> None:
    from remora.cli.render.links import egress_line

    if options.json:
        write_document(report)
    elif report.forwards or report.egresses:
        write_listing([*map(_line, report.forwards), *map(egress_line, report.egresses)])


def _advise(report: "ForwardReport") -> None:
    from remora.cli.render.links import egress_advice

    for body in report.egresses:
        for line in egress_advice(body):
            for row in [line] if line.startswith(" ") else fitted(line, indent=0):  # what is to be copied stays whole
                tell(row)


def _line(body: "ForwardBody") -> str:
    users = f"  ({body.clients} connected)" if body.clients else ""
    return f"localhost:{body.local_port}  ->  {body.host} port {body.remote_port}{users}"


def _apart(alias: str, words: list[str]) -> tuple[str, list[str]]:
    """``devbox:5173`` is the port 5173 of devbox."""
    name, colon, port = alias.partition(":")
    return (name, [port]) if colon and not words and _is_number(port) else (alias, words)


def _read_ports(words: list[str]) -> tuple[int | None, int]:
    """The port here, if it is said, and the port there: ``5173``, or ``15173:5173`` as ``ssh -L`` orders them."""
    parts = words[0].split(":") if len(words) == 1 else []
    if len(parts) in (1, 2) and all(map(_is_number, parts)):
        return (int(parts[0]) if len(parts) == 2 else None), int(parts[-1])
    raise UsageProblem(
        Code.USAGE,
        "A forward leads to one port of the host, which is a number.",
        next_step="Name it: remora forward ALIAS 5173, or, from another one here: remora forward ALIAS 15173:5173. "
        "The other way goes: remora forward --egress ALIAS NAME",
    )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _misplaced(option: str, why: str) -> UsageProblem:
    return UsageProblem(Code.USAGE, f"{option} {why}.", next_step="See: remora forward open --help")
