"""codex brought to a real sshd: beside what is there, whatever breaks on the way."""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.account_sshd import AccountSshd
from tests.support.codex import codex_binary
from tests.support.fault_proxy import FaultProxy
from tests.support.faults import CutNow, Narrow
from tests.support.links import SshdResolver, world_of
from tests.support.loop import run
from tests.support.packages import HERE, fake_program, make_package, packages_in
from tests.support.provisioning import bench_at, bring, provision, read
from tests.support.required import missing
from tests.support.system_sshd import SystemSshd
from tests.support.until import until

from remora.adapters.codex_packages import CodexPackages
from remora.core.errors import Code, RemoraError
from remora.core.provisioning import Finding, StepState
from remora.core.settings import Limits
from remora.flows.provision.operators import Operator
from remora.flows.provision.steps.codex import CodexStep
from remora.ports import Package, PackageForm, Parcel, Platform
from remora.testing.memory_packages import MemoryPackages
from remora.wire.manifest import CodexSource, CodexTable
from remora.wire.reports.provision import HostProvision

pytestmark = pytest.mark.sshd

LOCATION = ".local/share/remora/codex"
CURRENT = f"{LOCATION}/current-{HERE.os}-{HERE.architecture}"
SIZE = 24_000_000
"""Enough that a transfer can be broken in its middle; random, so that it does not shrink."""
ONCE = Limits(provision_retries=0)


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[SystemSshd]:
    with SystemSshd(tmp_path, options=["MaxSessions 1"], environment={"XDG_RUNTIME_DIR": str(tmp_path)}) as server:
        yield server


@pytest.fixture
def packages(tmp_path: Path) -> CodexPackages:
    return packages_in(tmp_path / "kept")


def table(tmp_path: Path, version: str = "0.10.0", *, like: str = "true", size: int = 0, **more: object) -> CodexTable:
    """A file of that version, made on first use."""
    folder = tmp_path / f"codex-{version}"
    program = folder / "bin" / "codex" if folder.exists() else make_package(folder, version, like=like, size=size)
    return CodexTable(source=CodexSource.FILE, file=str(program), **more)  # type: ignore[arg-type]


def machine_here() -> str:
    """What stands for this machine in names of what is half made."""
    record = Path("/etc/machine-id")
    machine = record.read_text().strip() if record.exists() else ""
    return (machine or os.uname().nodename)[:12]


def installs(sshd: SystemSshd) -> list[str]:
    """The versions on the host; whatever else lies there shows, too."""
    names = sorted(path.name for path in (sshd.home / LOCATION).iterdir() if not path.name.startswith("current-"))
    return [name.partition(f"-{HERE.os}-")[0] for name in names]


def current(sshd: SystemSshd) -> str:
    return str((sshd.home / CURRENT).readlink()).partition("-")[0]


def at(sshd: SystemSshd, *steps: CodexStep) -> list[Finding]:
    async def work() -> list[Finding]:
        async with bench_at(sshd) as bench:
            return [await bring(step, bench) for step in steps]

    return run(work())


def refusal(sshd: SystemSshd, step: CodexStep) -> RemoraError:
    with pytest.raises(RemoraError) as caught:
        at(sshd, step)
    return caught.value


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


def mounted_at(place: Path, options: str) -> None:
    """A small file system of its own; ``sshd`` and all that it starts see it."""
    if os.getuid() != 0:
        missing("only root can mount a file system for a test")
    place.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=True)


@pytest.fixture
def place(sshd: SystemSshd, request: pytest.FixtureRequest) -> Iterator[Path]:
    """The location of installs, on a file system with the options that the test names."""
    folder = sshd.home / LOCATION
    mounted_at(folder, request.param)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


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


class Kept:
    """Packages of another, for a test that does something else with their bytes."""

    def __init__(self, packages: CodexPackages) -> None:
        self.packages = packages

    async def find_version(self, source: str, version: str, platform: Platform) -> str:
        return version

    async def fetch(
        self, source: str, version: str, platform: Platform, *, file: str | None = None, digest: str | None = None
    ) -> Package:
        return await self.packages.fetch(source, version, platform, file=file, digest=digest)

    async def send(self, package: Package, form: PackageForm, start: int, *, stop: int | None = None) -> Parcel:
        parcel = await self.packages.send(package, form, start, stop=stop)
        return replace(parcel, data=self.changed(package, parcel.data))

    async def archive(self, package: Package) -> Package:
        return await self.packages.archive(package)

    def changed(self, package: Package, data: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        raise NotImplementedError


class Crowding(Kept):
    """Somebody else fills the disk of the host before the first byte leaves."""

    def __init__(self, packages: CodexPackages, place: Path) -> None:
        super().__init__(packages)
        self.place = place

    async def changed(self, package: Package, data: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        (self.place / "of-somebody-else").write_bytes(bytes(SIZE // 2))
        async for block in data:
            yield block


@pytest.mark.parametrize("place", ["size=30m"], indirect=True)
def test_f38_a_disk_that_fills_in_the_middle_keeps_the_old_version(
    place: Path, tmp_path: Path, sshd: SystemSshd, packages: CodexPackages
) -> None:
    at(sshd, CodexStep(table(tmp_path, "0.9.0"), packages))
    error = refusal(sshd, CodexStep(table(tmp_path, "0.10.0", size=SIZE), Crowding(packages, place)))
    assert error.code is Code.DISK_FULL
    (place / "of-somebody-else").unlink()
    assert (current(sshd), installs(sshd)) == ("0.9.0", ["0.9.0"])


def test_f41_neither_sftp_nor_scp_is_needed(tmp_path: Path, packages: CodexPackages) -> None:
    scp = shutil.which("scp")
    hidden = [os.path.realpath(scp)] if scp else []
    with AccountSshd("/bin/bash", hidden=hidden) as sshd:
        assert "sftp" not in (sshd.folder / "sshd_config").read_text()
        at(sshd, CodexStep(table(tmp_path, size=60_000_000), packages))
        sent, arrived = tmp_path / "codex-0.10.0" / "bin" / "codex", sshd.home / CURRENT / "bin" / "codex"
        assert arrived.read_bytes() == sent.read_bytes()


def test_f41_a_transfer_cut_in_its_middle_goes_on_there(
    tmp_path: Path, sshd: SystemSshd, packages: CodexPackages
) -> None:
    step = CodexStep(table(tmp_path, size=SIZE), packages)
    with FaultProxy(sshd.port) as proxy:
        world = world_of(SshdResolver(sshd, proxy.port), limits=ONCE)
        proxy.strike(CutNow(), after=SIZE // 2)
        first = run(provision(sshd, [step], world=world))
        assert first.error is not None or first.steps[0].error is not None
        assert not (sshd.home / CURRENT).exists()
        before = proxy.carried
        second = run(provision(sshd, [step], world=world))
        assert second.outcome == "changed"
        assert proxy.carried - before < SIZE * 0.7
    assert installs(sshd) == ["0.10.0"]


def test_what_arrives_otherwise_than_it_was_sent_is_not_installed(
    tmp_path: Path, sshd: SystemSshd, packages: CodexPackages
) -> None:
    wish = table(tmp_path, size=SIZE)
    step = CodexStep(wish, packages)
    at(sshd, CodexStep(table(tmp_path, "0.9.0"), packages))
    package = run(packages.fetch("file", "latest", HERE, file=wish.file))
    part = sshd.home / LOCATION / f".part-{package.digest[:12]}-{machine_here()}"
    part.write_bytes(bytes(SIZE // 2))
    assert refusal(sshd, step).code is Code.DIGEST_MISMATCH
    assert (current(sshd), installs(sshd)) == ("0.9.0", ["0.9.0"])
    at(sshd, step)
    assert current(sshd) == "0.10.0"


class Pausing(Kept):
    """Packages that come to a stop in the middle and wait there."""

    def __init__(self, packages: CodexPackages) -> None:
        super().__init__(packages)
        self.reached = asyncio.Event()

    async def changed(self, package: Package, data: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        sent = 0
        async for block in data:
            if sent > package.packed // 2:
                self.reached.set()
                await asyncio.Event().wait()
            yield block
            sent += len(block)


def test_killed_in_the_middle_the_next_run_comes_to_the_same_end(
    tmp_path: Path, sshd: SystemSshd, packages: CodexPackages
) -> None:
    wish = table(tmp_path, size=SIZE)

    async def work() -> None:
        pausing = Pausing(packages)
        running = asyncio.ensure_future(provision(sshd, [CodexStep(wish, pausing)], limits=ONCE))
        await pausing.reached.wait()
        parts = sshd.home / ".local/share/remora/codex"
        await until(lambda: sum(part.stat().st_size for part in parts.glob(".part-*")) > SIZE * 0.4)
        for pid in sshd.session_processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await running

    run(work())
    second = run(provision(sshd, [CodexStep(wish, packages)]))
    assert (second.outcome, installs(sshd), current(sshd)) == ("changed", ["0.10.0"], "0.10.0")
    assert second.bytes < SIZE * 0.7


@pytest.mark.parametrize("rate", [10e6, 0.0], ids=["slow", "fast"])
def test_a_host_without_zstd_gets_it_in_another_form(rate: float, tmp_path: Path, packages: CodexPackages) -> None:
    zstd = shutil.which("zstd")
    wish = table(tmp_path)
    program = Path(str(wish.file))
    program.write_bytes(program.read_bytes() + bytes(SIZE))
    with (
        AccountSshd("/bin/bash", hidden=[os.path.realpath(zstd)] if zstd else []) as sshd,
        FaultProxy(sshd.port) as proxy,
    ):
        proxy.strike(Narrow(rate))
        host = run(provision(sshd, [CodexStep(wish, packages)], world=world_of(SshdResolver(sshd, proxy.port))))
        assert (host.outcome, host.error) == ("changed", None)
        assert (sshd.home / CURRENT / "bin" / "codex").read_bytes() == program.read_bytes()
        if rate:
            assert proxy.carried < SIZE * 0.6


def test_the_digest_of_a_slow_transfer_is_made_beside_it(
    tmp_path: Path, sshd: SystemSshd, packages: CodexPackages
) -> None:
    wish = table(tmp_path, size=SIZE)
    with FaultProxy(sshd.port) as proxy:
        proxy.strike(Narrow(SIZE / 2))
        host = run(provision(sshd, [CodexStep(wish, packages)], world=world_of(SshdResolver(sshd, proxy.port))))
    assert (host.outcome, current(sshd)) == ("changed", "0.10.0")
    assert (sshd.home / CURRENT / "bin" / "codex").read_bytes() == Path(str(wish.file)).read_bytes()
    assert not (sshd.home / CURRENT / ".digest").exists()


class Overtaken(Kept):
    """Another machine that has the same home puts `install` there before the first byte leaves."""

    def __init__(self, packages: CodexPackages, install: Path, place: Path) -> None:
        super().__init__(packages)
        self.install, self.place = install, place

    async def changed(self, package: Package, data: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        shutil.copytree(self.install, self.place)
        async for block in data:
            yield block


def test_of_two_machines_with_one_home_the_quicker_one_has_installed_it(
    tmp_path: Path, sshd: SystemSshd, packages: CodexPackages
) -> None:
    wish = table(tmp_path)
    at(sshd, CodexStep(wish, packages))
    place = (sshd.home / CURRENT).resolve()
    theirs = place.rename(tmp_path / "theirs")
    (sshd.home / CURRENT).unlink()
    host = run(provision(sshd, [CodexStep(wish, Overtaken(packages, theirs, place))]))
    assert (host.outcome, installs(sshd)) == ("changed", ["0.10.0"])
    assert {path.name for path in place.iterdir()} == {path.name for path in theirs.iterdir()}


def test_what_another_machine_or_process_has_half_made_stays(
    tmp_path: Path, sshd: SystemSshd, packages: CodexPackages
) -> None:
    at(sshd, CodexStep(table(tmp_path, "0.9.0"), packages))
    root = sshd.home / LOCATION
    gone = subprocess.Popen(["/bin/true"])
    gone.wait()
    here = machine_here()
    names = [f".new-0-elsewhere-{gone.pid}", f".new-0-{here}-{os.getpid()}", f".new-0-{here}-{gone.pid}"]
    for name in names:
        (root / name).mkdir()
    at(sshd, CodexStep(table(tmp_path, "0.10.0"), packages))
    assert sorted(path.name for path in root.glob(".new-*")) == sorted(names[:2])


def test_two_at_once_install_once(tmp_path: Path, sshd: SystemSshd, packages: CodexPackages) -> None:
    async def work() -> Sequence[HostProvision]:
        step = CodexStep(table(tmp_path, size=SIZE), packages)
        return await asyncio.gather(*(provision(sshd, [step], operator=Operator(name)) for name in ("alice", "bob")))

    hosts = run(work())
    assert all(host.ok for host in hosts)
    assert sum(host.bytes for host in hosts) < SIZE * 1.5
    assert installs(sshd) == ["0.10.0"]


def test_f56_a_running_server_keeps_its_version(tmp_path: Path, sshd: SystemSshd, packages: CodexPackages) -> None:
    at(sshd, CodexStep(table(tmp_path, "0.9.0", like="sleep"), packages))
    server = subprocess.Popen([sshd.home / CURRENT / "bin" / "codex", "600"])
    try:
        step = CodexStep(table(tmp_path, "0.10.0", keep=1), packages)
        host = run(provision(sshd, [step]))
        assert server.poll() is None
        assert (current(sshd), installs(sshd)) == ("0.10.0", ["0.10.0", "0.9.0"])
        assert any("still is codex 0.9.0" in notice for notice in host.steps[0].notices)
    finally:
        server.kill()
        server.wait()


def test_an_absolute_location_is_honoured(tmp_path: Path, sshd: SystemSshd, packages: CodexPackages) -> None:
    at(sshd, CodexStep(table(tmp_path, location=str(tmp_path / "opt" / "codex")), packages))
    assert (tmp_path / "opt" / "codex" / Path(CURRENT).name / "bin" / "codex").exists()
    assert not (sshd.home / LOCATION).exists()


def test_f43_what_a_package_manager_installed_is_taken_as_it_is(tmp_path: Path) -> None:
    store = fake_program(tmp_path / "store" / "hash-codex" / "bin" / "codex")
    profile = tmp_path / "profile" / "bin"
    profile.mkdir(parents=True)
    (profile / "codex").symlink_to(store)
    with SystemSshd(tmp_path, environment={"XDG_RUNTIME_DIR": str(tmp_path)}) as sshd:
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
