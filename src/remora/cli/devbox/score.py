"""The command `remora score`."""

from typing import Annotated

import typer

from remora.cli.frame.completion import complete_alias
from remora.cli.frame.options import CodexPath, Options, common_options
from remora.cli.frame.parts import make_app
from remora.cli.frame.timed_run import run_async
from remora.cli.frame.values import score as score_of
from remora.cli.frame.values import seconds
from remora.core.errors import Code, UsageProblem

app = make_app()


@app.command()
@common_options
def score(
    options: Options,
    place: Annotated[
        str,
        typer.Argument(
            metavar="ALIAS:DIR", help="The host, and the folder of the project there.", autocompletion=complete_alias
        ),
    ],
    minimum: Annotated[
        float | None,
        typer.Option("--min", metavar="N", parser=score_of("--min"), help="Exit 1 if the score is below N of 100."),
    ] = None,
    install: Annotated[str | None, typer.Option(metavar="CMD", help="The command that installs the project.")] = None,
    build: Annotated[str | None, typer.Option(metavar="CMD", help="The command that builds it.")] = None,
    test: Annotated[str | None, typer.Option(metavar="CMD", help="The command that tests it.")] = None,
    no_run: Annotated[
        bool, typer.Option("--no-run", help="Run no command of the project; those items stay unknown.")
    ] = False,
    limit: Annotated[
        float | None,
        typer.Option(metavar="S", parser=seconds("--limit"), help="Time limit of each command, in seconds. [900]"),
    ] = None,
    codex: CodexPath = None,
) -> int:
    """Measure how ready a host and a repository are for agents.

    Four groups: environment (the project installs, builds and passes its tests from a clean checkout), instructions,
    permissions, review. Every item shows the command that measured it. What cannot be measured is unknown: it counts
    neither for nor against, and is listed.

    This runs the project's own commands on the host, with your account's rights there: code of the repository, as
    committed. Use --no-run for a repository that you do not trust. They run in a checkout of HEAD in a scratch folder,
    which is removed at the end; the folder itself is not touched.

    Examples:

      remora score devbox:~/proj

      remora score devbox:~/proj --test "make check" --min 80

      remora score devbox:~/proj --no-run --json
    """
    from remora.cli.devbox.score_show import score_and_show
    from remora.cli.frame.typed import read_place

    address = read_place(place)
    if address.folder is None or address.thread is not None:
        raise UsageProblem(
            Code.USAGE,
            f"{place!r} does not name a folder on a host.",
            next_step=f"Name the project's folder: remora score {address.alias}:DIR",
        )
    commands = {"install": install, "build": build, "test": test}
    scoring = score_and_show(
        address.alias,
        address.folder,
        options,
        commands=commands,
        run=not no_run,
        limit=limit,
        minimum=minimum,
        codex=codex,
    )
    return run_async(scoring, options)
