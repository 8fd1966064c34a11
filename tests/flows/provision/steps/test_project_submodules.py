"""Projects with submodules: they are the set-up's, which runs at each commit, and are in the way of nothing."""

from pathlib import Path

import pytest
from tests.support.provision.gits import commit, git, new_repository
from tests.support.provision.projects import origin, outcomes, project, provisioned, sshd, tree
from tests.support.sshd.system_sshd import SystemSshd

pytestmark = pytest.mark.sshd
__all__ = ["origin", "sshd"]

SETUP = "git -c protocol.file.allow=always submodule update --quiet --init --recursive"


def test_a_set_up_brings_submodules_and_follows_them(sshd: SystemSshd, origin: Path, tmp_path: Path) -> None:
    inner = new_repository(tmp_path / "inner")
    commit(inner, "part", "one")
    git(origin, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "inner")
    commit(origin, "README", "with a part")
    table = project(origin, setup=SETUP, smoke="test -s inner/part")
    assert outcomes(provisioned(sshd, table)) == ["changed"] * 3
    assert outcomes(provisioned(sshd, table)) == ["unchanged"] * 3
    commit(inner, "part", "two")
    git(origin / "inner", "-c", "protocol.file.allow=always", "pull", "--quiet")
    git(origin, "add", "inner")
    commit(origin, "README", "with a newer part")
    assert outcomes(provisioned(sshd, table)) == ["changed"] * 3
    assert (tree(sshd) / "inner/part").read_text().strip() == "two"
    assert outcomes(provisioned(sshd, table)) == ["unchanged"] * 3
    (tree(sshd) / "inner/part").write_text("work of somebody's")
    commit(origin, "README", "newer")
    assert outcomes(provisioned(sshd, table))[0] == "failed"
    assert (tree(sshd) / "inner/part").read_text() == "work of somebody's"
