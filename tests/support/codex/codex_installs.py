"""A real sshd to which a small codex is brought."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.base.required import missing
from tests.support.provision.packages import HERE, make_package, packages_in
from tests.support.provision.provision_bench import bench_at, bring
from tests.support.sshd.system_sshd import SystemSshd

from remora.adapters.codex_packages import CodexPackages
from remora.core.devbox.provision_step import Finding
from remora.core.errors import RemoraError
from remora.flows.provision.steps.codex import CodexStep
from remora.wire.manifest.document import CodexSource, CodexTable

LOCATION = ".local/share/remora/codex"
CURRENT = f"{LOCATION}/current-{HERE.os}-{HERE.architecture}"


@pytest.fixture
def packages(tmp_path: Path) -> CodexPackages:
    """Packages of one test."""
    return packages_in(tmp_path / "kept")


def table(tmp_path: Path, version: str = "0.10.0", *, like: str = "true", size: int = 0, **more: object) -> CodexTable:
    """A file of that version, made on first use."""
    folder = tmp_path / f"codex-{version}"
    program = folder / "bin" / "codex" if folder.exists() else make_package(folder, version, like=like, size=size)
    return CodexTable(source=CodexSource.FILE, file=str(program), **more)  # type: ignore[arg-type]


def installs(sshd: SystemSshd) -> list[str]:
    """The versions on the host; whatever else lies there shows, too."""
    names = sorted(path.name for path in (sshd.home / LOCATION).iterdir() if not path.name.startswith("current-"))
    return [name.partition(f"-{HERE.os}-")[0] for name in names]


def current(sshd: SystemSshd) -> str:
    """The version that is used there."""
    return str((sshd.home / CURRENT).readlink()).partition("-")[0]


def at(sshd: SystemSshd, *steps: CodexStep) -> list[Finding]:
    """What each of `steps` found before it was made true, one after another."""

    async def work() -> list[Finding]:
        async with bench_at(sshd) as bench:
            return [await bring(step, bench) for step in steps]

    return run(work())


def refusal(sshd: SystemSshd, step: CodexStep) -> RemoraError:
    """Why `step` cannot be made true."""
    with pytest.raises(RemoraError) as caught:
        at(sshd, step)
    return caught.value


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
