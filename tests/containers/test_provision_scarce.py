"""provision where there is no room, or nothing may be written: what is missing is said, what was there stays."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from tests.support.containers.compose import ContainerHosts
from tests.support.containers.container_host import Account, ContainerHost
from tests.support.containers.container_manifest import assert_done, assert_unchanged, codex_lines, laptop, outcomes
from tests.support.provision.packages import make_package

pytestmark = [pytest.mark.containers]
MIB = 2**20
Fill = Callable[[ContainerHost], AbstractContextManager[None]]


def manifest(folder: Path, version: str, model: str) -> str:
    """Some MiB that pass for a codex, and a key of its configuration."""
    program = make_package(folder / version, version, size=6 * MIB)
    return (
        f'[defaults.codex]\nversion = "{version}"\nsource = "file"\nfile = "{program}"\nkeep = 1\n'
        f'[defaults.config]\nmodel = "{model}"\n'
    )


def state_of(account: Account) -> dict[str, str]:
    """Every file of the home but our own records, by digest."""
    script = "cd && find . -path ./.local/state -prune -o -type f -exec sha256sum {} + -o -type l -printf '%l %p\\n'"
    lines = account.exec("sh", "-c", script).stdout.splitlines()
    return {path: value for value, path in (line.split(None, 1) for line in lines)}


def failure(host: dict[str, Any]) -> dict[str, Any]:
    """The error of the one step that failed."""
    (error,) = [step["error"] for step in host["steps"] if step["error"] is not None] or [host["error"]]
    assert isinstance(error, dict), host
    return error


def assert_too_full(host: dict[str, Any], step: str, missing: str) -> None:
    """It failed at that step and says how much is missing."""
    assert (host["outcome"], outcomes(host)[step]) == ("failed", "failed"), host
    error = failure(host)
    assert error["code"] == "disk-full"
    assert re.search(missing, error["seen"]), error
    assert error["next"]


blocks = pytest.param("tiny", lambda host: host.fill_disk(leave=5 * MIB), r"[1-9]\d* MiB are missing", id="blocks")
inodes = pytest.param("crowded", lambda host: host.fill_inodes(leave=8), r"inodes .* [1-9]\d* are missing", id="inodes")


@pytest.mark.parametrize(("name", "fill", "missing"), [blocks, inodes])
def test_f38_without_room_the_old_codex_stays_and_room_is_all_the_next_run_needs(
    container_hosts: ContainerHosts, tmp_path: Path, name: str, fill: Fill, missing: str
) -> None:
    with container_hosts.visit(name, alone=True) as account, laptop(account) as box:
        box.write(manifest(tmp_path, "0.1.0", "old"), account)
        assert_done(box.provision_one())
        before = state_of(account)
        box.write(manifest(tmp_path, "0.2.0", "new"), account)
        with fill(account.host):
            full = box.provision_one()
            assert_too_full(full, "codex", missing)
            assert (full["bytes"], full["dials"]) == (0, 1)
            assert outcomes(full)["config"] == "skipped"
            assert state_of(account) == before
            account.exec("sh", "-c", "~/.local/bin/codex --version")
        assert box.provision_one()["outcome"] == "changed"
        assert_unchanged(box.provision_one())
        assert 'model = "new"' in account.read(".codex/config.toml")


def test_f38_a_disk_without_a_single_block_leaves_files_whole(container_hosts: ContainerHosts) -> None:
    files = '[[defaults.files]]\npath = "~/notes.txt"\ncontent = "{}"\n[defaults.config]\nmodel = "{}"\n'
    with container_hosts.visit("tiny", alone=True) as account, laptop(account) as box:
        box.write(files.format("old", "old"), account)
        assert_done(box.provision_one())
        before = state_of(account)
        box.write(files.format("new" * 9000, "new"), account)
        with account.host.fill_disk():
            full = box.provision_one()
            assert failure(full)["code"] == "disk-full"
            assert state_of(account) == before
            assert failure(box.provision_one())["code"] == "disk-full"
        assert_done(box.provision_one())
        assert_unchanged(box.provision_one())


@pytest.mark.codex
def test_f38_a_real_codex_is_not_even_sent_to_a_disk_that_is_too_small(container_hosts: ContainerHosts) -> None:
    with container_hosts.visit("tiny") as account, laptop(account) as box:
        box.write(codex_lines("0.163.0"), account)
        before = account.files()
        host = box.provision_one()
        assert_too_full(host, "codex", r"\d{3} MiB are missing")
        assert host["bytes"] == 0
        assert [path for path in account.files() if "codex/" in path and path not in before] == []


@pytest.mark.parametrize("path", ["", '[defaults.path]\nhow = "none"\n'])
def test_f37_nothing_is_half_done_in_a_home_that_cannot_be_written(
    container_hosts: ContainerHosts, tmp_path: Path, path: str
) -> None:
    with container_hosts.visit("readonly") as account, laptop(account) as box:
        box.write(manifest(tmp_path, "0.1.0", "any") + path, account)
        before = account.files()
        for _ in range(2):
            host = box.provision_one()
            assert (host["outcome"], failure(host)["code"], host["bytes"]) == ("failed", "place-unusable", 0), host
            assert "Read-only file system" in failure(host)["seen"]
            assert set(outcomes(host).values()) == {"failed", "skipped"}
        assert account.files() == before
        assert account.processes() == []


def test_f37_another_place_serves_where_the_home_cannot_be_written(
    container_hosts: ContainerHosts, tmp_path: Path
) -> None:
    with container_hosts.visit("readonly") as account, laptop(account) as box:
        place = f"/var/tmp/{account.name}"
        words = f'location = "{place}/codex"\n[defaults.path]\nhow = "none"\n'
        program = make_package(tmp_path / "0.1.0", "0.1.0")
        codex = f'[defaults.codex]\nversion = "0.1.0"\nsource = "file"\nfile = "{program}"\n'
        box.write(codex + words, account)
        assert_done(box.provision_one())
        assert_unchanged(box.provision_one())
        account.exec("sh", "-c", f"{place}/codex/current-*/bin/codex --version")
