"""The command `remora disconnect`."""

from typing import Annotated

import typer

from remora.cli.frame.completion import complete_alias
from remora.cli.frame.options import Options, common_options
from remora.cli.frame.parts import make_app
from remora.cli.frame.timed_run import run_async

app = make_app()


@app.command()
@common_options
def disconnect(
    options: Options,
    aliases: Annotated[
        list[str] | None, typer.Argument(metavar="ALIAS...", show_default=False, autocompletion=complete_alias)
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Drop every link.")] = False,
    stop_server: Annotated[
        bool, typer.Option("--stop-server", help="Also end the app server, if remora started it and it is idle.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="With --stop-server: interrupt the turns that run there.")
    ] = False,
) -> int:
    """Drop the link to a host.

    The app server and what runs there go on. A link that is not there is no failure, but with --stop-server it is:
    only over a link can the app server be stopped, so connect first.

    Examples:

      remora disconnect devbox

      remora disconnect devbox --stop-server
    """
    from remora.cli.frame.typed import read_aliases
    from remora.cli.link.link_show import disconnect_and_show
    from remora.core.errors import Code, UsageProblem

    if every == bool(aliases):
        raise UsageProblem(
            Code.USAGE,
            "Name hosts, or use --all, but not both." if every else "No host was named.",
            next_step="See the links with: remora status",
        )
    if force and not stop_server:
        raise UsageProblem(
            Code.USAGE, "--force belongs to --stop-server.", next_step="Omit --force; a link is dropped without it."
        )
    names = None if every else read_aliases(aliases or [], command="disconnect")
    work = disconnect_and_show(names, options, stop_server=stop_server, force=force)
    return run_async(work, options)
