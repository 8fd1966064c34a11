"""The hash that a manifest names for a project, on a real sshd: noted here, if it is that of what is there."""

from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.provision.gits import commit, git
from tests.support.provision.projects import QUICK, failed_step, origin, outcomes, project, sshd, tree
from tests.support.provision.provision_bench import provision
from tests.support.sshd.system_sshd import SystemSshd

from remora.adapters.records.trust_memory import TrustFile
from remora.core.errors import Code
from remora.flows.provision.steps.repository import RepositoryStep
from remora.flows.provision.steps.trust import TrustStep
from remora.wire.reports.provision import HostProvision

pytestmark = pytest.mark.sshd
__all__ = ["origin", "sshd"]
CONFIG = '[mcp_servers.x]\ncommand = "sh"\nargs = ["-c", "./scripts/x.sh"]\n'


def bring(origin: Path, script: str = "true") -> None:
    (origin / ".codex").mkdir(exist_ok=True)
    (origin / ".codex/config.toml").write_text(CONFIG)
    (origin / "scripts").mkdir(exist_ok=True)
    (origin / "scripts/x.sh").write_text(f"{script}\n")
    git(origin, "add", "--force", ".codex", "scripts")
    git(origin, "commit", "--quiet", "-m", script)


def trusted(sshd: SystemSshd, origin: Path, digest: str, memory: TrustFile, *, dry_run: bool = False) -> HostProvision:
    table = project(origin, trust=digest)
    return run(
        provision(sshd, [RepositoryStep(table), TrustStep(table, memory, "devbox")], limits=QUICK, dry_run=dry_run)
    )


def hash_there(sshd: SystemSshd, origin: Path, memory: TrustFile) -> str:
    """As the refusal of another one says it."""
    error = failed_step(trusted(sshd, origin, "ab" * 32, memory), Code.TRUST_MISMATCH).error
    assert error is not None
    assert "./scripts/x.sh" in error.seen
    assert "program scripts/x.sh" in error.seen
    return error.message.rpartition(" ")[2].rstrip(".")


def test_a_hash_is_noted_once_and_only_if_it_is_that_of_what_is_there(
    sshd: SystemSshd, origin: Path, tmp_path: Path
) -> None:
    bring(origin)
    memory = TrustFile(tmp_path / "state")
    planned = trusted(sshd, origin, "ab" * 32, memory, dry_run=True)
    assert outcomes(planned) == ["would-change"] * 2
    digest = hash_there(sshd, origin, memory)
    assert not memory.knows("/")
    assert outcomes(trusted(sshd, origin, digest, memory, dry_run=True)) == ["unchanged", "would-change"]
    assert not memory.knows("/")
    assert outcomes(trusted(sshd, origin, digest, memory)) == ["unchanged", "changed"]
    assert outcomes(trusted(sshd, origin, digest, memory)) == ["unchanged", "unchanged"]
    assert outcomes(trusted(sshd, origin, digest, TrustFile(tmp_path / "another"))) == ["unchanged", "changed"]
    assert memory.knows(str(tree(sshd)))
    bring(origin, "false")
    assert outcomes(trusted(sshd, origin, "ab" * 32, memory)) == ["changed", "failed"], "the script is another one"
    assert hash_there(sshd, origin, memory) != digest


def test_what_brings_nothing_has_no_hash(sshd: SystemSshd, origin: Path, tmp_path: Path) -> None:
    commit(origin, "README", "more")
    error = failed_step(trusted(sshd, origin, "ab" * 32, TrustFile(tmp_path)), Code.TRUST_MISMATCH).error
    assert error is not None
    assert "brings nothing that needs trust" in error.message
