"""What everything that packages of codex come from keeps to, the twin in memory too."""

from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.provision.packages import HERE, make_archive, make_package, packages_in
from tests.support.provision.sent_packages import sent

from remora.core.errors import Code, RemoraError
from remora.ports import Package, PackageForm, Packages, Platform
from remora.testing.memory_packages import MemoryPackages


def from_a_file(program: Path) -> Packages:
    """The adapter: an archive that has the program and what lies beside it."""
    return packages_in(program.parents[1] / "kept")


def in_memory(program: Path) -> Packages:
    return MemoryPackages({"0.10.0": files_of(program)})


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return make_package(tmp_path, "0.10.0", size=300_000)


@pytest.fixture(params=[from_a_file, in_memory])
def packages(request: pytest.FixtureRequest, program: Path) -> Packages:
    make: Callable[[Path], Packages] = request.param
    return make(program)


def files_of(program: Path) -> Mapping[str, bytes]:
    """What the archive has, the program first."""
    return {
        "bin/codex": program.read_bytes(),
        "codex-package.json": (program.parents[1] / "codex-package.json").read_bytes(),
    }


def fetched(packages: Packages, program: Path, *, platform: Platform = HERE, digest: str | None = None) -> Package:
    archive = make_archive(program.parents[1] / "codex.tar.gz", list(files_of(program).items()))
    return run(packages.fetch("file", "0.10.0", platform, file=str(archive), digest=digest))


def test_a_number_is_given_back_as_it_is(packages: Packages) -> None:
    assert run(packages.find_version("wheel", "0.9.0", HERE)) == "0.9.0"


def test_the_program_is_the_first_part_and_a_list_that_proves_all_of_them_the_last(
    packages: Packages, program: Path
) -> None:
    package = fetched(packages, program)
    payload = sent(packages, package, PackageForm.PLAIN, 0)
    assert (package.version, package.program, package.platform) == ("0.10.0", "bin/codex", HERE)
    assert (package.size, package.digest) == (len(payload), sha256(payload).hexdigest())
    assert (package.files, sum(part.size for part in package.parts)) == (len(package.parts), package.size)
    listing = payload[-package.parts[-1].size :]
    assert package.content == sha256(listing).hexdigest()
    assert listing.decode().splitlines() == [
        f"{mode} {sha256(files_of(program)[name]).hexdigest()} {name}"
        for mode, name in (("755", "bin/codex"), ("644", "codex-package.json"))
    ]


@pytest.mark.parametrize("form", PackageForm)
@pytest.mark.parametrize("start", [0, 1, 200_000])
def test_a_host_gets_what_it_lacks_in_the_form_it_wants(
    form: PackageForm, start: int, packages: Packages, program: Path
) -> None:
    package = fetched(packages, program)
    whole = sent(packages, package, PackageForm.PLAIN, 0)
    assert sent(packages, package, form, start) == whole


def test_a_part_ends_where_it_is_to(packages: Packages, program: Path) -> None:
    assert sent(packages, fetched(packages, program), PackageForm.PLAIN, 10, 50) == program.read_bytes()[:50]


@pytest.mark.parametrize(
    ("platform", "digest", "code"),
    [
        (Platform(os="SunOS", architecture="sun4v"), None, Code.PLATFORM_UNSUPPORTED),
        (HERE, "sha256:" + "0" * 64, Code.DIGEST_MISMATCH),
    ],
)
def test_what_does_not_fit_is_refused(
    platform: Platform, digest: str | None, code: Code, packages: Packages, program: Path
) -> None:
    with pytest.raises(RemoraError) as caught:
        fetched(packages, program, platform=platform, digest=digest)
    assert caught.value.code is code


def test_a_version_that_cannot_be_had_is_refused(packages: Packages, program: Path) -> None:
    with pytest.raises(RemoraError) as caught:
        run(packages.fetch("file", "0.11.0", HERE, file=str(program)))
    assert caught.value.code is Code.PACKAGE_UNAVAILABLE
