"""The command `remora status`."""

from typing import Annotated

import typer

from remora.cli.frame.completion import complete_alias
from remora.cli.frame.options import Options, common_options
from remora.cli.frame.parts import make_app
from remora.cli.frame.timed_run import run_async

app = make_app()


@app.command()
@common_options
def status(
    options: Options,
    alias: Annotated[
        str | None, typer.Argument(metavar="[ALIAS]", show_default=False, autocompletion=complete_alias)
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show each change, until Ctrl-C.")] = False,
) -> int:
    """Show the links that the hub holds.

    How alive each is and since when, what it needs, the app server behind it, what runs there, and what became of
    provisioning. Dials no host and starts nothing. With --watch and --json there is one document for each change.

    Examples:

      remora status

      remora status devbox --json
    """
    from remora.cli.frame.typed import read_aliases
    from remora.cli.link.link_show import show_status, watch_and_show
    from remora.cli.process.early_end import EarlyEnd

    name = read_aliases([alias], command="status")[0] if alias is not None else None
    if not watch:
        return run_async(show_status(name, options), options)
    ending = EarlyEnd()
    return run_async(watch_and_show(name, options, ending), options, ending)
