"""Manifests as work for another engine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from msgspec import UNSET

from remora.core.errors import AppServerProblem, Code, UsageProblem
from remora.core.secrets import hide_in_addresses
from remora.core.server.platforms import BUILT_FOR, codex_build
from remora.core.settings import Limits
from remora.flows.kit.unattended import NoTrustMemory
from remora.flows.provision.emit.cloud_init import cloud_init_files, secret_in_address
from remora.flows.provision.emit.emission import Emission, EmittedFile, archive_name
from remora.flows.provision.emit.playbook import TaskGroup, playbook_files
from remora.flows.provision.step_list import steps_for
from remora.flows.provision.steps.alone import AloneStep, AloneTerms
from remora.ports import Package, Packages, Platform, SecretReader
from remora.wire.manifest.document import CodexSource, CodexTable, SecretSource
from remora.wire.manifest.host_spec import HostSpec

DEFAULT_PLATFORMS: Final = ("Linux-x86_64", "Linux-aarch64")


class Engine(StrEnum):
    """Who carries it out."""

    ANSIBLE = "ansible"
    CLOUD_INIT = "cloud-init"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmitRequest:
    """`user`, `codex_url` and `program_url` are for machines on their own: where they find the archive of a codex that
    comes from a file, and the folder of programs that are too large for user-data. `ssh_config` is the file that
    aliases are found in, where it is not the usual one.
    """

    engine: Engine
    platforms: tuple[str, ...] = ()
    user: str | None = None
    codex_url: str | None = None
    program_url: str | None = None
    manifest: str
    operator: str
    version: str
    ssh_config: str | None = None


async def emit(
    specs: Sequence[HostSpec], request: EmitRequest, *, packages: Packages, secrets: SecretReader, limits: Limits
) -> Emission:
    """The files for `request.engine`. No secret is read. Raises what cannot be the same there, in one sentence."""
    emitter = _Emitter(request, packages, secrets, limits)
    if request.engine is Engine.ANSIBLE:
        return await emitter.playbook(specs)
    return await emitter.user_data(specs)


class _Emitter:
    def __init__(self, request: EmitRequest, packages: Packages, secrets: SecretReader, limits: Limits) -> None:
        self._request = request
        self._packages = packages
        self._secrets = secrets
        self._limits = limits

    async def playbook(self, specs: Sequence[HostSpec]) -> Emission:
        shipped: dict[str, Package] = {}
        alike: dict[tuple[str, str], list[HostSpec]] = {}
        for spec in specs:
            alike.setdefault((spec.digest, repr(_sources(spec))), []).append(spec)
        groups = []
        for number, some in enumerate(alike.values(), 1):
            shipments = await self._shipments(some[0])
            for package in shipments:
                key = package.platform.name
                if shipped.setdefault(key, package).digest != package.digest:
                    raise UsageProblem(
                        Code.USAGE,
                        "The hosts of the manifest have different codex versions, but a playbook has only one.",
                        next_step="Emit a playbook for each version: choose hosts with --host.",
                    )
            groups.append(TaskGroup(f"devboxes_{number}", some, self._steps(some[0], shipments, lambda package: "")))
        request = self._request
        files = playbook_files(
            groups,
            shipped.values(),
            operator=request.operator,
            manifest=request.manifest,
            version=request.version,
            ssh_config=request.ssh_config,
        )
        return Emission(files)

    async def user_data(self, specs: Sequence[HostSpec]) -> Emission:
        request = self._request
        files: list[EmittedFile] = []
        notices: dict[str, list[str]] = {}
        for spec in specs:
            shipments = await self._shipments(spec)
            steps = self._steps(spec, shipments, self._fetched(spec))
            some, said = cloud_init_files(
                spec,
                steps,
                user=request.user,
                program_url=request.program_url,
                operator=request.operator,
                manifest=request.manifest,
                version=request.version,
            )
            files.extend(some)
            if shipments and _source(spec) is CodexSource.FILE:
                for package in shipments:
                    name = archive_name(package)
                    if all(file.path != name for file in files):
                        files.append(EmittedFile(name, package=package))
                said = (*said, f"it fetches codex from {request.codex_url}; upload the archive there.")
            for notice in said:
                notices.setdefault(notice, []).append(spec.alias)
        return Emission(tuple(files), tuple(f"{_whom(hosts)}: {notice}" for notice, hosts in notices.items()))

    def _steps(
        self, spec: HostSpec, shipments: Sequence[Package], fetched: Callable[[Package], str]
    ) -> tuple[AloneStep, ...]:
        terms = AloneTerms(self._limits, shipments, fetched)
        steps = steps_for(spec, packages=self._packages, secrets=self._secrets, trust=NoTrustMemory())
        return tuple(step.alone(terms) for step in steps)

    def _fetched(self, spec: HostSpec) -> Callable[[Package], str]:
        """Where a machine on its own finds its codex."""
        source, url = _source(spec), self._request.codex_url

        def fetched(package: Package) -> str:
            if source is CodexSource.WHEEL:
                return f"wheel:openai-codex-cli-bin=={package.version}"
            if source is CodexSource.NPM:
                tag = codex_build(package.platform.os, package.platform.architecture).npm_tag
                return f"npm:@openai/codex@{package.version}-{tag}"
            if url is None:
                raise UsageProblem(
                    Code.USAGE,
                    f"{spec.alias} gets codex from a local file, which a new machine cannot read.",
                    next_step="Name the URL of the emitted archive with --codex-url.",
                )
            if hide_in_addresses(url) != url:
                raise secret_in_address("--codex-url")
            return url

        return fetched

    async def _shipments(self, spec: HostSpec) -> tuple[Package, ...]:
        table = spec.tables.codex
        if table is UNSET or not table.is_ours:
            return ()
        names = self._request.platforms
        if not names:
            names = DEFAULT_PLATFORMS if table.source is not CodexSource.FILE and table.digest is None else ("",)
        platforms = [_platform(name) for name in names if name] or [_platform(DEFAULT_PLATFORMS[0])]
        packages = []
        for platform in platforms:
            source = table.source.value
            version = table.version
            if table.source is not CodexSource.FILE:
                version = await self._packages.find_version(source, table.version, platform)
            package = await self._packages.fetch(source, version, platform, file=table.file, digest=table.digest)
            packages.append(await self._packages.archive(package) if self._carries(table) else package)
        return tuple(packages)

    def _carries(self, table: CodexTable) -> bool:
        """Whether the archive itself is emitted; a new machine fetches what an index has."""
        return self._request.engine is Engine.ANSIBLE or table.source is CodexSource.FILE


def _platform(name: str) -> Platform:
    os, _, architecture = name.partition("-")
    try:
        codex_build(os, architecture)
    except AppServerProblem:
        raise UsageProblem(
            Code.USAGE,
            f"Invalid value {name!r} for --platform; codex is built for {', '.join(BUILT_FOR)}.",
            next_step=f"For example: --platform {BUILT_FOR[0]}",
        ) from None
    return Platform(os=os, architecture=architecture)


def _whom(hosts: Sequence[str]) -> str:
    """Whom a notice is about; a fleet is not named one by one."""
    return hosts[0] if len(hosts) == 1 else f"{hosts[0]} and {len(hosts) - 1} more"


def _source(spec: HostSpec) -> CodexSource | None:
    return None if spec.tables.codex is UNSET else spec.tables.codex.source


def _sources(spec: HostSpec) -> list[SecretSource | None]:
    login = spec.tables.login
    found = [None if login is UNSET else login.secret]
    found += [source for project in spec.tables.projects for _, source in sorted(project.secrets.items())]
    return found
