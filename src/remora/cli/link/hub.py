"""The command `remora hub`."""

from typing import Annotated

import typer

from remora.cli.frame.options import Options, common_options
from remora.cli.frame.parts import make_app
from remora.cli.frame.timed_run import run_async
from remora.core.errors import Code, UsageProblem

app = make_app(default="status")


@app.callback()
@common_options
def hub(options: Options) -> None:
    """The background process that holds links. Without a command: status."""


@app.command()
@common_options
def start(
    options: Options,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Run the hub in the foreground, for service managers.")
    ] = False,
) -> int:
    """Start the hub. Commands that need one do this by themselves."""
    from remora import api
    from remora.cli.link.link_show import show_hub

    if foreground:
        if options.timeout is not None:
            raise UsageProblem(
                Code.USAGE,
                "A hub in the foreground runs until it is stopped, so it takes no --timeout.",
                next_step="Omit --timeout, or start the hub in the background without --foreground.",
            )
        _become_hub()
    return run_async(show_hub(api.start_hub(settings=options.settings), options, "started", "runs already"), options)


@app.command()
@common_options
def stop(options: Options) -> int:
    """End the hub and its links. The app servers on the hosts go on."""
    from remora import api
    from remora.cli.link.link_show import show_hub

    return run_async(show_hub(api.stop_hub(settings=options.settings), options, "ended", "did not run"), options)


@app.command()
@common_options
def status(options: Options) -> int:
    """Show whether a hub runs, and which. Starts none."""
    from remora import api
    from remora.cli.link.link_show import show_hub

    return run_async(show_hub(api.hub_status(settings=options.settings), options), options)


@app.command()
@common_options
def logs(
    options: Options,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show new lines until Ctrl-C.")] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", metavar="N", min=0, help="The number of last lines to show.")
    ] = 200,
) -> int:
    """Show the hub's log."""
    from remora.cli.link.hub_log import follow_log, show_log
    from remora.cli.process.early_end import EarlyEnd

    if not follow:
        return show_log(options, lines=lines)
    ending = EarlyEnd()
    return run_async(follow_log(options, ending, lines=lines), options, ending)


def _become_hub() -> None:
    """Replace this program: the hub needs nothing of what it loaded."""
    import os
    import sys

    words = [sys.executable, "-P", "-m", "remora.hub", "--foreground"]
    os.execv(sys.executable, words)  # noqa: S606 - no shell is wanted
