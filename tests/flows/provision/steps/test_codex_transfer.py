"""codex on its way to a real sshd: whatever breaks, fills up or happens at the same time."""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.base.until import until
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
from tests.support.link.links import SshdResolver, world_of
from tests.support.network.fault_proxy import FaultProxy
from tests.support.network.faults import CutNow, Narrow
from tests.support.provision.packages import HERE
from tests.support.provision.provision_bench import provision, sshd
from tests.support.sshd.account_sshd import AccountSshd
from tests.support.sshd.system_sshd import SystemSshd

from remora.adapters.codex_packages import CodexPackages
from remora.core.errors import Code
from remora.core.settings import Limits
from remora.flows.provision.operators import Operator
from remora.flows.provision.steps.codex import CodexStep
from remora.ports import Package, PackageForm, Parcel, Platform
from remora.wire.reports.provision import HostProvision

__all__ = ["packages", "place", "sshd"]

pytestmark = pytest.mark.sshd

SIZE = 24_000_000
"""Enough that a transfer can be broken in its middle; random, so that it does not shrink."""
ONCE = Limits(provision_retries=0)


def machine_here() -> str:
    """What stands for this machine in names of what is half made."""
    record = Path("/etc/machine-id")
    machine = record.read_text().strip() if record.exists() else ""
    return (machine or os.uname().nodename)[:12]


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
