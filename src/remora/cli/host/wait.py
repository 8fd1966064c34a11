"""The command `remora wait`."""

from typing import Annotated

import typer

from remora.cli.frame.completion import complete_alias, complete_awaited
from remora.cli.frame.options import Options, common_options
from remora.cli.frame.parts import make_app
from remora.cli.frame.timed_run import run_async

app = make_app()


@app.command()
@common_options
def wait(
    options: Options,
    aliases: Annotated[
        list[str], typer.Argument(metavar="ALIAS...", show_default=False, autocompletion=complete_alias)
    ],
    awaited: Annotated[
        str,
        typer.Option(
            "--for",
            metavar="ready,provisioned,live,idle",
            help="The states to wait for; each host must reach all of them.",
            autocompletion=complete_awaited,
        ),
    ] = "ready",
) -> int:
    """Wait until hosts are ready, provisioned, linked or idle.

    ready: remora check finds no fault, and nobody provisions the host. provisioned: remora provision has finished
    there, as the host's own marker says. For both, an unreachable host is dialled again, and one whose provisioning
    failed ends the wait for it at once. live: the hub's link is live. idle: it is, and no thread works there. Starts
    nothing. Without --timeout it waits until Ctrl-C.

    Exit 0 when all hosts are what was asked for, 14 at the time limit, 1 where provisioning failed.

    Examples:

      remora wait devbox --for ready --timeout 600

      remora wait devbox --for live,idle --json
    """
    from dataclasses import replace

    from remora.cli.frame.typed import read_aliases
    from remora.cli.host.wait_show import wait_and_show
    from remora.core.readiness.awaited import read_awaited

    names, wishes = read_aliases(aliases, command="wait"), read_awaited(awaited)
    # The limit is part of the work: at its end there is a report of what each host is instead.
    work = wait_and_show(names, wishes, options, seconds=options.seconds_left)
    return run_async(work, replace(options, timeout=None))
