"""The command `remora threads`."""

from typing import Annotated

import typer

from remora.cli.frame.completion import complete_alias
from remora.cli.frame.options import CodexPath, Options, common_options
from remora.cli.frame.parts import make_app
from remora.cli.frame.timed_run import run_async

app = make_app()


@app.callback()
@common_options
def threads(options: Options) -> None:
    """Threads on hosts, whoever began them."""


@app.command()
@common_options
def interrupt(
    options: Options,
    thread: Annotated[
        str,
        typer.Argument(
            metavar="ALIAS/THREAD",
            help="The host, and the thread: its id, the beginning of it, or its name.",
            autocompletion=complete_alias,
        ),
    ],
    codex: CodexPath = None,
) -> int:
    """Stop what a thread does on a host.

    For a turn that nobody watches any more: it is interrupted, what it waits for is withdrawn, its sub-agents and
    all commands of the thread are ended, also those that earlier turns left in the background. Then the host's
    processes are looked at. A thread that does nothing stays as it is. Where no app server runs, none is started: no
    turn runs there, and the processes are looked at all the same.

    Exit 0 when nothing of the thread is left on the host; 1 when something is, or could not be seen. It is named.

    Examples:

      remora threads interrupt devbox/01a22a49

      remora threads interrupt devbox/01a22a49 --json
    """
    from remora.cli.frame.typed import read_thread
    from remora.cli.thread.threads_show import interrupt_and_show

    alias, words = read_thread(thread)
    return run_async(interrupt_and_show(alias, words, options, codex=codex), options)
