"""The command `remora tui`."""

from typing import Annotated

import typer

from remora.cli.frame.completion import complete_alias
from remora.cli.frame.options import CodexPath, Options, common_options
from remora.cli.frame.parts import make_app
from remora.cli.frame.timed_run import limit_blocking, run_async
from remora.cli.frame.values import local_path, one_of

app = make_app()


@app.command()
@common_options
def tui(
    options: Options,
    place: Annotated[
        str,
        typer.Argument(
            metavar="ALIAS[:DIR]",
            help="The host and the folder to work in; ALIAS/ID continues a thread.",
            autocompletion=complete_alias,
        ),
    ],
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- ARGUMENT...]", parser=local_path, help="Arguments for codex itself."),
    ] = None,
    client: Annotated[
        str | None,
        typer.Option(
            metavar="PATH", parser=local_path, help="The codex program of this machine. Default: the one on PATH."
        ),
    ] = None,
    codex: CodexPath = None,
    sandbox: Annotated[
        str | None,
        typer.Option(
            "--sandbox",
            "-s",
            metavar="MODE",
            help="Sandbox mode: read-only, workspace-write or danger-full-access; the host's by default.",
            **one_of("--sandbox", "read-only", "workspace-write", "danger-full-access"),
        ),
    ] = None,
    approval_policy: Annotated[
        str | None,
        typer.Option(
            "--approval-policy",
            "-a",
            metavar="POLICY",
            help="Approval policy: on-request or never; the host's by default.",
            **one_of("--approval-policy", "on-request", "never"),
        ),
    ] = None,
) -> int:
    """Work on a host in the Codex terminal client.

    Connects as remora connect does, then gives the terminal to the codex of this machine. Files, commands and
    credentials are those of the host, and so are sandbox and approval policy: what this machine's codex is configured
    with does not count there, only what is said on this command line or in the client. When the connection is lost or
    the hub is killed the client stays, and goes on by itself. The link stays when you leave; remora disconnect drops
    it, and ends the client. The exit code is the client's, or that of what ended it.

    Examples:

      remora tui devbox:~/proj

      remora tui devbox:~/proj --sandbox workspace-write

      remora tui devbox:~/proj -- --model gpt-5 "fix the failing test"
    """
    from remora.cli.client.client_words import said_terms
    from remora.cli.client.local_client import find_client, is_older, require_terminal, run_client
    from remora.cli.client.own_socket import standing_door
    from remora.cli.frame.output import show_error, tell
    from remora.cli.frame.typed import read_place
    from remora.cli.link.attach import connect_client

    address = read_place(place)
    require_terminal()
    given = (("--sandbox", sandbox), ("--ask-for-approval", approval_policy))
    words = [word for name, value in given if value is not None for word in (name, value)] + (arguments or [])
    found = find_client(client)
    way = run_async(connect_client(address, options, codex=codex), options)
    if is_older(found.version, way.server_version):
        older = f"codex {found.version}, older than {way.server_version} on {address.alias}, and may not understand it"
        tell(f"remora: {found.path} is {older}. Update it, or name another one with --client PATH.")
    with standing_door(address.alias, options, said=said_terms(words), codex=codex) as door:
        with limit_blocking(options):
            code = run_client(found, [*way.words(door.socket), *words], when_lost=door.when_lost)
        failure = door.failure
    if door.thread_id is not None:
        tell(f"Continue with: remora tui {address.alias}/{door.thread_id}")
    if failure is not None:
        show_error(failure, json=False)
        return failure.exit_code
    return code
