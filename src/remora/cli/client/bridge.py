"""The command `remora bridge`."""

from functools import partial
from typing import Annotated

import typer

from remora.cli.frame.completion import complete_alias
from remora.cli.frame.options import CodexPath, Options, common_options
from remora.cli.frame.parts import make_app
from remora.cli.frame.timed_run import run_async

app = make_app()


@app.command()
@common_options
def bridge(
    options: Options,
    place: Annotated[
        str,
        typer.Argument(
            metavar="ALIAS[:DIR]",
            help="The host, and the folder for threads that name none.",
            autocompletion=complete_alias,
        ),
    ],
    codex: CodexPath = None,
) -> int:
    """Speak JSON lines with the app server on a host.

    For SDKs and editors that start codex app-server: they start this instead. Connects as remora connect does, but
    asks nothing: what needs a person is refused with exit code 11. Lost connections are pauses, and so is a hub that
    was killed. Standard output has the server's messages and nothing else. The end of standard input ends it, after
    what was asked for is answered; SIGTERM ends it at once. Both are exit code 0, as with codex app-server.

    A thread for which the program names no folder works in DIR. Without DIR it works in the home folder and may only
    read; one that is asked for with a writing sandbox is refused. A folder that the host does not trust stays so.

    Examples:

      remora bridge devbox:~/proj

      Codex(CodexConfig(launch_args_override=("remora", "bridge", "devbox")))      # the official Python SDK
    """
    from remora import api
    from remora.cli.frame.output import show_error, tell
    from remora.cli.frame.typed import read_folder
    from remora.cli.process.early_end import EarlyEnd
    from remora.core.errors import ExitCode, Interrupted, RemoraError

    address = read_folder(place, command="bridge")
    work = api.bridge(
        address.alias,
        folder=address.folder,
        codex=codex,
        tell=partial(show_error, json=False),
        note=lambda sentence: tell(f"remora: {sentence}"),
        ssh_config=options.ssh_config,
        settings=options.settings,
    )
    ending, codes = EarlyEnd(), [ExitCode.DONE]

    def end(reason: RemoraError | None) -> bool:
        codes.append(ExitCode.INTERRUPTED if reason is None else ExitCode.DONE)
        return False

    ending.listen(end)
    try:
        run_async(work, options, ending)
    except Interrupted:
        return codes[-1]
    return ExitCode.DONE
