"""Steps at a home that two machines share: what the other one does between our look, our step and its proof."""

import os
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.codex.binaries import NEWEST
from tests.support.model.login_endpoint import login_endpoint
from tests.support.model.logins import CANARY, host_with
from tests.support.provision.packages import HERE, make_package, packages_in
from tests.support.provision.projects import another_machine
from tests.support.provision.provision_bench import bench_at, bring, read
from tests.support.sshd.system_sshd import SystemSshd

from remora.core.devbox.provision_step import Finding, StepScript, StepState
from remora.flows.provision.steps.codex import CodexStep
from remora.flows.provision.steps.login import LoginStep
from remora.flows.server.shell import shipped
from remora.testing.memory_secrets import MemorySecrets
from remora.wire.manifest.document import CodexSource, CodexTable, LoginKind, LoginTable, SecretSource

pytestmark = pytest.mark.sshd


@pytest.mark.codex
@pytest.mark.skipif(os.getuid() != 0, reason="another machine id needs a mount")
@pytest.mark.parametrize("their_secret", [CANARY, "sk-other"])
def test_f61_who_signs_in_with_the_same_secret_elsewhere_changes_nothing_here(
    their_secret: str, tmp_path: Path
) -> None:
    """The home has one login, and each machine a note of it."""

    async def at(host: SystemSshd, secret: str, *, brings: bool) -> Finding:
        table = LoginTable(kind=LoginKind.API_KEY, secret=SecretSource(environment="KEY"))
        step = LoginStep(table, MemorySecrets(secret))
        async with bench_at(host) as bench:
            return await (bring if brings else read)(step, bench)

    with login_endpoint() as endpoint, host_with(NEWEST, tmp_path, endpoint) as sshd:
        environment = {**endpoint.environment(), "XDG_RUNTIME_DIR": str(tmp_path)}
        with SystemSshd(tmp_path, program=str(another_machine(tmp_path)), environment=environment) as other:
            other.home.rmdir()
            other.home.symlink_to(sshd.home)
            run(at(sshd, CANARY, brings=True))
            assert run(at(other, their_secret, brings=True)).state is StepState.DIFFERENT
            assert run(at(other, their_secret, brings=False)).state is StepState.SAME
            ours = run(at(sshd, CANARY, brings=False))
            assert ours.state is (StepState.SAME if their_secret == CANARY else StepState.DIFFERENT)


def test_f61_what_another_machine_makes_the_current_one_meanwhile_is_not_removed(tmp_path: Path) -> None:
    """It has its turn between our switch and our removal of the oldest."""

    def step(version: str) -> CodexStep:
        program = make_package(tmp_path / f"codex-{version}", version)
        table = CodexTable(source=CodexSource.FILE, file=str(program), keep=2)
        return CodexStep(table, packages_in(tmp_path / "kept"))

    async def scenario(sshd: SystemSshd) -> None:
        async with bench_at(sshd) as bench:
            await bring(step("0.9.0"), bench)
            await bring(step("0.10.0"), bench)
            root = sshd.home / ".local/share/remora/codex"
            older, newer = (next(root.glob(f"{version}-*")).name for version in ("0.9.0", "0.10.0"))
            current = f"current-{HERE.os}-{HERE.architecture}"
            variables = {
                "remora_location": ".local/share/remora/codex",
                "remora_name": older,
                "remora_archive": "0" * 64,
                "remora_keep": "1",
            }
            meanwhile = f'remora_used() {{ ln -sfn {newer} "$remora_root/{current}"; }}\n'
            switch = StepScript("codex_places codex_transfer", variables, meanwhile + shipped("provision/codex_switch"))
            await bench.ask(switch, limit=20)
            assert (root / current / "bin/codex").exists()
            assert (root / older).exists()

    with SystemSshd(tmp_path, environment={"XDG_RUNTIME_DIR": str(tmp_path)}) as sshd:
        run(scenario(sshd))
