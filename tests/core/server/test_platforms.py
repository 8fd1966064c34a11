"""Where codex runs, and which program is for where."""

import sys
from pathlib import Path

import pytest

from remora.core.devbox.path_lines import path_line
from remora.core.errors import AppServerProblem, Code
from remora.core.server.platforms import codex_build, program_target


@pytest.mark.parametrize(
    ("os", "architecture", "npm_tag"),
    [
        ("Linux", "x86_64", "linux-x64"),
        ("Linux", "aarch64", "linux-arm64"),
        ("Darwin", "arm64", "darwin-arm64"),
        ("Darwin", "x86_64", "darwin-x64"),
    ],
)
def test_codex_is_built_for(os: str, architecture: str, npm_tag: str) -> None:
    assert codex_build(os, architecture).npm_tag == npm_tag


@pytest.mark.parametrize(
    ("os", "architecture"),
    [("Linux", "i686"), ("Linux", "armv7l"), ("Linux", "riscv64"), ("FreeBSD", "amd64"), ("MINGW64_NT", "x86_64")],
)
def test_f36_where_codex_cannot_run_is_refused_by_name(os: str, architecture: str) -> None:
    with pytest.raises(AppServerProblem) as caught:
        codex_build(os, architecture)
    assert caught.value.code is Code.PLATFORM_UNSUPPORTED
    assert architecture in caught.value.message
    assert ("32-bit" in caught.value.message) is (architecture in {"i686", "armv7l"})


def elf(kind: int, machine: int) -> bytes:
    return b"\x7fELF" + bytes([kind, 1, 1]) + bytes(9) + b"\x02\x00" + machine.to_bytes(2, "little")


@pytest.mark.parametrize(
    ("header", "target"),
    [
        (elf(2, 62), "x86_64-unknown-linux-musl"),
        (elf(2, 183), "aarch64-unknown-linux-musl"),
        (elf(1, 3), "other"),
        (elf(2, 243), "other"),
        (b"\xcf\xfa\xed\xfe\x0c\x00\x00\x01" + bytes(12), "aarch64-apple-darwin"),
        (b"#!/bin/sh\n" + bytes(20), None),
        (b"\x7fELF", None),
    ],
)
def test_a_program_says_where_it_is_for(header: bytes, target: str | None) -> None:
    assert program_target(header) == target


@pytest.mark.skipif(sys.platform != "linux", reason="the header of this very Python is read")
def test_this_python_is_a_program() -> None:
    assert program_target(Path(sys.executable).read_bytes()[:20]) is not None


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "tcsh", "dash"])
def test_no_line_is_written_for_a_folder_that_it_cannot_hold(shell: str) -> None:
    assert path_line(shell, "/srv/it's") is None
    assert "/srv/tools dir" in (path_line(shell, "/srv/tools dir") or "")
