"""The command `remora login`."""

from datetime import date
from typing import Annotated

import typer

from remora.cli.frame.completion import complete_alias
from remora.cli.frame.options import Options, common_options
from remora.cli.frame.parts import make_app
from remora.cli.frame.timed_run import run_async
from remora.cli.frame.values import day
from remora.core.errors import Code, UsageProblem

app = make_app()


@app.command()
@common_options
def login(
    options: Options,
    alias: Annotated[str, typer.Argument(metavar="ALIAS", show_default=False, autocompletion=complete_alias)],
    api_key_from: Annotated[
        str | None, typer.Option(metavar="VARIABLE", help="Sign in with the API key in this environment variable.")
    ] = None,
    access_token_from: Annotated[
        str | None, typer.Option(metavar="VARIABLE", help="Sign in with the access token in this variable.")
    ] = None,
    with_api_key: Annotated[
        bool, typer.Option("--with-api-key", help="Sign in with an API key from standard input.")
    ] = False,
    with_access_token: Annotated[
        bool, typer.Option("--with-access-token", help="Sign in with an access token from standard input.")
    ] = False,
    device: Annotated[
        bool,
        typer.Option("--device", help="Sign in with a code for any browser; the default on a terminal."),
    ] = False,
    status: Annotated[bool, typer.Option("--status", help="Only test the stored login with a real request.")] = False,
    expires: Annotated[
        date | None,
        typer.Option(
            metavar="YYYY-MM-DD",
            parser=day("--expires"),
            help="The day on which the secret expires; remora warns before it.",
        ),
    ] = None,
) -> int:
    """Sign codex in on a host.

    On a terminal a code is shown, which you enter in a browser anywhere. A secret travels on standard input alone: type
    it at the prompt, or pipe it in. The new login is proven by a real
    request before it takes the place of the one from before; a refused one changes nothing.

    Examples:

      remora login devbox

      printenv OPENAI_API_KEY | remora login devbox --with-api-key

      remora login devbox --status --json
    """
    from remora.cli.devbox.login_show import How, login_and_show
    from remora.cli.frame.typed import read_aliases

    chosen = [
        how
        for how, given in (
            (How("api-key", api_key_from), api_key_from is not None),
            (How("access-token", access_token_from), access_token_from is not None),
            (How("api-key"), with_api_key),
            (How("access-token"), with_access_token),
            (How("device"), device),
            (How("status"), status),
        )
        if given
    ]
    if not chosen and options.may_ask:
        chosen = [How("device")]
    if len(chosen) != 1:
        raise UsageProblem(
            Code.USAGE,
            "More than one sign-in method was given." if chosen else "No sign-in method was given.",
            next_step="Use one of --device, --with-api-key, --with-access-token, --api-key-from, --access-token-from "
            "and --status.",
        )
    (name,) = read_aliases([alias], command="login")
    how = chosen[0].with_piped(options)
    return run_async(login_and_show(name, how, options, expires=expires), options)
