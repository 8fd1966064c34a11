"""The command `remora check`."""

from typing import TYPE_CHECKING, Annotated

import typer

from remora.cli.frame.completion import complete_alias
from remora.cli.frame.options import CodexPath, Options, common_options
from remora.cli.frame.parts import make_app
from remora.cli.frame.timed_run import limit_blocking, run_async
from remora.core.errors import Code, UsageProblem
from remora.core.host.aliases import AliasProblem, config_unusable

if TYPE_CHECKING:
    from collections.abc import Sequence

app = make_app()


@app.command()
@common_options
def check(
    options: Options,
    aliases: Annotated[
        list[str] | None, typer.Argument(metavar="ALIAS...", show_default=False, autocompletion=complete_alias)
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Check every alias of the SSH config.")] = False,
    codex: CodexPath = None,
) -> int:
    """Prove the way to a host, stage by stage.

    From the SSH config to a handshake. Starts and changes nothing.

    Each host is checked over one connection; several hosts side by side. The exit code is that of the first
    stage that failed; 13 when hosts fail in different ways or only some fail.

    Examples:

      remora check devbox

      remora check --all --json
    """
    from remora.cli.host.check_show import check_and_show

    with limit_blocking(options):
        names = _names(aliases or [], every, options)
    return run_async(check_and_show(names, options, codex=codex), options)


def _every_alias(options: Options) -> list[str]:
    from remora import api

    report = api.list_hosts(ssh_config=options.ssh_config)
    if report.problems and not report.hosts:
        raise config_unusable(
            [AliasProblem(problem.file, problem.line, problem.message) for problem in report.problems]
        )
    return [row.alias for row in report.hosts]


def _names(aliases: "Sequence[str]", every: bool, options: Options) -> list[str]:
    from remora.cli.frame.typed import read_aliases

    if every == bool(aliases):
        raise UsageProblem(
            Code.USAGE,
            "Name hosts or use --all, but not both." if every else "No host was named.",
            next_step="List the aliases with: remora hosts",
        )
    if every:
        return _every_alias(options)
    return read_aliases(aliases, command="check")
