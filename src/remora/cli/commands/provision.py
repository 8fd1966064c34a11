"""The command `remora provision`."""

from typing import TYPE_CHECKING, Annotated

import typer

from remora.cli.completion import complete_alias
from remora.cli.options import Options, common_options
from remora.cli.parts import make_app
from remora.cli.running import limit_blocking, run_async
from remora.core.errors import Code, ExitCode, UsageProblem

if TYPE_CHECKING:
    from remora.wire.host_spec import HostSpec

app = make_app()


@app.command()
@common_options
def provision(
    options: Options,
    what: Annotated[list[str] | None, typer.Argument(metavar="MANIFEST | ALIAS...", show_default=False)] = None,
    host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ALIAS",
            help="Only this host of the manifest, or a glob; again for more.",
            autocompletion=complete_alias,
        ),
    ] = None,
    codex: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Install this codex on ALIAS..., or latest; no manifest.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(metavar="wheel|npm|file", help="Where --codex comes from. [wheel]")
    ] = None,
    file: Annotated[
        str | None, typer.Option(metavar="F", help="The archive or program on this machine for --codex.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show every step and what it would send; change nothing.")
    ] = False,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", metavar="N", min=1, help="So many hosts side by side. [16]")
    ] = None,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast/--keep-going", help="Begin no further host after one has failed.")
    ] = False,
    example: Annotated[bool, typer.Option("--example", help="Print a whole manifest with comments.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of manifests.")] = False,
) -> int:
    """Bring devboxes to a described state.

    A manifest says what its hosts are to be: codex and its version, its configuration, files, projects, login, server.
    Each step is read, compared, changed if different, and read again; a second run changes and sends nothing. It may be
    stopped at any point: the next run goes on. Exit 0, or 13 when any host failed.

    Examples:

      remora provision devbox.toml --dry-run

      remora provision devbox.toml --host 'ci-*' --json

      remora provision devbox --codex latest
    """
    if example or schema:
        return _print(schema=schema)
    from remora.cli.provisioning import provision_and_show

    with limit_blocking(options):
        if codex is None:
            specs = _from_manifest(what or [], host or [], options, unused={"--source": source, "--file": file})
        else:
            specs = _from_options(what or [], options, codex, source, file, host)
    return run_async(provision_and_show(specs, options, dry_run=dry_run, jobs=jobs, fail_fast=fail_fast), options)


def _from_manifest(
    words: list[str], hosts: list[str], options: Options, *, unused: dict[str, str | None]
) -> "tuple[HostSpec, ...]":
    from remora import api

    for name, value in unused.items():
        if value is not None:
            raise UsageProblem(Code.USAGE, f"{name} goes with --codex.", next_step=f"Leave {name} out, or add --codex.")
    if len(words) != 1:
        message = "Several words were given, and a manifest is one file." if words else "No manifest was named."
        raise UsageProblem(
            Code.USAGE,
            message,
            next_step="Name a TOML file; to install codex and nothing else: remora provision ALIAS... --codex latest",
        )
    return api.load_manifest(words[0], hosts=hosts, ssh_config=options.ssh_config, settings=options.settings)


def _from_options(
    words: list[str], options: Options, codex: str, source: str | None, file: str | None, host: list[str] | None
) -> "tuple[HostSpec, ...]":
    from remora import api
    from remora.cli.prompting import read_aliases

    if host:
        raise UsageProblem(Code.USAGE, "--host goes with a manifest.", next_step="Name the hosts themselves.")
    if not words:
        raise UsageProblem(Code.USAGE, "No host was named.", next_step="List the aliases with: remora hosts")
    aliases = read_aliases(words, command="provision")
    return api.codex_specs(aliases, version=codex, source=source, file=file, ssh_config=options.ssh_config)


def _print(*, schema: bool) -> int:
    import json
    import sys

    from remora import api

    text = json.dumps(api.manifest_schema(), indent=2) + "\n" if schema else api.manifest_example()
    sys.stdout.write(text)
    return ExitCode.DONE
