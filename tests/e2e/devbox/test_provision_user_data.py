"""The same devbox by two ways: our own run, and a new machine on its own."""

import base64
import gzip
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from tests.support.base.program import remora
from tests.support.provision.emit_laptop import (
    ACCOUNT,
    PLATFORM,
    VERSION,
    Laptop,
    alone,
    laptop,
    outcomes,
    snapshot,
)
from tests.support.provision.packages import make_wheel
from tests.support.sshd.system_sshd import SystemSshd

__all__ = ["laptop"]

pytestmark = [pytest.mark.sshd, pytest.mark.timeout(600)]


def test_a_new_machine_brings_itself_to_the_same_state(laptop: Laptop) -> None:
    manifest = laptop.manifest(secrets=False)
    with laptop.host() as sshd:
        laptop.remora(str(manifest))
        wished = snapshot(sshd.home)
    archive = laptop.folder / "cloud-init" / f"codex-{PLATFORM}.gz"
    folder = laptop.emit(manifest, "cloud-init", "--user", "debian", "--codex-url", archive.as_uri())
    with laptop.host() as sshd:
        said = alone(folder, sshd)
        assert snapshot(sshd.home) == wished, said
        assert "remora: changed" not in alone(folder, sshd)
        report = laptop.remora(str(manifest))
        assert (outcomes(report), report["hosts"][0]["bytes"]) == ({"unchanged"}, 0)


def test_what_a_new_machine_cannot_have_is_refused_or_said(tmp_path: Path) -> None:
    laptop = Laptop(tmp_path)
    (tmp_path / "ssh_config").write_text("Host devbox\n  HostName 127.0.0.1\n")
    refused = remora(
        *("provision", str(laptop.manifest(secrets=True)), "--emit", "cloud-init", "--output", str(tmp_path / "no")),
        *("--platform", PLATFORM, "--user", "debian", "--codex-url", "https://example.com/codex.tar.gz"),
        environment=laptop.environment,
    )
    assert refused.returncode == 3
    assert b"needs secrets" in refused.stderr
    assert not (tmp_path / "no").exists()
    manifest = tmp_path / "account.toml"
    manifest.write_text(ACCOUNT)
    report = laptop.remora(str(manifest), "--emit", "cloud-init", "--output", str(tmp_path / "yes"), "--user", "debian")
    assert any("sign-in is omitted" in notice for notice in report["notices"])
    data = (tmp_path / "yes/devbox/user-data").read_text()
    assert data.startswith("#cloud-config\n")
    assert "Login is left out" in data
    assert "readiness=failed" not in data
    document = yaml.safe_load(data)
    assert document["runcmd"] == [["su", "-", "debian", "-c", "/bin/sh /var/lib/remora/provision.sh"]]
    (written,) = document["write_files"]
    program = gzip.decompress(base64.b64decode(written["content"]))
    assert program == (tmp_path / "yes/devbox/provision.sh").read_bytes()


def test_a_new_machine_fetches_the_wheel_by_itself_and_proves_it(tmp_path: Path) -> None:
    laptop = Laptop(tmp_path)
    index, other = tmp_path / "index", tmp_path / "other"
    for folder in (index, other):
        folder.mkdir()
    make_wheel(index, VERSION, tmp_path)
    wheel = make_wheel(other, VERSION, tmp_path / "otherwise")
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("codex_cli_bin/bin/more", "not what was meant")
    manifest = tmp_path / "wheel.toml"
    path = 'path = { how = "line", allow_shell_edit = true }'
    manifest.write_text(f'[[hosts]]\nselect = ["devbox"]\n{path}\ncodex.version = "{VERSION}"\n')
    found = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index)}
    with SystemSshd(tmp_path) as sshd:
        (tmp_path / "ssh_config").write_text(sshd.ssh_config("devbox"))
        (sshd.home / "bin").mkdir()
        (sshd.home / "bin/pip3").write_text(f'#!/bin/sh\nexec {sys.executable} -m pip "$@"\n')
        (sshd.home / "bin/pip3").chmod(0o755)
        (sshd.home / ".bash_profile").write_text('PATH="$PATH:$HOME/bin"\n')
        emitted = laptop.emit(manifest, "cloud-init", "--user", "debian", more=found)
        said = alone(emitted, sshd, status=1, more={**found, "PIP_FIND_LINKS": str(other)})
        assert "does not match the digest" in said
        assert not list(sshd.home.rglob("current-*"))
        said = alone(emitted, sshd, more=found)
        assert "remora: changed: codex on the PATH" in said
        assert "# remora: codex" in (sshd.home / ".bash_profile").read_text()
        assert outcomes(laptop.remora(str(manifest), more=found)) == {"unchanged"}


def test_a_program_that_is_too_large_for_user_data_is_fetched_and_proven(tmp_path: Path) -> None:
    laptop = Laptop(tmp_path)
    manifest = tmp_path / "small.toml"
    manifest.write_text('[[hosts]]\nselect = ["devbox"]\nconfig.model = "gpt-5"\n')
    machines = tmp_path / "cloud-init"
    (tmp_path / "ssh_config").write_text("Host devbox\n  HostName 127.0.0.1\n")
    folder = laptop.emit(manifest, "cloud-init", "--user", "debian", "--program-url", machines.as_uri())
    data = (folder / "devbox/user-data").read_bytes()
    assert len(data) < 2048
    (written,) = yaml.safe_load(data)["write_files"]
    fetcher = tmp_path / "fetcher"
    fetcher.write_text(written["content"])
    program = folder / "devbox/provision.sh"
    with SystemSshd(tmp_path) as sshd:
        (tmp_path / "ssh_config").write_text(sshd.ssh_config("devbox"))
        genuine = program.read_bytes()
        program.write_bytes(genuine.replace(b"gpt-5", b"gpt-6"))
        assert "gives another program" in alone(folder, sshd, status=1, program=fetcher)
        assert not (sshd.home / ".codex").exists()
        program.write_bytes(genuine)
        assert "remora: changed: codex config.toml" in alone(folder, sshd, program=fetcher)
        assert outcomes(laptop.remora(str(manifest))) == {"unchanged"}


def test_a_notice_about_many_machines_is_said_once(tmp_path: Path) -> None:
    laptop = Laptop(tmp_path)
    (tmp_path / "ssh_config").write_text("Host ci-1 ci-2 ci-3\n  HostName 127.0.0.1\n")
    manifest = tmp_path / "account.toml"
    manifest.write_text(ACCOUNT.replace('"devbox"', '"ci-*"'))
    report = laptop.remora(str(manifest), "--emit", "cloud-init", "--output", str(tmp_path / "yes"), "--user", "debian")
    notices = report["notices"]
    assert notices
    assert all(notice.startswith("ci-1 and 2 more: ") for notice in notices), notices


def test_user_data_that_some_clouds_do_not_take_comes_compressed_too(laptop: Laptop) -> None:
    url = "https://example.com/codex.tar.gz"
    (laptop.folder / "ssh_config").write_text("Host devbox\n  HostName 127.0.0.1\n")
    folder = laptop.emit(laptop.manifest(secrets=False), "cloud-init", "--user", "debian", "--codex-url", url)
    plain, small = (folder / "devbox/user-data").read_bytes(), (folder / "devbox/user-data.gz").read_bytes()
    document = yaml.safe_load(gzip.decompress(small))
    assert document["write_files"][0]["content"].encode() == (folder / "devbox/provision.sh").read_bytes()
    assert document["runcmd"] == yaml.safe_load(plain)["runcmd"]
    assert len(small) < 0.8 * len(plain)
    again = laptop.emit(laptop.manifest(secrets=False), "cloud-init", "--user", "debian", "--codex-url", url)
    assert (again / "devbox/user-data.gz").read_bytes() == small
