"""The command `remora provision`."""

from typing import TYPE_CHECKING, Annotated

import typer

from remora.cli.frame.completion import complete_alias
from remora.cli.frame.options import Options, common_options
from remora.cli.frame.parts import make_app
from remora.cli.frame.timed_run import limit_blocking, run_async
from remora.cli.frame.values import count, local_path, one_of
from remora.core.errors import Code, ExitCode, UsageProblem

if TYPE_CHECKING:
    from remora.wire.manifest.host_spec import HostSpec

app = make_app()


@app.command()
@common_options
def provision(
    options: Options,
    what: Annotated[
        list[str] | None, typer.Argument(metavar="MANIFEST | ALIAS...", parser=local_path, show_default=False)
    ] = None,
    host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ALIAS",
            help="Only this host of the manifest (or glob); may be repeated.",
            autocompletion=complete_alias,
        ),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Set a variable of the manifest; may be repeated."),
    ] = None,
    codex: Annotated[
        str | None,
        typer.Option(metavar="VERSION", help="Without a manifest: install this codex version, or latest, on ALIAS..."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            metavar="wheel|npm|file",
            help="Where --codex is fetched from. [wheel]",
            **one_of("--source", "wheel", "npm", "file"),
        ),
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(metavar="F", parser=local_path, help="The local archive or program for --codex."),
    ] = None,
    allow_shell_edit: Annotated[
        bool,
        typer.Option("--allow-shell-edit", help="--codex: allow one line in a start-up file if no link can be made."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show every step and its data; change nothing.")] = False,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", metavar="N", parser=count("--jobs"), help="How many hosts at the same time. [16]"),
    ] = None,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast/--keep-going", help="Start no further host after one fails.")
    ] = False,
    emit: Annotated[
        str | None,
        typer.Option(
            metavar="ansible|cloud-init",
            help="Contact no host; write files for another provisioning engine.",
            **one_of("--emit", "ansible", "cloud-init"),
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="DIR", parser=local_path, help="The folder for --emit. [provision-ENGINE]"
        ),
    ] = None,
    platform: Annotated[
        list[str] | None,
        typer.Option(metavar="OS-ARCH", help="--emit: add codex for this platform (Linux-aarch64); may be repeated."),
    ] = None,
    user: Annotated[
        str | None, typer.Option(metavar="NAME", help="--emit cloud-init: the account on the new machine.")
    ] = None,
    codex_url: Annotated[
        str | None, typer.Option(metavar="URL", help="--emit cloud-init: the URL of the codex archive.")
    ] = None,
    program_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="--emit cloud-init: the URL of the emitted program."),
    ] = None,
    example: Annotated[bool, typer.Option("--example", help="Print a complete manifest with comments.")] = False,
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

      remora provision devbox.toml --emit ansible --output playbook
    """
    if example or schema:
        return _print(schema=schema)
    from remora.cli.devbox.provision_show import emit_and_show, provision_and_show

    with limit_blocking(options):
        specs = _read_specs(
            what or [],
            options,
            codex,
            of_manifest={"--host": host or [], "--set": assignments or []},
            of_codex={"--source": source, "--file": file},
            allow_shell_edit=allow_shell_edit,
        )
    of_emit = {
        "--output": output,
        "--platform": platform,
        "--user": user,
        "--codex-url": codex_url,
        "--program-url": program_url,
    }
    if emit is not None:
        for name, given in {"--dry-run": dry_run, "--jobs": jobs, "--fail-fast": fail_fast}.items():
            _refuse(name, given, partner="a run at hosts, not with --emit")
        if emit == "ansible":
            for name in ("--user", "--codex-url", "--program-url"):
                _refuse(name, of_emit[name], partner="--emit cloud-init")
        folder = output or f"provision-{emit}"
        showing = emit_and_show(
            specs,
            options,
            engine=emit,
            folder=folder,
            manifest=(what or [""])[0] if codex is None else "--codex",
            platforms=platform or (),
            user=user,
            codex_url=codex_url,
            program_url=program_url,
        )
        return run_async(showing, options)
    for name, value in of_emit.items():
        _refuse(name, value, partner="--emit")
    return run_async(provision_and_show(specs, options, dry_run=dry_run, jobs=jobs, fail_fast=fail_fast), options)


def _read_specs(
    words: list[str],
    options: Options,
    codex: str | None,
    *,
    of_manifest: dict[str, list[str]],
    of_codex: dict[str, str | None],
    allow_shell_edit: bool,
) -> "tuple[HostSpec, ...]":
    from remora import api
    from remora.cli.frame.typed import read_aliases

    strange = of_codex if codex is None else of_manifest
    for name, value in strange.items():
        _refuse(name, value, partner="--codex" if codex is None else "a manifest")
    if codex is None:
        if allow_shell_edit:
            advice = "Write allow_shell_edit = true into [path] of the manifest."
            raise UsageProblem(Code.USAGE, "--allow-shell-edit goes with --codex.", next_step=advice)
        return api.load_manifest(
            _only(words),
            hosts=of_manifest["--host"],
            assignments=of_manifest["--set"],
            ssh_config=options.ssh_config,
            settings=options.settings,
        )
    manifest = next((word for word in words if word.endswith(".toml")), None)
    if manifest is not None:
        raise UsageProblem(
            Code.USAGE,
            f"--codex goes with aliases, but {manifest} is a manifest, which names its own codex.",
            next_step=f"Omit --codex, or name hosts instead of {manifest}.",
        )
    if "/" in codex:
        raise UsageProblem(
            Code.USAGE,
            f"--codex names a version to install; {codex!r} is a path.",
            next_step="To install from a file: remora provision ALIAS --codex latest --source file --file PATH",
        )
    if not words:
        raise UsageProblem(Code.USAGE, "No host was named.", next_step="List the aliases with: remora hosts")
    return api.codex_specs(
        read_aliases(words, command="provision"),
        version=codex,
        source=of_codex["--source"],
        file=of_codex["--file"],
        allow_shell_edit=allow_shell_edit,
        ssh_config=options.ssh_config,
    )


def _refuse(name: str, value: object, *, partner: str) -> None:
    if value:
        raise UsageProblem(Code.USAGE, f"{name} goes with {partner}.", next_step=f"Leave {name} out.")


def _only(words: list[str]) -> str:
    if len(words) == 1 and words[0].strip():
        return words[0]
    if len(words) == 1:
        raise UsageProblem(Code.USAGE, "Empty value for MANIFEST.", next_step="Give the path of the manifest.")
    raise UsageProblem(
        Code.USAGE,
        "More than one manifest was named." if words else "No manifest was named.",
        next_step="Name a TOML file; to install codex and nothing else: remora provision ALIAS... --codex latest",
    )


def _print(*, schema: bool) -> int:
    import json
    import sys

    from remora import api

    text = json.dumps(api.manifest_schema(), indent=2) + "\n" if schema else api.manifest_example()
    sys.stdout.write(text)
    return ExitCode.DONE
