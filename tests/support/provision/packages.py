"""Small packages of codex for tests: real programs of this machine in the archives that codex comes in."""

import io
import platform
import shutil
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from random import Random
from zlib import crc32

from tests.support.base.required import missing

from remora.adapters.codex_packages import CodexPackages, TellFetch
from remora.adapters.machine.system_clock import SystemClock
from remora.core.server.platforms import codex_build
from remora.core.settings import DEFAULT_LIMITS, Limits
from remora.ports import Platform

HERE = Platform(os=platform.system(), architecture=platform.machine())
FAR_HEADER = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00"
"""The first bytes of a Linux program of some architecture, without the two that say which."""


def fake_program(path: Path, *, like: str = "true", size: int = 0, seed: int = 1) -> Path:
    """A program that answers ``--version`` and does what `like` does; `size` random bytes at its end do no harm."""
    found = shutil.which(like) or missing(f"{like} is not installed")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(Path(found).read_bytes() + Random(seed).randbytes(size))  # noqa: S311 - only bytes that differ
    path.chmod(0o755)
    return path


def make_package(folder: Path, version: str, *, like: str = "true", size: int = 0) -> Path:
    """An unpacked package as codex comes in; its program."""
    program = fake_program(folder / "bin" / "codex", like=like, size=size, seed=crc32(version.encode()))
    fake_program(folder / "codex-path" / "rg")
    (folder / "codex-package.json").write_text(f'{{"layoutVersion": 1, "version": "{version}"}}')
    return program


def make_wheel(folder: Path, version: str, scratch: Path) -> Path:
    """A wheel for this machine as the index has it; zip loses the modes."""
    root = make_package(scratch / f"wheel-{version}", version).parent.parent
    name = f"openai_codex_cli_bin-{version}"
    wheel = folder / f"{name}-py3-none-{codex_build(HERE.os, HERE.architecture).wheel_tags[0]}.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file in root.rglob("*"):
            if file.is_file():
                archive.writestr(f"codex_cli_bin/{file.relative_to(root)}", file.read_bytes())
        archive.writestr("codex_cli_bin/__init__.py", "")
        archive.writestr(
            f"{name}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: openai-codex-cli-bin\nVersion: {version}\n"
        )
        archive.writestr(f"{name}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: false\n")
        archive.writestr(f"{name}.dist-info/RECORD", "")
    return wheel


def make_archive(path: Path, files: Sequence[tuple[str, bytes]]) -> Path:
    """A ``.tar.gz`` with just these files."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files:
            item = tarfile.TarInfo(name)
            item.size = len(content)
            archive.addfile(item, io.BytesIO(content))
    return path


def packages_in(folder: Path, *, limits: Limits = DEFAULT_LIMITS, tell: TellFetch | None = None) -> CodexPackages:
    """Packages kept in `folder`."""
    return CodexPackages(clock=SystemClock(), limits=limits, folder=folder, tell=tell)
