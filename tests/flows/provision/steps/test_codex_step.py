"""codex brought to a real sshd: beside what is there, and only where it can run."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.codex.binaries import codex_binary
from tests.support.codex.codex_installs import (
    CURRENT,
    LOCATION,
    at,
    current,
    installs,
    packages,
    place,
    refusal,
    table,
)
from tests.support.provision.packages import fake_program
from tests.support.provision.provision_bench import bench_at, provision, read, sshd
from tests.support.sshd.account_sshd import AccountSshd
from tests.support.sshd.system_sshd import SystemSshd

from remora.adapters.codex_packages import CodexPackages
from remora.core.devbox.provision_step import Finding, StepState
from remora.core.errors import Code
from remora.flows.provision.steps.codex import CodexStep
from remora.testing.memory_packages import MemoryPackages
from remora.wire.manifest.document import CodexSource, CodexTable

__all__ = ["packages", "place", "sshd"]

pytestmark = pytest.mark.sshd


@pytest.mark.codex
def test_the_real_codex_is_installed_once(tmp_path: Path, sshd: SystemSshd, packages: CodexPackages) -> None:
    step = CodexStep(CodexTable(source=CodexSource.FILE, file=str(codex_binary("0.133.0"))), packages)
    first = run(provision(sshd, [step]))
    assert (first.outcome, first.error) == ("changed", None)
    said = subprocess.run([sshd.home / CURRENT / "bin" / "codex", "--version"], capture_output=True, check=True)
    assert said.stdout.split()[-1] == b"0.133.0"
    for name in ("codex-path/rg", "codex-resources/bwrap"):
        assert os.access(sshd.home / CURRENT / name, os.X_OK)
    second = run(provision(sshd, [step]))
    assert (second.outcome, second.bytes, second.dials) == ("unchanged", 0, 1)


def test_every_file_of_a_package_arrives_as_it_is(tmp_path: Path, sshd: SystemSshd, packages: CodexPackages) -> None:
    wish = table(tmp_path)
    package = tmp_path / "codex-0.10.0"
    for name, content in (("bin/a", b""), ("bin/b -c", b"two\n\n"), ("codex/end", bytes(70_000)), ("path/z", b"")):
        (package / name).parent.mkdir(exist_ok=True)
        (package / name).write_bytes(content)
    (package / "path/link").symlink_to("../bin/codex")
    at(sshd, CodexStep(wish, packages))
    there = {path.relative_to(package): path for path in package.rglob("*") if path.name != "codex-package.json"}
    for inside, path in there.items():
        assert (sshd.home / CURRENT / inside).is_dir() == path.is_dir()
        if path.is_file():
            assert (sshd.home / CURRENT / inside).read_bytes() == path.read_bytes()
    assert (sshd.home / CURRENT / "path/link").readlink() == Path("../bin/codex")
    assert at(sshd, CodexStep(wish, packages))[0].state is StepState.SAME


def test_versions_lie_side_by_side_and_the_oldest_goes(
    tmp_path: Path, sshd: SystemSshd, packages: CodexPackages
) -> None:
    steps = [CodexStep(table(tmp_path, version, keep=2), packages) for version in ("0.8.0", "0.9.0", "0.10.0")]
    found = at(sshd, *steps)
    assert [finding.detail for finding in found] == ["0.8.0 is new", "0.8.0 becomes 0.9.0", "0.9.0 becomes 0.10.0"]
    assert (current(sshd), installs(sshd)) == ("0.10.0", ["0.10.0", "0.9.0"])


def test_going_back_to_a_kept_version_sends_nothing(tmp_path: Path, sshd: SystemSshd, packages: CodexPackages) -> None:
    old, new = (CodexStep(table(tmp_path, version), packages) for version in ("0.9.0", "0.10.0"))
    found = at(sshd, old, new, old)
    assert (found[2].sends, current(sshd)) == (0, "0.9.0")


def test_f35_a_host_with_the_right_version_needs_no_package(tmp_path: Path, sshd: SystemSshd) -> None:
    index = MemoryPackages({"0.10.0": {"bin/codex": fake_program(tmp_path / "codex").read_bytes()}})
    wish = CodexTable(version="0.10.0")
    at(sshd, CodexStep(wish, index))

    async def again() -> Finding:
        async with bench_at(sshd) as bench:
            return await read(CodexStep(wish, MemoryPackages()), bench)

    assert run(again()).state is StepState.SAME


@pytest.mark.parametrize(("os_name", "architecture"), [("Linux", "i686"), ("Linux", "riscv64"), ("SunOS", "sun4v")])
def test_f36_nothing_is_fetched_for_a_host_that_cannot_run_it(
    os_name: str, architecture: str, sshd: SystemSshd
) -> None:
    index = MemoryPackages()

    async def work() -> Finding:
        async with bench_at(sshd) as bench:
            step = CodexStep(CodexTable(), index)
            (answers,) = await bench.survey([step.reading()])
            return await step.judge(answers, replace(bench.facts, os=os_name, architecture=architecture))

    finding = run(work())
    assert (finding.state, finding.sends, index.asked) == (StepState.BLOCKED, 0, [])
    assert finding.error is not None
    assert finding.error.code is Code.PLATFORM_UNSUPPORTED


@pytest.mark.parametrize("harm", ["foreign", "truncated", "not executable"])
def test_f36_an_install_that_is_not_what_it_was_is_replaced(
    harm: str, tmp_path: Path, sshd: SystemSshd, packages: CodexPackages
) -> None:
    step = CodexStep(table(tmp_path), packages)
    at(sshd, step)
    program = sshd.home / CURRENT / "bin" / "codex"
    right = program.read_bytes()
    if harm == "not executable":
        program.chmod(0o644)
    else:
        program.write_bytes(b"\x7fELF\x01" + right[5:] if harm == "foreign" else right[:1000])
    assert at(sshd, step)[0].state is StepState.DIFFERENT
    assert (program.read_bytes(), program.stat().st_mode & 0o777) == (right, 0o755)
    assert installs(sshd) == ["0.10.0"]


def test_an_install_that_was_only_touched_stays(tmp_path: Path, sshd: SystemSshd, packages: CodexPackages) -> None:
    step = CodexStep(table(tmp_path), packages)
    at(sshd, step)
    os.utime(sshd.home / CURRENT / "bin" / "codex")
    assert at(sshd, step)[0].state is StepState.SAME


def test_f36_a_program_that_does_not_start_there_changes_nothing(
    tmp_path: Path, sshd: SystemSshd, packages: CodexPackages
) -> None:
    at(sshd, CodexStep(table(tmp_path, "0.9.0"), packages))
    broken = CodexStep(table(tmp_path, "0.10.0", like="false"), packages)
    assert refusal(sshd, broken).code is Code.STEP_FAILED
    assert (current(sshd), installs(sshd)) == ("0.9.0", ["0.9.0"])


@pytest.mark.parametrize("place", ["noexec"], indirect=True)
def test_f37_where_programs_may_not_run_nothing_is_sent(
    place: Path, tmp_path: Path, sshd: SystemSshd, packages: CodexPackages
) -> None:
    error = refusal(sshd, CodexStep(table(tmp_path), packages))
    assert (error.code, "noexec" in error.seen) == (Code.PLACE_UNUSABLE, True)
    assert list(place.iterdir()) == []


def test_f37_nothing_runs_from_a_temporary_folder(tmp_path: Path, packages: CodexPackages) -> None:
    with SystemSshd(tmp_path, environment={"TMPDIR": "/nowhere", "XDG_RUNTIME_DIR": str(tmp_path)}) as sshd:
        assert at(sshd, CodexStep(table(tmp_path), packages))[0].state is StepState.DIFFERENT


def test_f37_a_read_only_place_is_named(tmp_path: Path, packages: CodexPackages) -> None:
    with AccountSshd("/bin/bash", ordinary=True) as sshd:
        closed = sshd.home / "closed"
        closed.mkdir(mode=0o555)
        error = refusal(sshd, CodexStep(table(tmp_path, location=f"{closed}/codex"), packages))
    assert (error.code, str(closed) in error.seen) == (Code.PLACE_UNUSABLE, True)


@pytest.mark.parametrize("place", ["size=2m", "nr_inodes=4"], indirect=True)
def test_f38_a_small_disk_is_seen_before_anything_is_sent(
    place: Path, tmp_path: Path, sshd: SystemSshd, packages: CodexPackages
) -> None:
    error = refusal(sshd, CodexStep(table(tmp_path, size=3_000_000), packages))
    assert (error.code, "missing" in error.seen) == (Code.DISK_FULL, True)
    assert list(place.iterdir()) == []


def test_f56_a_running_server_keeps_its_version(tmp_path: Path, sshd: SystemSshd, packages: CodexPackages) -> None:
    at(sshd, CodexStep(table(tmp_path, "0.9.0", like="sleep"), packages))
    server = subprocess.Popen([sshd.home / CURRENT / "bin" / "codex", "600"])
    try:
        step = CodexStep(table(tmp_path, "0.10.0", keep=1), packages)
        host = run(provision(sshd, [step]))
        assert server.poll() is None
        assert (current(sshd), installs(sshd)) == ("0.10.0", ["0.10.0", "0.9.0"])
        assert any("still uses codex 0.9.0" in notice for notice in host.steps[0].notices)
    finally:
        server.kill()
        server.wait()


def test_an_absolute_location_is_honoured(tmp_path: Path, sshd: SystemSshd, packages: CodexPackages) -> None:
    at(sshd, CodexStep(table(tmp_path, location=str(tmp_path / "opt" / "codex")), packages))
    assert (tmp_path / "opt" / "codex" / Path(CURRENT).name / "bin" / "codex").exists()
    assert not (sshd.home / LOCATION).exists()


@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_a_location_where_others_may_write_gets_no_program(
    mode: int, tmp_path: Path, sshd: SystemSshd, packages: CodexPackages
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(mode)
    error = refusal(sshd, CodexStep(table(tmp_path, location=str(shared)), packages))
    assert (error.code, "other accounts can write there" in error.seen) == (Code.PLACE_UNUSABLE, True)
    assert list(shared.iterdir()) == []


def test_f43_what_a_package_manager_installed_is_taken_as_it_is(tmp_path: Path) -> None:
    store = fake_program(tmp_path / "store" / "hash-codex" / "bin" / "codex")
    profile = tmp_path / "profile" / "bin"
    profile.mkdir(parents=True)
    (profile / "codex").symlink_to(store)
    with SystemSshd(tmp_path) as sshd:
        (sshd.home / ".profile").write_text(f"PATH={profile}:$PATH\n")
        finding = at(sshd, CodexStep(CodexTable(version="installed"), MemoryPackages()))[0]
        assert (finding.state, str(profile / "codex") in finding.detail) == (StepState.SAME, True)
        assert not (sshd.home / ".local").exists()


def test_installed_must_be_there(sshd: SystemSshd) -> None:
    (sshd.home / ".profile").write_text("PATH=/nowhere\n")
    error = refusal(sshd, CodexStep(CodexTable(version="installed"), MemoryPackages()))
    assert error.code is Code.CODEX_MISSING


def test_the_hosts_own_installer_runs_in_the_login_shells_environment(tmp_path: Path, sshd: SystemSshd) -> None:
    program = fake_program(tmp_path / "made" / "codex")
    (sshd.home / ".profile").write_text('PATH="$HOME/tools:/usr/bin:/bin"; export INSTALLER_WORD=canary\n')
    command = f'echo "$INSTALLER_WORD"; mkdir -p tools && cp {program} tools/codex'
    step = CodexStep(CodexTable(source=CodexSource.COMMAND, command=command), MemoryPackages())
    assert at(sshd, step)[0].state is StepState.DIFFERENT
    assert at(sshd, step)[0].state is StepState.SAME
    failing = CodexStep(CodexTable(source=CodexSource.COMMAND, command="exit 3", version="9.9.9"), MemoryPackages())
    assert refusal(sshd, failing).code is Code.STEP_FAILED
