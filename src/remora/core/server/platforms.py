"""Where codex can run: operating systems and architectures, and what each is called in the places it comes from.

The programs are static: neither the C library of the host nor its version matters, so neither is asked for.
"""

from typing import Final, NamedTuple

from remora.core.errors import AppServerProblem, Code

_ARCHITECTURES: Final = {"amd64": "x86_64", "x64": "x86_64", "arm64": "aarch64"}
_NARROW: Final = frozenset({"i386", "i486", "i586", "i686", "armv6l", "armv7l", "armv8l"})
"""What a machine with a 32-bit system calls itself, and what ours call one whose kernel alone is 64-bit."""
_SYSTEMS: Final = {"Linux": "Linux", "Darwin": "macOS"}


class CodexBuild(NamedTuple):
    """One build of codex: `wheel_tags` and `npm_tag` are its names in the indexes, `target` its name in itself."""

    wheel_tags: tuple[str, ...]
    npm_tag: str
    target: str


def _linux(architecture: str, npm_tag: str) -> CodexBuild:
    tags = tuple(f"{kind}_{architecture}" for kind in ("manylinux_2_17", "manylinux2014", "musllinux_1_1"))
    return CodexBuild(tags, npm_tag, f"{architecture}-unknown-linux-musl")


_BUILDS: Final = {
    ("Linux", "x86_64"): _linux("x86_64", "linux-x64"),
    ("Linux", "aarch64"): _linux("aarch64", "linux-arm64"),
    ("Darwin", "x86_64"): CodexBuild(("macosx_14_0_x86_64",), "darwin-x64", "x86_64-apple-darwin"),
    ("Darwin", "aarch64"): CodexBuild(("macosx_14_0_arm64",), "darwin-arm64", "aarch64-apple-darwin"),
}
"""By system and architecture. pip takes a macOS version as the newest that will do."""

BUILT_FOR: Final = tuple(f"{system}-{architecture}" for system, architecture in _BUILDS)
"""What codex is built for, each as one word."""


def codex_build(os: str, architecture: str) -> CodexBuild:
    """The build for a host, by what its ``uname -s`` and ``uname -m`` say. Raises ``platform-unsupported``."""
    build = _BUILDS.get((os, _ARCHITECTURES.get(architecture, architecture)))
    if build is None:
        where = f"{_SYSTEMS.get(os, os or 'an unknown system')} {architecture or 'unknown'}"
        if architecture in _NARROW:
            raise AppServerProblem(
                Code.PLATFORM_UNSUPPORTED,
                f"The programs of this host are 32-bit ({where}), and codex needs a 64-bit system.",
                next_step="Install a 64-bit system there, or use another host.",
            )
        raise AppServerProblem(
            Code.PLATFORM_UNSUPPORTED,
            f"codex does not run on {where}; it supports Linux and macOS on x86_64 and aarch64.",
            next_step="Use another host.",
        )
    return build


_ELF: Final = b"\x7fELF"
_ELF_MACHINES: Final = {(2, 62): "x86_64", (2, 183): "aarch64"}
_MACHO: Final = b"\xcf\xfa\xed\xfe"
_MACHO_MACHINES: Final = {0x01000007: "x86_64", 0x0100000C: "aarch64"}
HEADER_SIZE: Final = 20
"""Bytes at a program's beginning that :func:`program_target` needs."""


def program_target(header: bytes) -> str | None:
    """Which build a program is, by its first bytes; ``other`` for a program of another kind, `None` for no program."""
    system, architecture = None, None
    if header.startswith(_ELF) and len(header) >= HEADER_SIZE:
        machine = int.from_bytes(header[18:20], "big" if header[5] == 2 else "little")
        system, architecture = "Linux", _ELF_MACHINES.get((header[4], machine))
    elif header.startswith(_MACHO):
        system, architecture = "Darwin", _MACHO_MACHINES.get(int.from_bytes(header[4:8], "little"))
    if system is None:
        return None
    build = _BUILDS.get((system, architecture or ""))
    return build.target if build else "other"
