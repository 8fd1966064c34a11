"""Where codex comes from."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """What a program must fit: as ``uname`` says them, ``Linux`` and ``x86_64``."""

    os: str
    architecture: str

    @property
    def name(self) -> str:
        """Both as one word."""
        return f"{self.os}-{self.architecture}"


class PackageForm(StrEnum):
    """How a package travels: whichever of these the host can unpack, and the link is best served with."""

    ZSTD = "zstd"
    GZIP = "gzip"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagePart:
    """One file of a package: its path there, and its bytes."""

    path: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A codex for one platform, ready to be sent: all its files one after another, as `parts` says. The program is the
    first, and a list of all with modes and digests the last. That is the payload; `size` are its bytes and `digest` is
    its SHA-256, in whatever form it travels.

    `file` holds it on this machine, compressed in `frames` of so many bytes each, which can be unpacked one by one.
    `content` is the digest of the list: the same files give the same one. `files` counts all, links too.
    """

    version: str
    platform: Platform
    file: str
    frames: tuple[int, ...]
    digest: str
    size: int
    content: str
    files: int
    parts: tuple[PackagePart, ...]

    @property
    def program(self) -> str:
        """The path of codex itself."""
        return self.parts[0].path

    @property
    def packed(self) -> int:
        """The bytes of `file`, which are about what travels."""
        return sum(self.frames)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A part of a payload in some form: `size` bytes, `data`, which belong behind the first `start` of the payload."""

    start: int
    size: int
    data: AsyncIterator[bytes]


class Packages(Protocol):
    """Where codex comes from, fetched by this machine once for many hosts."""

    async def find_version(self, source: str, version: str, platform: Platform) -> str:
        """What ``latest`` means now for ``wheel`` or ``npm``; a number is given back as it is. Asked once per run.

        Without network the newest that is kept here counts. Raises ``package-unavailable``.
        """
        ...

    async def fetch(
        self, source: str, version: str, platform: Platform, *, file: str | None = None, digest: str | None = None
    ) -> Package:
        """The package, from what is kept here or from the index; two who ask at once fetch once.

        `digest` pins the archive as the index has it. Raises ``package-unavailable``, ``digest-mismatch``,
        ``platform-unsupported``.
        """
        ...

    async def send(self, package: Package, form: PackageForm, start: int, *, stop: int | None = None) -> Parcel:
        """What a host wants that has `start` bytes of the payload; it may have to begin a little before that.

        All that is missing, or, of the plain form, what comes before `stop`.
        """
        ...

    async def archive(self, package: Package) -> Package:
        """The same with its `file` as ``gzip`` has it, which every host can unpack. Made on first need."""
        ...
