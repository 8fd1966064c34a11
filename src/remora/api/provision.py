"""Devboxes: described in a manifest, and brought to that state."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from remora.core.settings import DEFAULT_SETTINGS, Settings

if TYPE_CHECKING:
    from remora.ports import Dialogue
    from remora.wire.manifest.host_spec import HostSpec
    from remora.wire.reports.provision import ProvisionProgress


def load_manifest(
    file: str,
    *,
    hosts: Sequence[str] = (),
    assignments: Sequence[str] = (),
    ssh_config: str | None = None,
    settings: Settings = DEFAULT_SETTINGS,
) -> "tuple[HostSpec, ...]":
    """What the manifest `file` says each of its hosts is to be, in its order; contacts nobody.

    With `hosts`, aliases or globs, of those alone. `assignments` are variables as ``NAME=VALUE``; they count more than
    those of the file. Raises :class:`~remora.core.errors.ConfigProblem`
    (``manifest-invalid``) for what cannot be used in the file, and for hosts that the SSH config does not know;
    :class:`~remora.core.errors.UsageProblem` for `hosts` that the manifest does not select, and for `assignments`
    that it knows nothing of.
    """
    from remora import wiring
    from remora.wire.manifest.host_selection import narrow, take_inventory
    from remora.wire.manifest.host_spec import read_specs
    from remora.wire.manifest.variables import read_assignments

    place = wiring.manifest_file(file, limits=settings.limits)
    values, text = place.load()
    inventory = take_inventory(wiring.default_config_reader(ssh_config).read(), settings)
    variables = read_assignments(assignments)
    specs = read_specs(values, text=text, place=place, inventory=inventory, variables=variables)
    chosen = narrow([spec.alias for spec in specs], hosts)
    return tuple(spec for spec in specs if spec.alias in chosen)


def codex_specs(
    aliases: Sequence[str],
    *,
    version: str,
    source: str | None = None,
    file: str | None = None,
    allow_shell_edit: bool = False,
    ssh_config: str | None = None,
) -> "tuple[HostSpec, ...]":
    """The simple case: codex installed on `aliases` and visible to their login shells, nothing else.

    `source` is ``wheel``, ``npm`` or ``file``, which is meant when `file` is given. With `allow_shell_edit` a start-up
    file gets one marked line where no folder on the PATH takes a link. Raises
    :class:`~remora.core.errors.UsageProblem`, and :class:`~remora.core.errors.ConfigProblem` (``alias-unknown``).
    """
    from pathlib import Path

    from remora import wiring
    from remora.core.errors import Code, UsageProblem
    from remora.core.host.aliases import explain_unknown
    from remora.wire.manifest.host_spec import simple_specs

    listing = wiring.default_config_reader(ssh_config).read()
    for alias in aliases:
        unknown = explain_unknown(alias, listing)
        if unknown is not None:
            raise unknown
    named = None if file is None else str(Path(file).expanduser().absolute())
    if named is not None and not Path(named).exists():
        advice = "Name a codex program, wheel or .tar.gz archive that is on this machine."
        raise UsageProblem(Code.USAGE, f"--file: {named} does not exist.", next_step=advice)
    return simple_specs(aliases, version=version, source=source, file=named, allow_shell_edit=allow_shell_edit)


async def provision(
    specs: "Sequence[HostSpec]",
    *,
    dry_run: bool = False,
    jobs: int | None = None,
    fail_fast: bool = False,
    dialogue: "Dialogue | None" = None,
    tell: Callable[[str, int, int], None] | None = None,
    ssh_config: str | None = None,
    settings: Settings = DEFAULT_SETTINGS,
) -> "AsyncGenerator[ProvisionProgress, None]":
    """Bring hosts to the state that `specs` describe, `jobs` of them side by side, each over one connection.

    Steps come as they begin, move and end, a host when it is done, and one report, in the order given, at the end. A
    failure belongs to its host; with `fail_fast` no further host is begun after one. With `dry_run` hosts are read
    and nothing is changed. Without `dialogue` every question while connecting is refused. `tell` hears what this
    machine fetches for all of them, how many bytes of it are there, and of how many (0: not known). Use it under
    ``contextlib.aclosing`` to let go early: the next run goes on where this one stopped.
    """
    from remora import wiring
    from remora.core.secrets import hide_in_addresses
    from remora.flows.kit.unattended import UnattendedDialogue
    from remora.flows.provision.fleet import provision_hosts
    from remora.flows.provision.redaction import without_secrets
    from remora.flows.provision.run_record import recorded

    world = wiring.default_world(ssh_config, settings=settings)
    secrets = wiring.secret_sources(limits=settings.limits)
    logs = None if dry_run else wiring.provision_logs(world.clock, limits=settings.limits)

    def remarks(alias: str) -> list[str]:
        files = next((spec.secret_files for spec in specs if spec.alias == alias), ())
        return [
            f"Other accounts of this machine can read the secret in {file}; use chmod 600."
            for file in files
            if file in secrets.exposed
        ]

    with wiring.operator() as operator:
        progress = provision_hosts(
            specs,
            world,
            dialogue or UnattendedDialogue(),
            packages=wiring.packages(world.clock, limits=settings.limits, tell=tell),
            secrets=secrets,
            trust=wiring.trust_memory(),
            dry_run=dry_run,
            jobs=jobs or settings.limits.provision_parallel,
            fail_fast=fail_fast,
            operator=operator,
        )
        told = without_secrets(progress, lambda text: hide_in_addresses(secrets.hide(text)))
        async with aclosing(recorded(told, logs, world.clock, remarks=remarks)) as steps:
            async for step in steps:
                yield step


async def emit_provisioning(
    specs: "Sequence[HostSpec]",
    engine: str,
    folder: str,
    *,
    manifest: str,
    platforms: Sequence[str] = (),
    user: str | None = None,
    codex_url: str | None = None,
    program_url: str | None = None,
    tell: Callable[[str, int, int], None] | None = None,
    ssh_config: str | None = None,
    settings: Settings = DEFAULT_SETTINGS,
) -> "tuple[tuple[str, ...], tuple[str, ...]]":
    """Write into `folder` what lets `engine` (``ansible`` or ``cloud-init``) bring hosts to the state of `specs`.

    Gives the paths of the files, relative to `folder`, and notices. Contacts no host and reads no secret.
    `platforms` (``Linux-x86_64``) are those that codex is brought along for; `user` is the account on a new machine,
    which finds an archive of codex from a file at `codex_url`, and its program below `program_url` instead of in its
    user-data. Raises :class:`~remora.core.errors.UsageProblem` and
    :class:`~remora.core.errors.ConfigProblem` for what cannot be the same there.
    """
    from importlib.metadata import version

    from remora import wiring
    from remora.core.words import choose
    from remora.flows.provision.emit.engines import EmitRequest, Engine, emit

    request = EmitRequest(
        engine=choose(Engine, engine, what="--emit"),
        platforms=tuple(platforms),
        user=user,
        codex_url=codex_url,
        program_url=program_url,
        manifest=manifest.rpartition("/")[2],
        operator=wiring.operator_name(),
        version=version("remora"),
        ssh_config=None if ssh_config is None else wiring.absolute_path(ssh_config),
    )
    limits = settings.limits
    clock = wiring.default_world(ssh_config, settings=settings).clock
    emission = await emit(
        specs,
        request,
        packages=wiring.packages(clock, limits=limits, tell=tell),
        secrets=wiring.secret_sources(limits=limits),
        limits=limits,
    )
    wiring.write_emitted(folder, emission.files)
    return tuple(file.path for file in emission.files), emission.notices


def manifest_example() -> str:
    """A whole manifest with comments."""
    from importlib.resources import files

    return (files("remora.wire.manifest") / "example.toml").read_text("utf-8")


def manifest_schema() -> dict[str, Any]:
    """The JSON schema of manifests."""
    from remora.wire.manifest.schema import manifest_schema

    return manifest_schema()
