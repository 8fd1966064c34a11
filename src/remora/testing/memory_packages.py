"""Packages of codex, in memory."""

import gzip
from collections.abc import AsyncIterator, Mapping
from hashlib import sha256
from typing import Final

from remora.core.errors import AppServerProblem, Code
from remora.core.server.platforms import codex_build
from remora.ports import Package, PackageForm, PackagePart, Parcel, Platform

_BLOCK: Final = 128 * 1024
"""The most that zstd has in one block."""


class MemoryPackages:
    """The in-memory twin of :class:`remora.ports.Packages`: every source has the same `versions`, the oldest first, for
    every platform. Each is the bytes of its files by path, the program first.

    `asked` has the versions that were asked for, in order. Nothing is kept on this machine: no `file` is one.
    """

    def __init__(self, versions: Mapping[str, Mapping[str, bytes]] | None = None) -> None:
        self._versions = versions or {}
        self._payloads: dict[str, bytes] = {}
        self.asked: list[str] = []

    async def find_version(self, source: str, version: str, platform: Platform) -> str:
        """See :class:`remora.ports.Packages`."""
        self.asked.append(version)
        return self._named(version) if version == "latest" else version

    async def fetch(
        self, source: str, version: str, platform: Platform, *, file: str | None = None, digest: str | None = None
    ) -> Package:
        """See :class:`remora.ports.Packages`. The archive of an index is the payload itself."""
        self.asked.append(version)
        codex_build(platform.os, platform.architecture)
        named = self._named(version)
        package, payload = _packed(named, self._versions[named], platform)
        if digest is not None and digest.removeprefix("sha256:") != package.digest:
            raise AppServerProblem(Code.DIGEST_MISMATCH, f"codex {named} is another one.", next_step="Correct it.")
        self._payloads[package.digest] = payload
        return package

    async def send(self, package: Package, form: PackageForm, start: int, *, stop: int | None = None) -> Parcel:
        """See :class:`remora.ports.Packages`. What is compressed comes whole."""
        payload = self._payloads[package.digest]
        if form is PackageForm.PLAIN:
            data = payload[start:stop]
            return Parcel(start=start, size=len(data), data=_blocks(data))
        data = gzip.compress(payload) if form is PackageForm.GZIP else _zstd(payload)
        return Parcel(start=0, size=len(data), data=_blocks(data))

    async def archive(self, package: Package) -> Package:
        """See :class:`remora.ports.Packages`."""
        return package

    def _named(self, version: str) -> str:
        if version == "latest" and self._versions:
            return list(self._versions)[-1]
        if version not in self._versions:
            raise AppServerProblem(
                Code.PACKAGE_UNAVAILABLE, f"codex {version} is not available.", next_step="Name another version."
            )
        return version


def _packed(version: str, files: Mapping[str, bytes], platform: Platform) -> tuple[Package, bytes]:
    program = next(iter(files))
    names = (program, *sorted(files.keys() - {program}))
    lines = {
        name: f"{'755' if name == program else '644'} {sha256(files[name]).hexdigest()} {name}\n" for name in names
    }
    listing = "".join(lines[name] for name in sorted(lines)).encode()
    parts = [PackagePart(path=name, size=len(files[name])) for name in names]
    payload = b"".join(files[name] for name in names) + listing
    package = Package(
        version=version,
        platform=platform,
        file="",
        frames=(len(payload),),
        digest=sha256(payload).hexdigest(),
        size=len(payload),
        content=sha256(listing).hexdigest(),
        files=len(files) + 1,
        parts=(*parts, PackagePart(path=".remora-files", size=len(listing))),
    )
    return package, payload


async def _blocks(data: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(data), _BLOCK):
        yield data[at : at + _BLOCK]


def _zstd(data: bytes) -> bytes:
    """One frame as zstd has it, of blocks that are stored as they are: the standard library cannot make others."""
    frame = [b"\x28\xb5\x2f\xfd\xe0" + len(data).to_bytes(8, "little")]
    for at in range(0, len(data), _BLOCK):
        block = data[at : at + _BLOCK]
        is_last = at + _BLOCK >= len(data)
        frame += [(len(block) << 3 | is_last).to_bytes(3, "little"), block]
    return b"".join(frame)
