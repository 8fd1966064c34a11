"""What hosts get of packages of codex, and why they get none."""

import gzip
import shutil
import subprocess
from collections.abc import Callable, Coroutine, Mapping
from hashlib import sha256
from typing import Any

import pytest
from tests.support.base.loop import run
from tests.support.base.required import missing

from remora.core.errors import AppServerProblem
from remora.ports import Package, PackageForm, Packages


def sent(packages: Packages, package: Package, form: PackageForm, start: int = 0, stop: int | None = None) -> bytes:
    """What a host that has `start` bytes has in the end."""

    async def work() -> bytes:
        parcel = await packages.send(package, form, start, stop=stop)
        data = b"".join([block async for block in parcel.data])
        assert (len(data), parcel.start <= start) == (parcel.size, True)
        return payload[: parcel.start] + UNPACK[form](data)

    payload = b"" if not start else sent(packages, package, PackageForm.PLAIN)
    return run(work())


def unpacked_by_zstd(data: bytes) -> bytes:
    """What a host makes of it."""
    program = shutil.which("zstd") or missing("zstd is not installed")
    return subprocess.run([program, "-dcq"], input=data, stdout=subprocess.PIPE, check=True).stdout


UNPACK: Mapping[PackageForm, Callable[[bytes], bytes]] = {
    PackageForm.PLAIN: bytes,
    PackageForm.GZIP: gzip.decompress,
    PackageForm.ZSTD: unpacked_by_zstd,
}


def names_in(packages: Packages, package: Package) -> dict[str, str]:
    """Path and mode of each file, as a host learns them."""
    listing = sent(packages, package, PackageForm.PLAIN)[-package.parts[-1].size :]
    assert sha256(listing).hexdigest() == package.content
    modes = {line.split(" ", 2)[2]: line.split(" ", 2)[0] for line in listing.decode().splitlines()}
    assert modes.keys() | {".remora-files"} == {part.path for part in package.parts}
    return modes


def refusal(work: Coroutine[Any, Any, Package]) -> AppServerProblem:
    """Why a package is not available."""
    with pytest.raises(AppServerProblem) as caught:
        run(work)
    return caught.value
