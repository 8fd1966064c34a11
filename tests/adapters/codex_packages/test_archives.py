"""Files that are said to be codex: programs and archives, and what in them is refused before it does harm."""

import gzip
import tarfile
import tracemalloc
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.codex.binaries import codex_binary
from tests.support.provision.packages import FAR_HEADER, HERE, fake_program, make_archive, make_package, packages_in
from tests.support.provision.sent_packages import names_in, refusal

from remora.core.errors import Code
from remora.ports import Platform

ELSEWHERE = Platform(os="Linux", architecture="aarch64" if HERE.architecture == "x86_64" else "x86_64")


def test_a_file_is_a_program_with_or_without_its_package(tmp_path: Path) -> None:
    packages = packages_in(tmp_path / "kept")
    around = make_package(tmp_path / "one", "0.10.0")
    alone = fake_program(tmp_path / "alone", size=100)
    package = run(packages.fetch("file", "latest", HERE, file=str(around)))
    assert names_in(packages, package).keys() > {"bin/codex", "codex-path/rg"}
    package = run(packages.fetch("file", "0.11.0", HERE, file=str(alone)))
    assert (set(names_in(packages, package)), package.version) == ({"bin/codex"}, "0.11.0")


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    program = make_package(tmp_path / "one", "0.10.0")
    error = refusal(packages_in(tmp_path / "kept").fetch("file", "0.11.0", HERE, file=str(program)))
    assert (error.code, "the request names 0.11.0" in error.message) == (Code.PACKAGE_UNAVAILABLE, True)


@pytest.mark.parametrize("file", ["/dev/zero", "/", ""])
def test_what_is_no_file_is_refused_unread(file: str, tmp_path: Path) -> None:
    error = refusal(packages_in(tmp_path / "kept").fetch("file", "latest", HERE, file=file))
    assert (error.code, "it is not a file" in error.message) == (Code.PACKAGE_UNAVAILABLE, True)


def test_f36_a_program_for_another_platform_is_refused(tmp_path: Path) -> None:
    program = tmp_path / "codex"
    program.write_bytes(FAR_HEADER + (243).to_bytes(2, "little") + bytes(100))
    packages = packages_in(tmp_path / "kept")
    assert refusal(packages.fetch("file", "latest", HERE, file=str(program))).code is Code.PLATFORM_UNSUPPORTED
    here = fake_program(tmp_path / "here")
    assert refusal(packages.fetch("file", "latest", ELSEWHERE, file=str(here))).code is Code.PLATFORM_UNSUPPORTED


@pytest.mark.parametrize(
    "files",
    [
        [("readme", b"no codex here")],
        [("../bin/codex", b"x")],
        [("/bin/codex", b"x")],
        [("bin/codex\n0 1 0 ../../evil", b"x")],
        [("bin/codex", b"x"), ("bin/codex", b"y")],
        [("bin", b"x"), ("bin/codex", b"y")],
    ],
)
def test_an_archive_that_is_no_package_is_refused(files: list[tuple[str, bytes]], tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "some.tar.gz", files)
    error = refusal(packages_in(tmp_path / "kept").fetch("file", "latest", HERE, file=str(archive)))
    assert error.code is Code.PACKAGE_UNAVAILABLE
    assert not (tmp_path / "bin").exists()


LINKS = {
    "straight": [("codex-resources", "../../../secrets")],
    "absolute": [("codex-resources", "/etc")],
    "through another": [("codex-resources", "a/b/../../secrets"), ("a/b", "..")],
    "in a circle": [("codex-resources", "codex-path"), ("codex-path", "codex-resources")],
}


@pytest.mark.parametrize("links", LINKS.values(), ids=LINKS.keys())
def test_no_link_of_an_archive_takes_files_of_this_machine_along(links: list[tuple[str, str]], tmp_path: Path) -> None:
    program = fake_program(tmp_path / "codex")
    archive = tmp_path / "some.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name, target in links:
            item = tarfile.TarInfo(name)
            item.type, item.linkname = tarfile.SYMTYPE, target
            tar.addfile(item)
        tar.add(program, "bin/codex")
    error = refusal(packages_in(tmp_path / "kept").fetch("file", "latest", HERE, file=str(archive)))
    assert error.code is Code.PACKAGE_UNAVAILABLE
    assert "points outside of it" in error.message


@pytest.mark.parametrize("target", ["codex\nlink /etc ../../escaped", "codex codex"])
def test_a_link_that_would_be_another_line_of_the_list_of_files_is_refused(target: str, tmp_path: Path) -> None:
    archive = tmp_path / "some.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(fake_program(tmp_path / "codex"), "bin/codex")
        item = tarfile.TarInfo("bin/other")
        item.type, item.linkname = tarfile.SYMTYPE, target
        tar.addfile(item)
    error = refusal(packages_in(tmp_path / "kept").fetch("file", "latest", HERE, file=str(archive)))
    assert error.code is Code.PACKAGE_UNAVAILABLE
    assert "unsupported characters" in error.message


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
@pytest.mark.parametrize("is_first", [True, False])
def test_an_archive_whose_descriptions_have_no_end_fills_no_memory(kind: bytes, is_first: bool, tmp_path: Path) -> None:
    archive = tmp_path / "some.tar.gz"
    item = tarfile.TarInfo("name")
    item.type, item.size = kind, 256 * 1024**2
    with tarfile.open(archive, "w:gz") as tar:
        if not is_first:
            tar.add(fake_program(tmp_path / "codex"), "bin/codex")
    with gzip.open(archive, "rb") as file:
        before = b"" if is_first else file.read().rstrip(b"\0")
    before += b"\0" * (-len(before) % 512)
    with gzip.open(archive, "wb", compresslevel=1) as packed:
        packed.write(before + item.tobuf(tarfile.GNU_FORMAT))
        for _ in range(256):
            packed.write(bytes(1024**2))
    tracemalloc.start()
    try:
        error = refusal(packages_in(tmp_path / "kept").fetch("file", "latest", HERE, file=str(archive)))
        assert tracemalloc.get_traced_memory()[1] < 64 * 1024**2
    finally:
        tracemalloc.stop()
    assert error.code is Code.PACKAGE_UNAVAILABLE


def test_an_archive_without_end_is_refused_before_it_fills_the_disk(tmp_path: Path) -> None:
    archive = tmp_path / "some.tar.gz"
    item = tarfile.TarInfo("bin/codex")
    item.size = 5 * 1024**3
    archive.write_bytes(gzip.compress(item.tobuf()))
    error = refusal(packages_in(tmp_path / "kept").fetch("file", "latest", HERE, file=str(archive)))
    assert "more than 4 GiB" in error.message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "codex")
    assert missing in refusal(packages_in(tmp_path / "kept").fetch("file", "latest", HERE, file=missing)).message


@pytest.mark.codex
def test_the_real_codex_says_its_version(tmp_path: Path) -> None:
    packages = packages_in(tmp_path / "kept")
    package = run(packages.fetch("file", "latest", HERE, file=str(codex_binary("0.133.0"))))
    assert package.version == "0.133.0"
    assert {"bin/codex", "codex-path/rg", "codex-resources/bwrap"} <= names_in(packages, package).keys()
