"""Packages of codex from an index and from what is kept: with the real pip and no network."""

import asyncio
import os
import sys
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from tests.support.base.loop import run
from tests.support.provision.packages import HERE, make_archive, make_package, make_wheel, packages_in
from tests.support.provision.sent_packages import names_in, refusal, sent

from remora.adapters.codex_packages.frames import FRAME
from remora.core.errors import AppServerProblem, Code
from remora.core.settings import Limits
from remora.ports import Package, PackageForm


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where pip finds anything."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return folder


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
    assert "no data arrived for 1 seconds" in error.seen
    assert "canary" not in error.seen
