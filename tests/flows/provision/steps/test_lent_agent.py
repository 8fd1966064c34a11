"""F25: the SSH agent of the laptop is lent to git, where the manifest says so, and to nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.codex.binaries import NEWEST, codex_binary
from tests.support.link.links import SshdResolver, world_of
from tests.support.provision.gits import commit, new_repository
from tests.support.provision.provision_bench import provision
from tests.support.sshd.agents import ssh_agent
from tests.support.sshd.control_master import short_folder
from tests.support.sshd.system_sshd import SystemSshd, make_key, public_key

from remora.adapters.openssh_host import OpensshDialler
from remora.core.settings import Limits
from remora.flows.provision.steps.project import SetupStep
from remora.flows.provision.steps.repository import RepositoryStep
from remora.flows.provision.steps.server import ServerStep
from remora.ports import Dialler
from remora.testing.memory_secrets import MemorySecrets
from remora.wire.manifest.document import ProjectTable, ServerTable
from remora.wire.reports.provision import HostProvision

_SETUP = 'env >"$HOME/setup-env"'


@dataclass
class Place:
    """A devbox, and a git server that lets in who has the key in the agent."""

    devbox: SystemSshd
    origin: Path
    address: str
    agent: str

    def provisioned(
        self, *, forward_agent: bool = True, configured: str | None = None, dialler: Dialler | None = None
    ) -> HostProvision:
        table = ProjectTable(
            repository=self.address, folder="app", ref="main", forward_agent=forward_agent, setup=_SETUP
        )
        resolver = SshdResolver(self.devbox)
        resolver.changes = {"identity_agent": self.agent, "forward_agent": configured}
        world = world_of(resolver, limits=Limits(provision_retries=1))
        if dialler is not None:
            world = replace(world, dialler=dialler)
        steps = (RepositoryStep(table), SetupStep(table, MemorySecrets(None)))
        return run(provision(self.devbox, steps, world=world, lends_agent=forward_agent))


@pytest.fixture
def place(tmp_path: Path, allowed: str) -> Iterator[Place]:
    key = make_key(tmp_path / "deploy")
    origin = new_repository(tmp_path / "origin")
    with SystemSshd(tmp_path / "git") as server:
        server.authorized_keys.write_text(f"{public_key(key)}\n")
        known = f"-F none -o UserKnownHostsFile={server.known_hosts} -o IdentityFile=none"
        environment = {"GIT_SSH_COMMAND": f"ssh {known}"}
        options = ["MaxSessions 1", f"AllowAgentForwarding {allowed}"]
        with (
            SystemSshd(tmp_path / "devbox", options=options, environment=environment) as devbox,
            ssh_agent(key) as agent,
        ):
            yield Place(devbox, origin, f"ssh://{server.user}@127.0.0.1:{server.port}{origin}", agent)


def outcomes(host: HostProvision) -> list[str]:
    return [step.outcome for step in host.steps]


@pytest.mark.parametrize("allowed", ["yes"])
def test_f25_git_alone_sees_the_agent(place: Place) -> None:
    first = place.provisioned()
    assert outcomes(first) == ["changed", "changed"], first.steps[0].error and first.steps[0].error.seen
    assert outcomes(place.provisioned()) == ["unchanged", "unchanged"], "asking where the branch is needs it, too"
    commit(place.origin, "README", "second")
    assert outcomes(place.provisioned()) == ["changed", "changed"]
    home = place.devbox.home
    assert "HOME=" in (home / "setup-env").read_text()
    assert "SSH_AUTH_SOCK" not in (home / "setup-env").read_text()


@pytest.mark.codex
@pytest.mark.parametrize("allowed", ["yes"])
def test_f25_the_app_server_does_not_see_the_agent(place: Place) -> None:
    home = place.devbox.home
    program = home / ".local/bin/codex"
    program.parent.mkdir(parents=True)
    notes = f'case $1 in app-server) env >"{home}/server-env" ;; esac'
    program.write_text(f'#!/bin/sh\n{notes}\nexec {codex_binary(NEWEST)} "$@"\n')
    program.chmod(0o755)
    resolver = SshdResolver(place.devbox)
    resolver.changes = {"identity_agent": place.agent}
    step = ServerStep(ServerTable(start=True))
    host = run(provision(place.devbox, [step], world=world_of(resolver), lends_agent=True))
    assert outcomes(host) == ["changed"], host.steps[0].error
    assert "HOME=" in (home / "server-env").read_text()
    assert "SSH_AUTH_SOCK" not in (home / "server-env").read_text()


@pytest.mark.parametrize("allowed", ["yes"])
@pytest.mark.parametrize("configured", ["yes", None])
def test_f25_without_the_manifest_s_word_nobody_gets_the_agent(place: Place, configured: str | None) -> None:
    host = place.provisioned(forward_agent=False, configured=configured)
    assert outcomes(host) == ["failed", "skipped"]
    assert host.steps[0].error is not None
    assert host.steps[0].error.code == "repository-failed"
    assert "Permission denied" in host.steps[0].error.seen


@pytest.mark.parametrize("allowed", ["no"])
def test_a_host_that_takes_no_agent_is_told(place: Place) -> None:
    host = place.provisioned()
    assert outcomes(host) == ["failed", "skipped"]
    assert host.steps[0].error is not None
    assert "The host has no SSH agent" in host.steps[0].error.message


@pytest.mark.parametrize("allowed", ["yes"])
def test_the_system_s_ssh_lends_it_as_well(place: Place, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(place.devbox.ssh_config(extra=[f"IdentityAgent {place.agent}"]))
    with short_folder() as folder:
        dialler = OpensshDialler(lambda: folder, ssh_config=str(config))
        host = place.provisioned(dialler=dialler)
    assert outcomes(host) == ["changed", "changed"], host
    assert "SSH_AUTH_SOCK" not in (place.devbox.home / "setup-env").read_text()
