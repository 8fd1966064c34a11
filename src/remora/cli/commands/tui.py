"""The command `remora tui`."""

from typing import Annotated

import typer

from remora.cli.completion import complete_alias
from remora.cli.options import CodexPath, Options, common_options
from remora.cli.parts import make_app
from remora.cli.running import limit_blocking, run_async

app = make_app()


@app.command()
@common_options
def tui(
    options: Options,
    place: Annotated[
        str,
        typer.Argument(
            metavar="ALIAS[:DIR]",
            help="The host, and the folder to work in; ALIAS/ID continues a thread.",
            autocompletion=complete_alias,
        ),
    ],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[-- ARGUMENT...]", help="Arguments for codex itself.")
    ] = None,
    client: Annotated[
        str | None, typer.Option(metavar="PATH", help="The codex of this machine; the usual is the one on PATH.")
    ] = None,
    codex: CodexPath = None,
) -> int:
    """Work on a host in the Codex terminal client.

    Connects as remora connect does, then gives the terminal to the codex of this machine. Files, commands and
    credentials are those of the host. When the connection is lost or the hub is killed the client stays, and goes on by
    itself. The link stays when you leave; remora disconnect drops it. The exit code is the client's.

    Examples:

      remora tui devbox:~/proj

      remora tui devbox:~/proj -- --model gpt-5 "fix the failing test"
    """
    from remora.cli.attaching import connect_client
    from remora.cli.local_client import find_client, is_older, require_terminal, run_client
    from remora.cli.output import fitted, show_error, tell
    from remora.cli.prompting import read_place
    from remora.cli.standing import standing_door

    address = read_place(place)
    require_terminal()
    found = find_client(client)
    way = run_async(connect_client(address, options, codex=codex), options)
    if is_older(found.version, way.server_version):
        older = f"codex {found.version}, older than {way.server_version} on {address.alias}, and may not understand it"
        for row in fitted(f"remora: {found.path} is {older}. Update it, or name another one with --client PATH."):
            tell(row)
    with standing_door(address.alias, options, codex=codex) as door:
        with limit_blocking(options):
            code = run_client(found, [*way.words(door.socket), *(arguments or [])])
        failure = door.failure
    if failure is not None:
        show_error(failure, json=False)
    return code
