"""The command `remora bridge`."""

from functools import partial
from typing import Annotated

import typer

from remora.cli.completion import complete_alias
from remora.cli.options import Options, common_options
from remora.cli.parts import make_app
from remora.cli.running import run_async

app = make_app()


@app.command()
@common_options
def bridge(
    options: Options,
    alias: Annotated[str, typer.Argument(metavar="ALIAS", autocompletion=complete_alias)],
    codex: Annotated[str | None, typer.Option(metavar="PATH", help="The codex on the host to start.")] = None,
) -> int:
    """Speak JSON lines with the app server on a host.

    For SDKs and editors that start codex app-server: they start this instead. Connects as remora connect does, but
    asks nothing: what needs a person is refused with exit code 11. Lost connections are pauses, and so is a hub that
    was killed. Standard output has the server's messages and nothing else. The end of standard input ends it, after
    what was asked for is answered.

    Examples:

      remora bridge devbox

      Codex(CodexConfig(launch_args_override=("remora", "bridge", "devbox")))      # the official Python SDK
    """
    from remora import api
    from remora.cli.output import show_error
    from remora.cli.prompting import read_aliases

    (name,) = read_aliases([alias], command="bridge")
    work = api.bridge(
        name,
        codex=codex,
        tell=partial(show_error, json=False),
        ssh_config=options.ssh_config,
        settings=options.settings,
    )
    run_async(work, options)
    return 0
