"""codex from npm, in a playbook and on a machine of its own: by the real npm, from a registry of the test."""

from pathlib import Path

import pytest
from tests.support.provision.emit_laptop import Laptop, alone, outcomes
from tests.support.provision.npm_registry import npm_registry
from tests.support.sshd.system_sshd import SystemSshd

pytestmark = [pytest.mark.sshd, pytest.mark.timeout(300)]

VERSION = "0.9.0"
MANIFEST = f"""
[[hosts]]
select = ["devbox"]
path = {{ how = "line", allow_shell_edit = true }}
codex = {{ version = "{VERSION}", source = "npm" }}
"""


def test_a_new_machine_fetches_from_npm_by_itself_and_proves_it(tmp_path: Path) -> None:
    laptop = Laptop(tmp_path)
    manifest = tmp_path / "npm.toml"
    manifest.write_text(MANIFEST)
    (tmp_path / "other").mkdir()
    with npm_registry(tmp_path) as registry, npm_registry(tmp_path / "other") as other, SystemSshd(tmp_path) as sshd:
        registry.publish(VERSION)
        other.publish(VERSION, content="-otherwise")
        (tmp_path / "ssh_config").write_text(sshd.ssh_config("devbox"))
        (sshd.home / ".bash_profile").touch()
        emitted = laptop.emit(manifest, "cloud-init", "--user", "debian", more=registry.environment)
        said = alone(emitted, sshd, status=1, more=other.environment)
        assert "does not match the digest" in said
        assert not list(sshd.home.rglob("current-*"))
        said = alone(emitted, sshd, more=registry.environment)
        assert "remora: changed: codex on the PATH" in said
        assert "remora: changed" not in alone(emitted, sshd, more=registry.environment)
        report = laptop.remora(str(manifest), more=registry.environment)
        assert (outcomes(report), report["hosts"][0]["bytes"]) == ({"unchanged"}, 0)


def test_a_playbook_brings_codex_from_npm_along(tmp_path: Path) -> None:
    laptop = Laptop(tmp_path)
    manifest = tmp_path / "npm.toml"
    manifest.write_text(MANIFEST)
    with npm_registry(tmp_path) as registry, SystemSshd(tmp_path) as sshd:
        registry.publish(VERSION)
        (tmp_path / "ssh_config").write_text(sshd.ssh_config("devbox"))
        (sshd.home / ".bash_profile").touch()
        folder = laptop.emit(manifest, "ansible", more=registry.environment)
        asked = len(registry.asked)
        _, first = laptop.play(folder)
        assert (first["changed"] > 0, first["failed"]) == (True, 0)
        assert len(registry.asked) == asked, "the host fetches nothing"
        _, second = laptop.play(folder)
        assert (second["changed"], second["failed"]) == (0, 0)
        report = laptop.remora(str(manifest), more=registry.environment)
        assert (outcomes(report), report["hosts"][0]["bytes"]) == ({"unchanged"}, 0)
