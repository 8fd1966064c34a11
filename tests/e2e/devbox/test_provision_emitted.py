"""The same devbox by two ways: our own run, and the playbook in Ansible's hands."""

import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.support.codex.binaries import NEWEST, codex_binary
from tests.support.codex.control_groups import groups_removed
from tests.support.model.login_endpoint import login_endpoint
from tests.support.provision.emit_laptop import ACCOUNT, CANARY, Laptop, laptop, outcomes, snapshot
from tests.support.sshd.system_sshd import SystemSshd

__all__ = ["laptop"]

pytestmark = [pytest.mark.sshd, pytest.mark.timeout(600), pytest.mark.longest]


def test_the_playbook_leaves_what_our_own_run_leaves(laptop: Laptop) -> None:
    manifest = laptop.manifest(secrets=True)
    with laptop.host() as sshd:
        laptop.remora(str(manifest))
        wished = snapshot(sshd.home)
    folder = laptop.emit(manifest, "ansible")
    emitted = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert CANARY.encode() not in emitted
    with laptop.host() as sshd:
        before = snapshot(sshd.home)
        _, planned = laptop.play(folder, "--check")
        assert planned["changed"] > 0
        assert snapshot(sshd.home) == before
        said, first = laptop.play(folder)
        assert first["failed"] == 0
        assert first["changed"] > 0
        assert snapshot(sshd.home) == wished
        _, second = laptop.play(folder)
        assert (second["changed"], second["failed"]) == (0, 0)
        assert snapshot(sshd.home) == wished
        report = laptop.remora(str(manifest))
        assert (outcomes(report), report["hosts"][0]["bytes"]) == ({"unchanged"}, 0)
    assert CANARY not in said


def test_hosts_that_differ_in_values_alone_share_a_play_and_go_side_by_side(tmp_path: Path) -> None:
    laptop = Laptop(tmp_path)
    manifest = tmp_path / "fleet.toml"
    files = 'files = [{ path = "~/name", content = "{{ alias }}" }, { path = "own", content = "{{ alias }}" }]'
    manifest.write_text(
        f'[defaults]\n{files}\nconfig.model = "{{{{ alias }}}}"\n[[hosts]]\nselect = ["one", "two"]\n'
        '[[hosts]]\nselect = ["other"]\ninstructions.content = "x"\n'
    )
    with SystemSshd(tmp_path) as one, SystemSshd(tmp_path) as two, SystemSshd(tmp_path) as other:
        hosts = {"one": one, "two": two, "other": other}
        (tmp_path / "ssh_config").write_text("".join(sshd.ssh_config(alias) for alias, sshd in hosts.items()))
        folder = laptop.emit(manifest, "ansible")
        assert re.findall(r"(?m)^  hosts: (\S+)$", (folder / "playbook.yml").read_text()) == ["play_1", "play_2"]
        laptop.play(folder)
        for alias, sshd in hosts.items():
            assert (sshd.home / "name").read_text() == alias
            assert (sshd.home / ".codex/own").read_text() == alias
            assert f'model = "{alias}"' in (sshd.home / ".codex/config.toml").read_text()
        _, second = laptop.play(folder)
        assert second["changed"] == 0
        assert outcomes(laptop.remora(str(manifest))) == {"unchanged"}


def test_what_a_manifest_says_runs_nothing_where_the_playbook_runs(tmp_path: Path) -> None:
    laptop = Laptop(tmp_path)
    trap = tmp_path / "trap"
    words = [f"{brace} lookup('pipe', 'touch {trap.name}') }}}}" for brace in ("{{", "{{{", "{{{{", "{{%")]
    manifest = tmp_path / "box.toml\r- hosts: x"
    files = ", ".join(f'{{ path = "~/{text}", content = "{text}" }}' for text in words)
    manifest.write_text(f'[[hosts]]\nselect = ["devbox"]\nfiles = [{files}]\n')
    with laptop.host() as sshd:
        laptop.play(laptop.emit(manifest, "ansible"))
        assert all((sshd.home / text).read_text() == text for text in words)
    assert not trap.exists()


def test_no_host_gets_another_file_than_the_archive(laptop: Laptop) -> None:
    (laptop.folder / "secret.gz").write_text("of the machine where the playbook runs")
    with laptop.host() as sshd:
        folder = laptop.emit(laptop.manifest(secrets=False), "ansible")
        (look,) = folder.glob("files/*/*-codex.sh")
        stolen = sshd.home / "stolen"
        look.write_text(f"echo 'remora: ready: ../../../secret {stolen}'\n")  # as a host would that lies
        said, _ = laptop.play(folder, status=2)  # codex does not come in another way
        assert "TASK [codex on the PATH]" in said
        assert not stolen.exists()


@pytest.mark.codex
def test_a_playbook_signs_in_and_starts_the_server(tmp_path: Path) -> None:
    laptop = Laptop(tmp_path)
    manifest = tmp_path / "account.toml"
    manifest.write_text(ACCOUNT)
    key = "sk-canary-5f0c2d9e7a"
    with (
        TemporaryDirectory(prefix="r-") as own,
        login_endpoint() as endpoint,
        SystemSshd(tmp_path, environment={**endpoint.environment(), "TMPDIR": own}) as sshd,
        groups_removed(sshd),
    ):
        (tmp_path / "ssh_config").write_text(sshd.ssh_config("devbox"))
        (sshd.home / ".local/bin").mkdir(parents=True)
        (sshd.home / ".local/bin/codex").symlink_to(codex_binary(NEWEST))
        (sshd.home / ".bashrc").write_text('PATH="$HOME/.local/bin:$PATH"\n')
        endpoint.configure(sshd.home / ".codex")
        folder = laptop.emit(manifest, "ansible")
        assert "REMORA_KEY" in (folder / "inventory.yml").read_text()

        laptop.play(folder, status=2)  # nobody gave the secret
        endpoint.refuses = True
        laptop.play(folder, key=key, status=2)
        (marker,) = sshd.home.glob(".local/state/remora/*/provision")
        assert "readiness=failed" in marker.read_text()
        assert "title=sign in with an API key" in marker.read_text()
        assert not (sshd.home / ".codex/auth.json").exists()
        endpoint.refuses = False
        said, first = laptop.play(folder, key=key)
        assert first["changed"] == 4, "login, limits, server and the marker"
        assert json.loads((sshd.home / ".codex/auth.json").read_text())["OPENAI_API_KEY"] == key
        _, second = laptop.play(folder, key=key)
        assert second["changed"] == 0
        assert key not in said
        assert key not in "".join(
            path.read_text(errors="replace") for path in marker.parent.iterdir() if path.is_file()
        )
        assert outcomes(laptop.remora(str(manifest), more={"REMORA_KEY": key})) == {"unchanged"}
