"""Packages of codex from an index, from files and from what is kept: with the real pip and no network."""

import asyncio
import gzip
import os
import shutil
import subprocess
import sys
import tarfile
import tracemalloc
from collections.abc import Callable, Coroutine, Mapping
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from tests.support.codex import codex_binary
from tests.support.loop import run
from tests.support.packages import FAR_HEADER, HERE, fake_program, make_archive, make_package, make_wheel, packages_in
from tests.support.required import missing

from remora.adapters.codex_packages import CodexPackages
from remora.adapters.codex_packages.frames import FRAME
from remora.core.errors import AppServerProblem, Code
from remora.core.settings import Limits
from remora.ports import Package, PackageForm, Platform

ELSEWHERE = Platform(os="Linux", architecture="aarch64" if HERE.architecture == "x86_64" else "x86_64")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where pip finds anything."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return folder


def sent(
    packages: CodexPackages, package: Package, form: PackageForm, start: int = 0, stop: int | None = None
) -> bytes:
    """What a host that has `start` bytes has in the end."""

    async def work() -> bytes:
        parcel = await packages.send(package, form, start, stop=stop)
        data = b"".join([block async for block in parcel.data])
        assert (len(data), parcel.start <= start) == (parcel.size, True)
        return payload[: parcel.start] + UNPACK[form](data)

    payload = b"" if not start else sent(packages, package, PackageForm.PLAIN)
    return run(work())


def unpacked_by_zstd(data: bytes) -> bytes:
    program = shutil.which("zstd") or missing("zstd is not installed")
    return subprocess.run([program, "-dcq"], input=data, stdout=subprocess.PIPE, check=True).stdout


UNPACK: Mapping[PackageForm, Callable[[bytes], bytes]] = {
    PackageForm.PLAIN: bytes,
    PackageForm.GZIP: gzip.decompress,
    PackageForm.ZSTD: unpacked_by_zstd,
}


def names_in(packages: CodexPackages, package: Package) -> dict[str, str]:
    """Path and mode of each file, as a host learns them."""
    listing = sent(packages, package, PackageForm.PLAIN)[-package.parts[-1].size :]
    assert sha256(listing).hexdigest() == package.content
    modes = {line.split(" ", 2)[2]: line.split(" ", 2)[0] for line in listing.decode().splitlines()}
    assert modes.keys() | {".remora-files"} == {part.path for part in package.parts}
    return modes


def refusal(work: Coroutine[Any, Any, Package]) -> AppServerProblem:
    with pytest.raises(AppServerProblem) as caught:
        run(work)
    return caught.value


def test_the_newest_wheel_becomes_a_package(index: Path, tmp_path: Path) -> None:
    for version in ("0.9.0", "0.10.0"):
        make_wheel(index, version, tmp_path)
    packages = packages_in(tmp_path / "kept")

    async def work() -> Package:
        version = await packages.find_version("wheel", "latest", HERE)
        return await packages.fetch("wheel", version, HERE)

    package = run(work())
    assert package.version == "0.10.0"
    assert names_in(packages, package) == {"bin/codex": "755", "codex-package.json": "644", "codex-path/rg": "755"}
    assert package.program == "bin/codex"
    assert not list((tmp_path / "kept").glob(".new-*"))


def test_f35_what_is_kept_needs_no_network(index: Path, tmp_path: Path) -> None:
    wheel = make_wheel(index, "0.10.0", tmp_path)
    first = run(packages_in(tmp_path / "kept").fetch("wheel", "0.10.0", HERE))
    wheel.unlink()
    later = packages_in(tmp_path / "kept")
    assert run(later.find_version("wheel", "latest", HERE)) == "0.10.0"
    assert run(later.fetch("wheel", "0.10.0", HERE)) == first


def test_f35_without_network_and_without_a_kept_package_the_index_is_named(index: Path, tmp_path: Path) -> None:
    packages = packages_in(tmp_path / "kept")
    error = refusal(packages.fetch("wheel", "0.10.0", HERE))
    assert (error.code, "0.10.0" in error.message) == (Code.PACKAGE_UNAVAILABLE, True)
    assert "No matching distribution" in error.seen
    with pytest.raises(AppServerProblem):
        run(packages.find_version("wheel", "latest", HERE))


def test_why_an_index_gives_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        serving = Thread(target=server.serve_forever)
        serving.start()
        monkeypatch.setenv("PIP_INDEX_URL", f"http://me:secret@127.0.0.1:{server.server_port}/simple")
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_RETRIES", "0")
        error = refusal(packages_in(tmp_path / "kept").fetch("wheel", "0.10.0", HERE))
        server.shutdown()
        serving.join()
    assert "403 Client Error" in error.seen
    assert "secret" not in error.seen
    assert "Traceback" not in error.seen


class Refusing(BaseHTTPRequestHandler):
    """An index that lets nobody in."""

    def do_GET(self) -> None:
        """See :class:`BaseHTTPRequestHandler`."""
        self.send_error(403)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
        """Not said."""


def test_many_who_ask_at_once_fetch_once(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "0.10.0", tmp_path)
    told: list[str] = []

    def tell(phrase: str, done: int, total: int) -> None:
        if not done:
            told.append(phrase)

    # Two that know nothing of each other, as in two processes.
    ours, theirs = (packages_in(tmp_path / "kept", tell=tell) for _ in range(2))

    async def work() -> list[Package]:
        asked = [packages.fetch("wheel", "0.10.0", HERE) for packages in (ours, theirs) for _ in range(10)]
        return await asyncio.gather(*asked)

    assert len({package.digest for package in run(work())}) == 1
    assert len([phrase for phrase in told if phrase.startswith("fetching")]) == 1


def test_who_stops_waiting_leaves_nothing_half_made(tmp_path: Path) -> None:
    program = make_package(tmp_path / "one", "0.10.0", size=40_000_000)
    begun = asyncio.Event()
    packages = packages_in(tmp_path / "kept", tell=lambda _phrase, _done, _total: begun.set())

    async def work() -> None:
        asked = asyncio.ensure_future(packages.fetch("file", "latest", HERE, file=str(program)))
        await begun.wait()
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked

    run(work())
    assert [path.name for path in (tmp_path / "kept").iterdir() if not path.name.startswith(".lock-")] == []
    assert run(packages.fetch("file", "latest", HERE, file=str(program))).version == "0.10.0"


def test_a_damaged_or_half_kept_package_does_not_count(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "0.10.0", tmp_path)
    first = run(packages_in(tmp_path / "kept").fetch("wheel", "0.10.0", HERE))
    data = bytearray(Path(first.file).read_bytes())
    data[len(data) // 2] ^= 1
    Path(first.file).write_bytes(data)
    assert Path(run(packages_in(tmp_path / "kept").fetch("wheel", "0.10.0", HERE)).file).read_bytes() != data
    Path(first.file).write_bytes(data[:100])
    assert run(packages_in(tmp_path / "kept").fetch("wheel", "0.10.0", HERE)) == first


@pytest.mark.parametrize("form", PackageForm)
@pytest.mark.parametrize("start", [0, 1, FRAME, FRAME + 1, 2 * FRAME + 7])
def test_what_is_sent_is_the_same_in_every_form_and_from_anywhere(
    form: PackageForm, start: int, tmp_path: Path
) -> None:
    program = make_package(tmp_path / "one", "0.10.0", size=2 * FRAME + 1000)
    packages = packages_in(tmp_path / "kept")
    package = run(packages.fetch("file", "latest", HERE, file=str(program)))
    payload = sent(packages, package, form, start)
    assert (len(payload), sha256(payload).hexdigest()) == (package.size, package.digest)
    assert payload.startswith(program.read_bytes())


def test_a_part_of_the_plain_form_ends_where_it_is_to(tmp_path: Path) -> None:
    packages = packages_in(tmp_path / "kept")
    program = make_package(tmp_path / "one", "0.10.0", size=2 * FRAME)
    package = run(packages.fetch("file", "latest", HERE, file=str(program)))
    assert sent(packages, package, PackageForm.PLAIN, 10, FRAME + 5) == program.read_bytes()[: FRAME + 5]


def test_the_form_for_hosts_without_zstd_is_made_once_and_again_when_damaged(tmp_path: Path) -> None:
    packages = packages_in(tmp_path / "kept")
    package = run(packages.fetch("file", "latest", HERE, file=str(make_package(tmp_path / "one", "0.10.0"))))
    file = Path(run(packages.archive(package)).file)
    made, data = file.stat().st_mtime_ns, file.read_bytes()
    assert Path(run(packages.archive(package)).file).stat().st_mtime_ns == made
    file.write_bytes(data[:100])
    assert Path(run(packages.archive(package)).file).read_bytes() == data


def test_a_digest_pins_the_archive_of_the_index(index: Path, tmp_path: Path) -> None:
    wheel = make_wheel(index, "0.10.0", tmp_path)
    right = f"sha256:{sha256(wheel.read_bytes()).hexdigest()}"
    packages = packages_in(tmp_path / "kept")
    assert run(packages.fetch("wheel", "0.10.0", HERE, digest=right)).version == "0.10.0"
    error = refusal(packages.fetch("wheel", "0.10.0", HERE, digest="sha256:" + "0" * 64))
    assert (error.code, right in error.message) == (Code.DIGEST_MISMATCH, True)


def test_npm_packs_the_build_of_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_package(tmp_path / "package", "0.10.0").parent.parent
    files = [
        (f"package/vendor/x/{file.relative_to(root)}", file.read_bytes()) for file in root.rglob("*") if file.is_file()
    ]
    archive = make_archive(tmp_path / "codex.tgz", files)
    program = tmp_path / "bin" / "npm"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\nimport shutil, sys\nopen({str(tmp_path / 'asked')!r}, 'a').write(sys.argv[-1] + '\\n')\n"
        "to = [word.partition('=')[2] for word in sys.argv if word.startswith('--pack-destination')]\n"
        f"shutil.copy({str(archive)!r}, to[0]) if to else print('0.10.0')\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    packages = packages_in(tmp_path / "kept")
    assert run(packages.find_version("npm", "latest", HERE)) == "0.10.0"
    assert run(packages.fetch("npm", "0.10.0", HERE)).program == "bin/codex"
    assert (tmp_path / "asked").read_text().split()[1].startswith("@openai/codex@0.10.0-")


def test_an_index_that_stalls_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "npm"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'fetching from https://me:canary@proxy/' >&2\nexec sleep 600\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    packages = packages_in(tmp_path / "kept", limits=Limits(provision_stall=1.0))
    error = refusal(packages.fetch("npm", "0.10.0", HERE))
    assert error.code is Code.PACKAGE_UNAVAILABLE
    assert "nothing came for 1 seconds" in error.seen
    assert "canary" not in error.seen


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
    assert (error.code, "0.11.0 is wanted" in error.message) == (Code.PACKAGE_UNAVAILABLE, True)


@pytest.mark.parametrize("file", ["/dev/zero", "/", ""])
def test_what_is_no_file_is_refused_unread(file: str, tmp_path: Path) -> None:
    error = refusal(packages_in(tmp_path / "kept").fetch("file", "latest", HERE, file=file))
    assert (error.code, "it is no file" in error.message) == (Code.PACKAGE_UNAVAILABLE, True)


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
    assert "leads out of it" in error.message


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
    assert "no list of files" in error.message


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
