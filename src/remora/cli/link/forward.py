"""The command `remora forward`."""

from typing import TYPE_CHECKING, Annotated

import typer

from remora.cli.frame.completion import complete_alias
from remora.cli.frame.options import Options, common_options
from remora.cli.frame.output import fitted, tell, write_document, write_listing
from remora.cli.frame.parts import make_app
from remora.cli.frame.timed_run import run_async
from remora.cli.frame.values import port as port_of
from remora.cli.frame.values import read_port, shown
from remora.core.errors import Code, UsageProblem
from remora.core.text import neutralise

if TYPE_CHECKING:
    from remora.wire.reports.links import EgressBody, ForwardBody, ForwardReport

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
            help="The host's port, or LOCAL:PORT; with --egress, destinations.",
        ),
    ] = None,
    local_port: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            parser=port_of("--local-port", least=0),
            help="The local port; 0 means any. Default: the same number, or any if it is in use.",
        ),
    ] = None,
    egress: Annotated[
        bool, typer.Option("--egress", help="Reverse direction: the host may reach DESTINATION (HOST or HOST:PORT).")
    ] = False,
    to: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="With --egress: no proxy; the port leads to this destination."),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(metavar="N", parser=port_of("--port"), help="With --egress: the port on the host. Default: any."),
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
    from remora.cli.frame.typed import read_aliases
    from remora.cli.link.attach import open_egress, open_forward

    words = words or []
    if not egress:
        alias, words = _apart(alias, words)
    (name,) = read_aliases([alias], command="forward" + " --egress" * egress)
    if egress:
        if local_port is not None:
            raise _misplaced("--local-port", "sets the local port of a forward; with --egress use --port")
        opening = open_egress(name, words, options, to=to, port=port, password=not no_password)
    else:
        for option, given in (("--to", to is not None), ("--port", port is not None), ("--no-password", no_password)):
            if given:
                raise _misplaced(option, "belongs to --egress")
        here, there = _read_ports(words)
        if here is not None and local_port not in (None, here):
            raise _misplaced("--local-port", f"is {local_port}, but {words[0]} names the local port {here}")
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
    words: Annotated[
        str | None,
        typer.Argument(metavar="[PORT | LOCAL:PORT]", help="The host's port, or LOCAL:PORT; all ports if omitted."),
    ] = None,
) -> int:
    """Stop forwarding a port of a host, or all its ports.

    Where the alias led to another machine before, and ports of both are forwarded, the one that ends is that of now.
    LOCAL:PORT names the one of before.
    """
    from remora import api
    from remora.cli.frame.typed import read_aliases

    alias, given = _apart(alias, [] if words is None else [words])
    (name,) = read_aliases([alias], command="forward stop")
    local_port, port = _read_ports(given, "stop") if given else (None, None)
    work = api.stop_forward(name, port, local_port=local_port, ssh_config=options.ssh_config, settings=options.settings)
    report = run_async(work, options)
    if options.json:
        write_document(report)
    elif options.verbosity >= 0:
        _show_stopped(name, report)
    return 0


def _show_stopped(name: str, report: "ForwardReport") -> None:
    stopped: list[tuple[int, ForwardBody | EgressBody]] = [(body.remote_port, body) for body in report.forwards]
    stopped += [(body.port or body.wanted, body) for body in report.egresses]
    ports = [str(port) + f" of {neutralise(body.leads_to or '')}" * bool(body.notices) for port, body in stopped]
    named = " and ".join(filter(None, [", ".join(ports[:-1]), *ports[-1:]]))
    words = {0: "no such port was", 1: f"port {named} is no longer"}.get(len(ports), f"ports {named} are no longer")
    tell(f"remora: {name}: {words} forwarded.")


def _show(report: "ForwardReport", options: Options) -> None:
    from remora.cli.link.link_view import egress_line

    if options.json:
        write_document(report)
    elif report.forwards or report.egresses:
        lines = [line for body in report.forwards for line in _lines(body)]
        lines += [line for body in report.egresses for line in (egress_line(body), *_notices(body))]
        write_listing(lines)


def _advise(report: "ForwardReport") -> None:
    from remora.cli.link.link_view import egress_advice

    for body in report.egresses:
        for line in egress_advice(body):
            for row in [line] if line.startswith(" ") else fitted(line, indent=0):  # what is to be copied stays whole
                tell(row)


def _lines(body: "ForwardBody") -> list[str]:
    users = f"  ({body.clients} connected)" if body.clients else ""
    where = f"localhost:{body.local_port}  ->  {body.host} port {body.remote_port}"
    return [f"{where}{users}", *_notices(body)]


def _notices(body: "ForwardBody | EgressBody") -> list[str]:
    return [f"  ! {neutralise(notice.message, one_line=True)}" for notice in body.notices]


def _apart(alias: str, words: list[str]) -> tuple[str, list[str]]:
    """``devbox:5173`` is the port 5173 of devbox."""
    name, colon, port = alias.partition(":")
    return (name, [port]) if colon and not words and port.isascii() and port.isdigit() else (alias, words)


def _read_ports(words: list[str], command: str = "") -> tuple[int | None, int]:
    """The port here, if it is said, and the port there: ``5173``, or ``15173:5173`` as ``ssh -L`` orders them."""
    parts = words[0].split(":") if len(words) == 1 else []
    here, there = (read_port(parts[0], least=0), parts[1:]) if len(parts) == 2 else (None, parts)
    port = read_port(there[0]) if len(there) == 1 else None
    if port is not None and len(parts) == 1 + (here is not None):
        return here, port
    way = f"remora forward {command}".rstrip()
    next_step = f"Name it: {way} ALIAS 5173, or with the port here: {way} ALIAS 15173:5173."
    if not command:
        next_step += " For the reverse direction: remora forward --egress ALIAS NAME"
    raise UsageProblem(
        Code.USAGE,
        f"Invalid value '{shown(' '.join(words))}' for PORT; use one port number from 1 to 65535.",
        next_step=next_step,
    )


def _misplaced(option: str, why: str) -> UsageProblem:
    return UsageProblem(Code.USAGE, f"{option} {why}.", next_step="See: remora forward open --help")
