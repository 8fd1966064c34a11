"""Projects for a host: a repository, a table that names it, and what provisioning makes of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.provision.gits import git, new_repository
from tests.support.provision.provision_bench import provision
from tests.support.sshd.system_sshd import SystemSshd

from remora.core.errors import Code
from remora.core.settings import Limits
from remora.flows.provision.steps.project import SetupStep, SmokeStep
from remora.flows.provision.steps.repository import RepositoryStep
from remora.flows.provision.steps.step import Step
from remora.ports import SecretReader
from remora.testing.memory_secrets import MemorySecrets
from remora.wire.manifest.document import ProjectTable
from remora.wire.reports.provision import HostProvision, ProvisionProgress, StepBody

CANARY = 'canary-7f3a \' "$HOME"\nsecond line'
QUICK = Limits(provision_retries=1)


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[SystemSshd]:
    state = {"GIT_CONFIG_GLOBAL": "/dev/null", "LC_ALL": "C.UTF-8"}
    with SystemSshd(tmp_path, options=["MaxSessions 1"], environment=state) as server:
        yield server


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    return new_repository(tmp_path / "origin")


def project(origin: Path, **changes: object) -> ProjectTable:
    fields: dict[str, object] = {"repository": str(origin), "folder": "~/src/app", "ref": "main", **changes}
    return ProjectTable(**fields)  # type: ignore[arg-type]


def steps_of(table: ProjectTable, secrets: SecretReader | None = None) -> list[Step]:
    steps: list[Step] = [RepositoryStep(table)]
    if table.setup is not None:
        steps.append(SetupStep(table, secrets or MemorySecrets(CANARY)))
    if table.smoke is not None:
        steps.append(SmokeStep(table))
    return steps


def provisioned(
    sshd: SystemSshd, table: ProjectTable, *, progress: list[ProvisionProgress] | None = None, dry_run: bool = False
) -> HostProvision:
    return run(provision(sshd, steps_of(table), limits=QUICK, progress=progress, dry_run=dry_run))


def outcomes(host: HostProvision) -> list[str]:
    return [step.outcome for step in host.steps]


def failed_step(host: HostProvision, code: Code) -> StepBody:
    failed = next(step for step in host.steps if step.outcome == "failed")
    assert failed.error is not None
    assert failed.error.code == code, failed.error
    return failed


def tree(sshd: SystemSshd) -> Path:
    return sshd.home / "src/app"


def head(sshd: SystemSshd) -> str:
    return git(tree(sshd), "rev-parse", "HEAD")


def another_machine(folder: Path) -> Path:
    """An sshd that believes to be on another machine, with this one's file systems."""
    identity, program = folder / "machine-id", folder / "sshd-elsewhere"
    identity.write_text("0123456789abcdef0123456789abcdef\n")
    mount = f"mount --bind {identity} /etc/machine-id"
    program.write_text(f'#!/bin/sh\nexec unshare -m /bin/sh -c \'{mount} && exec /usr/sbin/sshd "$@"\' sshd "$@"\n')
    program.chmod(0o755)
    return program
