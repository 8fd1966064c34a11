"""The indexes that codex is published in, asked through their own programs, so that all of the user's settings for
them hold: addresses, proxies, certificates, logins."""

import importlib.util
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from remora.adapters.codex_packages.programs import ProgramFailed, TellBytes, run_program
from remora.core.server.platforms import CodexBuild
from remora.ports import Clock

_WHEEL: Final = "openai-codex-cli-bin"
_NPM: Final = "@openai/codex"
_NUMBER: Final = r"[0-9][0-9A-Za-z.+-]*"
_PIP_SETTINGS: Final = {"PIP_REQUIRE_VIRTUALENV": "0", "PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
"""Only what would make it ask, or refuse a download that installs nothing."""
_PIP_REASONS: Final = re.compile(r"Could not fetch URL .*")
"""Without ``-vv`` pip says of an index that refuses, or is not reached, only that there is no such version."""


class Index(Protocol):
    """One place where codex is published. Raises :class:`ProgramFailed`."""

    async def latest(self, build: CodexBuild, folder: Path) -> str:
        """The newest version for a build; `folder` is for temporary files."""
        ...

    async def download(self, version: str, build: CodexBuild, folder: Path, tell: TellBytes) -> Path:
        """The archive of a version, somewhere below `folder`; `tell` hears how much has come."""
        ...


class WheelIndex:
    """The Python package index, through the pip of this Python, or whichever is there."""

    def __init__(self, clock: Clock, *, stall: float) -> None:
        self._clock = clock
        self._stall = stall

    async def latest(self, build: CodexBuild, folder: Path) -> str:
        """See :class:`Index`."""
        said = await self._pip(("index", "versions", *_platform_options(build), _WHEEL), folder, None)
        found = re.search(rf"^{_WHEEL} \(({_NUMBER})\)", said, re.MULTILINE)
        if found is None:
            raise ProgramFailed(f"pip found no version of {_WHEEL}.")
        return found[1]

    async def download(self, version: str, build: CodexBuild, folder: Path, tell: TellBytes) -> Path:
        """See :class:`Index`."""
        arrived = folder / "arrived"
        options = (*_platform_options(build), "--no-deps", "--no-cache-dir", "--progress-bar=off", f"--dest={arrived}")
        await self._pip(("download", *options, f"{_WHEEL}=={version}"), folder, tell)
        return _only_file(arrived)

    async def _pip(self, words: Sequence[str], folder: Path, tell: TellBytes | None) -> str:
        return await run_program(
            (*_find_pip(), *words, "-vv"),
            folder=folder,
            clock=self._clock,
            stall=self._stall,
            environment=_PIP_SETTINGS,
            tell=tell,
            reasons=_PIP_REASONS,
        )


class NpmIndex:
    """The npm registry, through npm."""

    def __init__(self, clock: Clock, *, stall: float) -> None:
        self._clock = clock
        self._stall = stall

    async def latest(self, build: CodexBuild, folder: Path) -> str:
        """See :class:`Index`."""
        said = (await self._npm(("view", _NPM, "dist-tags.latest"), folder, None)).strip()
        if re.fullmatch(_NUMBER, said) is None:
            raise ProgramFailed(said or f"npm found no version of {_NPM}.")
        return said

    async def download(self, version: str, build: CodexBuild, folder: Path, tell: TellBytes) -> Path:
        """See :class:`Index`."""
        arrived = folder / "arrived"
        arrived.mkdir()
        options = (f"--pack-destination={arrived}", f"--cache={folder / 'npm'}")
        await self._npm(("pack", *options, f"{_NPM}@{version}-{build.npm_tag}"), folder, tell)
        return _only_file(arrived)

    async def _npm(self, words: Sequence[str], folder: Path, tell: TellBytes | None) -> str:
        npm = shutil.which("npm")
        if npm is None:
            raise ProgramFailed("npm is not installed on this machine.")
        command = (npm, "--loglevel=error", "--update-notifier=false", *words)
        return await run_program(command, folder=folder, clock=self._clock, stall=self._stall, tell=tell)


def _find_pip() -> tuple[str, ...]:
    if importlib.util.find_spec("pip") is not None:
        return (sys.executable, "-m", "pip")
    for name in ("pip3", "pip"):
        if found := shutil.which(name):
            return (found,)
    if found := shutil.which("uv"):
        return (found, "tool", "run", "--quiet", "pip")
    raise ProgramFailed("Neither pip nor uv is installed on this machine.")


def _platform_options(build: CodexBuild) -> tuple[str, ...]:
    return (*(f"--platform={tag}" for tag in build.wheel_tags), "--only-binary=:all:")


def _only_file(folder: Path) -> Path:
    found = list(folder.iterdir()) if folder.is_dir() else []
    if len(found) != 1:
        raise ProgramFailed("The package index sent no archive.")
    return found[0]
