"""The program `remora`: its commands are loaded only when used.

To add a command, write ``cli/SUBJECT/NAME.py`` and name its module in :data:`COMMANDS`::

    app = make_app()                                # from remora.cli.frame.parts

    @app.command()
    @common_options                                 # from remora.cli.frame.options
    def check(options: Options, aliases: Annotated[list[str], typer.Argument(metavar="ALIAS...")]) -> int:
        "Prove the path to a host."                 # the docstring's first line is the short help
        from remora import api                      # heavy imports stay inside: --help loads every module

        report = run_async(api.check(aliases, ssh_config=options.ssh_config), options)   # remora.cli.frame.timed_run
        if options.json:
            write_document(report)                  # remora.cli.frame.output
        return report.exit_code                     # an ExitCode or int; None is 0

A failure is a raised :class:`~remora.core.errors.RemoraError`: `main` shows it in the form the user asked
for and exits with its code. A command never calls ``sys.exit`` and prints no error itself. A family of commands
(``hosts list``, ``hosts show``) is an `app` with several; ``make_app(default="list")`` names the one that runs
when none is named.
"""

from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from remora.cli.frame.options import Options, common_options
from remora.cli.frame.parts import make_app
from remora.core.errors import Code, ExitCode, UsageProblem

_EXIT_CODES: Final = """Exit codes: 0 done · 1 the turn or task failed · 2 usage · 3 local config · 4 unreachable ·
5 host key · 6 authentication · 7 shell or probe · 8 app server missing or unsupported · 9 launch failed ·
10 protocol or version · 11 needs a person · 12 denied by policy · 13 partial (some hosts failed) ·
14 time limit · 130 interrupted"""

COMMANDS: Final = {
    "bridge": "client.bridge",
    "check": "host.check",
    "connect": "link.connect",
    "demo": "thread.demo",
    "disconnect": "link.disconnect",
    "forward": "link.forward",
    "hosts": "host.hosts",
    "hub": "link.hub",
    "login": "devbox.login",
    "provision": "devbox.provision",
    "run": "thread.run",
    "score": "devbox.score",
    "status": "link.status",
    "threads": "thread.threads",
    "trust": "approval.trust",
    "tui": "client.tui",
    "wait": "host.wait",
}
"""Each command, and the module below ``remora.cli`` whose `app` it is."""


class CommandGroup(TyperGroup):
    """The root: one module per command, imported when the command is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        if cmd_name not in self.commands:
            module = import_module(f"remora.cli.{COMMANDS[cmd_name]}")
            self.commands[cmd_name] = typer.main.get_command(module.app)
        return self.commands[cmd_name]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in COMMANDS:
            raise _no_such_command(args[0])
        return super().resolve_command(ctx, args)


app = make_app(cls=CommandGroup, epilog=_EXIT_CODES)


@app.callback(invoke_without_command=True)
@common_options
def remora(
    options: Options,
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> int | None:
    """Attach coding-agent sessions to any SSH host."""
    if version:
        from importlib.metadata import version as installed_version

        typer.echo(f"remora {installed_version('remora')}")
        raise typer.Exit
    if context.invoked_subcommand is not None:
        return None
    if options.json:
        raise UsageProblem(Code.USAGE, "No command was named.", next_step="See the commands with: remora --help")
    typer.echo(context.get_help(), err=True)
    return ExitCode.USAGE


def _no_such_command(name: str) -> UsageProblem:
    from difflib import get_close_matches

    near = get_close_matches(name, COMMANDS, n=1)
    next_step = f"Did you mean: remora {near[0]}" if near else "See the commands with: remora --help"
    return UsageProblem(Code.USAGE, f"Unknown command: {name!r}.", next_step=next_step)
