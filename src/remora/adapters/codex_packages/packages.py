"""Packages of codex for any host: from what is kept here, from an index, or from a file on this machine."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from errno import EINVAL
from pathlib import Path
from stat import S_ISREG
from typing import Final, TypeVar

from platformdirs import user_cache_path

from remora.adapters.codex_packages.contents import ArchiveUnusable, Contents, digest_of, open_contents
from remora.adapters.codex_packages.frames import FRAME, from_zstd, read_frames
from remora.adapters.codex_packages.indexes import Index, NpmIndex, WheelIndex
from remora.adapters.codex_packages.origins import Origins
from remora.adapters.codex_packages.payload import Stopped, pack, repack
from remora.adapters.codex_packages.programs import ProgramFailed
from remora.adapters.codex_packages.shelf import Kept, Shelf
from remora.core.errors import AppServerProblem, Code, RemoraError
from remora.core.server.platforms import codex_build
from remora.core.settings import Limits
from remora.ports import Clock, Package, PackageForm, Parcel, Platform

_T = TypeVar("_T")
_LATEST: Final = "latest"
_BEAT: Final = 0.1
"""How often a lock that another process has is tried again."""

TellFetch = Callable[[str, int, int], None]
"""What is being done, as a phrase for people, the bytes done and those in all; 0 when nobody knows how many."""


def package_folder() -> Path:
    """Where packages are kept: below the user's folder of things that can be had again."""
    return user_cache_path("remora", appauthor=False) / "packages"


class CodexPackages:
    """See :class:`remora.ports.Packages`. `tell` hears what a fetch does; `folder` is where packages are kept."""

    def __init__(
        self, *, clock: Clock, limits: Limits, tell: TellFetch | None = None, folder: Path | None = None
    ) -> None:
        self._clock = clock
        self._shelf = Shelf(folder or package_folder())
        self._origins = Origins((folder or package_folder()) / ".origins")
        self._tell = tell or (lambda _phrase, _done, _total: None)
        self._indexes: dict[str, Index] = {
            "wheel": WheelIndex(clock, stall=limits.provision_stall),
            "npm": NpmIndex(clock, stall=limits.provision_stall),
        }
        self._turns: dict[str, asyncio.Lock] = {}
        self._versions: dict[tuple[str, Platform], str] = {}
        self._packages: dict[tuple[str, str, Platform, str | None, str | None], Package] = {}

    async def find_version(self, source: str, version: str, platform: Platform) -> str:
        """See :class:`remora.ports.Packages`."""
        build = codex_build(platform.os, platform.architecture)
        index = self._indexes.get(source)
        if version != _LATEST or index is None:
            return version
        async with self._turn(f"{source}-{_LATEST}"):
            key = (source, platform)
            if key not in self._versions:
                async with self._alone(f"{source}-{_LATEST}"):
                    try:
                        with self._shelf.scratch(f"{source}-{_LATEST}") as scratch:
                            self._versions[key] = await index.latest(build, scratch)
                    except (ProgramFailed, OSError) as failure:
                        kept = await asyncio.to_thread(self._shelf.find, source, platform)
                        if not kept:
                            raise _unavailable(source, _LATEST, platform, str(failure)) from None
                        self._versions[key] = kept[0].package.version
            return self._versions[key]

    async def fetch(
        self, source: str, version: str, platform: Platform, *, file: str | None = None, digest: str | None = None
    ) -> Package:
        """See :class:`remora.ports.Packages`."""
        codex_build(platform.os, platform.architecture)
        key = (source, version, platform, file, digest)
        name = f"{source}-{version}-{platform.os}-{platform.architecture}"
        async with self._turn(name):
            if key not in self._packages:
                async with self._alone(name):
                    try:
                        self._packages[key] = await self._find_or_make(name, source, version, platform, file, digest)
                    except OSError as error:
                        raise _disk_problem(error) from None
            return self._packages[key]

    async def send(self, package: Package, form: PackageForm, start: int, *, stop: int | None = None) -> Parcel:
        """See :class:`remora.ports.Packages`."""
        first = start // FRAME
        if form is PackageForm.PLAIN:
            size = min(stop or package.size, package.size) - start
            return Parcel(start=start, size=size, data=_read_on(_plain(package, first), start - first * FRAME, size))
        sent = await self.archive(package) if form is PackageForm.GZIP else package
        size = sum(sent.frames[first:])
        data = read_frames(Path(sent.file), sent.frames, first)
        return Parcel(start=first * FRAME, size=size, data=_read_on(data, 0, size))

    async def archive(self, package: Package) -> Package:
        """See :class:`remora.ports.Packages`."""

        def make(file: Path) -> tuple[int, ...]:
            phrase = f"packing codex {package.version} for hosts without zstd"
            loop.call_soon_threadsafe(self._tell, phrase, 0, 0)
            return repack(Path(package.file), package.frames, file)

        loop = asyncio.get_running_loop()
        name = f"gzip-{package.digest[:12]}"
        async with self._turn(name), self._alone(name):
            try:
                return await asyncio.to_thread(self._shelf.archive, package, make)
            except OSError as error:
                raise _disk_problem(error) from None

    async def _find_or_make(
        self, name: str, source: str, version: str, platform: Platform, file: str | None, digest: str | None
    ) -> Package:
        pin = digest.removeprefix("sha256:") if digest else None
        if file is not None:
            archive = Path(file)
            if pin is not None:
                _check_pin(pin, await _asked_of(digest_of, archive), str(archive))
            found = await _asked_of(self._origins.digest, archive)
            kept = await self._kept(source, platform, None, found)
            named = None if version == _LATEST else version
            package = kept or await self._make(name, source, platform, archive, found, version=named)
            _check_version(version, package, str(archive))
            return package
        if kept := await self._kept(source, platform, version, pin):
            return kept
        with self._shelf.scratch(f"{name}-index") as scratch:
            archive = await self._download(source, version, platform, scratch)
            found = await _asked_of(digest_of, archive)
            _check_pin(pin, found, archive.name)
            package = await self._make(name, source, platform, archive, found, version=version)
        _check_version(version, package, archive.name)
        return package

    async def _kept(self, source: str, platform: Platform, version: str | None, archive: str | None) -> Package | None:
        for kept in await asyncio.to_thread(self._shelf.find, source, platform, version=version):
            if archive is None or kept.archive == archive:
                if await asyncio.to_thread(self._shelf.is_whole, kept):
                    return kept.package
                await asyncio.to_thread(self._shelf.drop, kept.package)
        return None

    async def _download(self, source: str, version: str, platform: Platform, scratch: Path) -> Path:
        phrase = f"fetching codex {version} for {platform.os} {platform.architecture}"
        self._tell(phrase, 0, 0)
        build = codex_build(platform.os, platform.architecture)

        def tell(done: int, total: int) -> None:
            # While the program lays the archive down, more lies there than the archive has; it is not there yet.
            self._tell(phrase, min(done, total - 1) if total else done, total)

        try:
            return await self._indexes[source].download(version, build, scratch, tell)
        except ProgramFailed as failure:
            raise _unavailable(source, version, platform, str(failure)) from None

    async def _make(
        self, name: str, source: str, platform: Platform, archive: Path, found: str, *, version: str | None = None
    ) -> Package:
        loop = asyncio.get_running_loop()

        def work(stop: threading.Event) -> Package:
            def tell(phrase: str, done: int, total: int) -> None:
                if stop.is_set():
                    raise Stopped
                loop.call_soon_threadsafe(self._tell, phrase, done, total)

            with self._shelf.scratch(name) as scratch:
                return self._pack(scratch, source, platform, archive, found, version, tell)

        try:
            return await _in_thread(work)
        except ArchiveUnusable as problem:
            raise AppServerProblem(
                Code.PACKAGE_UNAVAILABLE,
                f"{archive.name} is not a codex package: {problem}.",
                next_step='Name a codex program, wheel or .tar.gz archive; or use source = "wheel" or "npm".',
            ) from None

    def _pack(
        self,
        scratch: Path,
        source: str,
        platform: Platform,
        archive: Path,
        found: str,
        version: str | None,
        tell: TellFetch,
    ) -> Package:
        contents = open_contents(archive, scratch / "contents")
        _check_target(contents, platform, archive.name)
        number = contents.version or version or f"file.{found[:8]}"
        phrase = f"packing codex {number} for {platform.os} {platform.architecture}"
        target = scratch / "packed"
        packed = pack(contents, target, lambda done, total: tell(phrase, done, total))
        package = Package(
            version=number,
            platform=platform,
            file=str(target),
            frames=packed.frames,
            digest=packed.digest,
            size=packed.size,
            content=packed.content,
            files=packed.files,
            parts=packed.parts,
        )
        return self._shelf.keep(source, Kept(archive=found, package=package, file=digest_of(target)))

    def _turn(self, name: str) -> asyncio.Lock:
        return self._turns.setdefault(name, asyncio.Lock())

    @asynccontextmanager
    async def _alone(self, name: str) -> AsyncIterator[None]:
        """One process at a time; the loop goes on meanwhile."""
        try:
            while (lock := self._shelf.try_lock(name)) is None:
                await self._clock.sleep(_BEAT)
        except OSError as error:
            raise _disk_problem(error) from None
        try:
            yield
        finally:
            self._shelf.unlock(lock)


async def _asked_of(digest: Callable[[Path], str], archive: Path) -> str:
    def ask() -> str:
        if not S_ISREG(archive.stat().st_mode):  # a device may never end
            raise OSError(EINVAL, "it is not a file")
        return digest(archive)

    try:
        return await asyncio.to_thread(ask)
    except OSError as error:
        raise AppServerProblem(
            Code.PACKAGE_UNAVAILABLE,
            f"{archive} cannot be read: {error.strerror}.",
            next_step="Name a codex program, wheel or .tar.gz archive that is on this machine.",
        ) from None


def _plain(package: Package, first: int) -> Iterator[bytes]:
    return map(from_zstd, read_frames(Path(package.file), package.frames, first))


async def _read_on(blocks: Iterator[bytes], skip: int, size: int) -> AsyncIterator[bytes]:
    """So many bytes of `blocks` behind the first ones; whatever it takes to have them happens beside the loop."""
    try:
        while size > 0 and (block := await asyncio.to_thread(next, blocks, b"")):
            data = block[skip : skip + size]
            skip, size = 0, size - len(data)
            yield data
    except OSError as error:
        raise _disk_problem(error) from None


async def _in_thread(work: Callable[[threading.Event], _T]) -> _T:
    """Run `work` beside the loop. When whoever waits is cancelled it is told to stop, and has stopped on return."""
    stop = threading.Event()
    running = asyncio.ensure_future(asyncio.to_thread(work, stop))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.gather(running, return_exceptions=True)
        raise


def _check_target(contents: Contents, platform: Platform, name: str) -> None:
    build, target = codex_build(platform.os, platform.architecture), contents.target
    if target != build.target:
        raise AppServerProblem(
            Code.PLATFORM_UNSUPPORTED,
            f"The codex in {name} is for {target or 'no known system'}, and the host needs {build.target}.",
            next_step="Name a package of the right platform for this host.",
        )


def _check_pin(pin: str | None, found: str, name: str) -> None:
    if pin is not None and pin != found:
        raise AppServerProblem(
            Code.DIGEST_MISMATCH,
            f"{name} does not match the digest in the manifest: it is sha256:{found}.",
            next_step="Find out why they differ; correct the digest only if you trust this archive.",
        )


def _check_version(version: str, package: Package, name: str) -> None:
    if version != _LATEST and package.version != version and not package.version.startswith("file."):
        raise AppServerProblem(
            Code.PACKAGE_UNAVAILABLE,
            f"{name} is codex {package.version}, and the request names {version}.",
            next_step="Correct the version, or name another package.",
        )


def _unavailable(source: str, version: str, platform: Platform, seen: str) -> RemoraError:
    what = "the newest codex" if version == _LATEST else f"codex {version}"
    return AppServerProblem(
        Code.PACKAGE_UNAVAILABLE,
        f"{what} for {platform.os} {platform.architecture} is not available ({source}), and this machine has no copy.",
        seen=seen,
        next_step="Check the version and the access of this machine to the package index, or use another source: npm "
        "(has the newest versions) or a file.",
    )


def _disk_problem(error: OSError) -> RemoraError:
    return AppServerProblem(
        Code.PACKAGE_UNAVAILABLE,
        f"The package could not be saved on this machine: {error.strerror or error}.",
        seen=str(error.filename or ""),
        next_step=f"Make room in {package_folder()}, and make your account its owner.",
    )
