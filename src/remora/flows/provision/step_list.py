"""The steps that bring a host to what its manifest says, in their order."""

from msgspec import UNSET

from remora.flows.provision.steps.step import Step
from remora.ports import Packages, SecretReader, TrustMemory
from remora.wire.manifest.document import CodexTable, HostTables, LoginKind, PathChange
from remora.wire.manifest.host_spec import HostSpec


def steps_for(spec: HostSpec, *, packages: Packages, secrets: SecretReader, trust: TrustMemory) -> tuple[Step, ...]:
    """Steps for all that `spec` mentions; what it does not mention is left alone."""
    tables = spec.tables
    return (
        *_program(tables, packages),
        *_files(tables),
        *_account(tables, secrets),
        *_projects(spec.alias, tables, secrets, trust),
    )


def _program(tables: HostTables, packages: Packages) -> tuple[Step, ...]:
    from remora.flows.provision.steps.codex import CodexStep
    from remora.flows.provision.steps.path import PathStep

    codex = tables.codex
    steps: list[Step] = []
    if codex is not UNSET:
        steps.append(CodexStep(codex, packages))
    if tables.path is not UNSET and tables.path.how is not PathChange.NONE:
        steps.append(PathStep(CodexTable() if codex is UNSET else codex, tables.path))
    return tuple(steps)


def _files(tables: HostTables) -> tuple[Step, ...]:
    from remora.flows.provision.steps.config import ConfigStep
    from remora.flows.provision.steps.file import FileStep

    steps: list[Step] = []
    if tables.config:
        steps.append(ConfigStep(tables.config))
    if tables.instructions is not UNSET:
        content = (tables.instructions.content or "").encode()
        steps.append(FileStep("AGENTS.md", content, "0644", name="instructions", title="AGENTS.md"))
    steps.extend(FileStep(file.path, (file.content or "").encode(), file.mode) for file in tables.files)
    return tuple(steps)


def _account(tables: HostTables, secrets: SecretReader) -> tuple[Step, ...]:
    from remora.flows.provision.steps.limits import LimitsStep
    from remora.flows.provision.steps.login import LoginStep
    from remora.flows.provision.steps.server import ServerStep

    steps: list[Step] = []
    if tables.login is not UNSET and tables.login.kind is not LoginKind.NONE:
        steps.append(LoginStep(tables.login, secrets))
    if tables.server is not UNSET:
        # Both take back what an earlier manifest wished and this one does not.
        steps += [LimitsStep(tables.server), ServerStep(tables.server)]
    return tuple(steps)


def _projects(alias: str, tables: HostTables, secrets: SecretReader, trust: TrustMemory) -> tuple[Step, ...]:
    if not tables.projects:
        return ()
    from remora.flows.provision.steps.project import SetupStep, SmokeStep
    from remora.flows.provision.steps.repository import RepositoryStep
    from remora.flows.provision.steps.trust import TrustStep

    steps: list[Step] = []
    for project in tables.projects:
        steps.append(RepositoryStep(project))
        if project.setup is not None:
            steps.append(SetupStep(project, secrets))
        if project.smoke is not None:
            steps.append(SmokeStep(project))
        if project.trust is not None:  # last: what a set-up changes counts
            steps.append(TrustStep(project, trust, alias))
    return tuple(steps)
