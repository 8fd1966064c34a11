"""The command `remora connect`."""

from typing import Annotated

import typer

from remora.cli.frame.completion import complete_alias
from remora.cli.frame.options import CodexPath, Options, common_options
from remora.cli.frame.parts import make_app
from remora.cli.frame.timed_run import run_async

app = make_app()


@app.command()
@common_options
def connect(
    options: Options,
    aliases: Annotated[list[str], typer.Argument(metavar="ALIAS...", autocompletion=complete_alias)],
    codex: CodexPath = None,
    foreground: Annotated[bool, typer.Option("--foreground", help="Keep the link until Ctrl-C, then drop it.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show how the app server would be reached; start nothing.")
    ] = False,
) -> int:
    """Hold a link to a host.

    Launches or adopts the app server there. A background process, the hub, holds the link until remora disconnect; any
    client of the app server can use the local socket that is printed. A lost connection is made again while a client
    is attached or a turn runs; a link that nobody uses waits for the next client, unless the settings say reconnect =
    "always". Several hosts are connected side by side; the exit code is 13 when only some could be.

    Examples:

      remora connect devbox

      codex --remote unix://$(remora connect devbox -q)
    """
    from remora.cli.frame.typed import read_aliases
    from remora.cli.link.link_show import connect_and_show, hold_and_show
    from remora.cli.process.early_end import EarlyEnd

    names = read_aliases(aliases, command="connect")
    if dry_run:
        return _plan(names, options, codex)
    if not foreground:
        return run_async(connect_and_show(names, options, codex=codex), options)
    ending = EarlyEnd()
    return run_async(hold_and_show(names, options, ending, codex=codex), options, ending)


def _plan(names: list[str], options: Options, codex: str | None) -> int:
    from remora.cli.link.plan_show import plan_and_show
    from remora.core.errors import Code, UsageProblem
    from remora.core.host.hosts import Address

    if len(names) > 1:
        raise UsageProblem(Code.USAGE, "--dry-run takes one host.", next_step="Name one host.")
    return run_async(plan_and_show(Address(names[0]), options, codex=codex), options)
