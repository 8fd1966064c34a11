"""The real codex binaries that tests run: one of each generation, pinned, fetched once per machine.

``python -m tests.support.codex.binaries`` fetches all of them ahead of the tests.
"""

import fcntl
import hashlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import platformdirs
from tests.support.base.required import missing

VERSIONS: Final = ("0.120.0", "0.133.0", "0.163.0", "0.169.0", "0.171.0")
"""No unix socket; sockets and proxy; the version of ``remora[demo]``; then the newest two."""

NEWEST: Final = VERSIONS[-1]
"""What a test uses that needs codex as installed today."""

_FETCH_LIMIT: Final = 600.0
_ASK_LIMIT: Final = 30.0


class FetchFailed(Exception):
    """A binary could not be had; the text says why in one line."""


@dataclass(frozen=True, slots=True)
class _Package:
    """Where one version for one platform comes from, and what exactly it must be."""

    spec: str
    sha: str
    """The hexadecimal digest of the archive: 128 digits of SHA-512 for npm, 64 of SHA-256 for a wheel."""
    wheel_platform: str | None = None


def _npm(version: str, system: str, sha512: str) -> _Package:
    return _Package(f"@openai/codex@{version}-{system}", sha512)


def _wheel(version: str, tag: str, sha256: str) -> _Package:
    return _Package(f"openai-codex-cli-bin=={version}", sha256, tag)


_LINUX_X64: Final = ("Linux", "x86_64")
_LINUX_ARM: Final = ("Linux", "aarch64")
_MAC_ARM: Final = ("Darwin", "arm64")

_PACKAGES: Final = {
    ("0.120.0", *_LINUX_X64): _npm(
        "0.120.0",
        "linux-x64",
        "55c3fd07f73f3be105120aa87ad0b3bc7acb7c0768f2faedd3d1b1d6527c8a47"
        "b072da80b89fe8ce3ffac2ebe5cfb5da68aeb889be5c81ed35a4e01e0b2b764a",
    ),
    ("0.133.0", *_LINUX_X64): _wheel(
        "0.133.0", "manylinux_2_17_x86_64", "83d7714ac36988795fde9b3783597f1543f978b0fdce568696098efdb5735e5c"
    ),
    ("0.133.0", *_LINUX_ARM): _wheel(
        "0.133.0", "manylinux_2_17_aarch64", "837090fcbeef3acc06b947af0664abee58fb390f0a829b23ee2baaaa48cb8150"
    ),
    ("0.133.0", *_MAC_ARM): _wheel(
        "0.133.0", "macosx_11_0_arm64", "0934a7c8055d1a6b86e04ddc43d8f72717dcff9188c8612b52b741f69d59c8df"
    ),
    ("0.163.0", *_LINUX_X64): _wheel(
        "0.163.0", "manylinux_2_17_x86_64", "76db41fb07fdf9ddacbe892b48d21dfde270031ec0f5666b5e558114355f006d"
    ),
    ("0.163.0", *_LINUX_ARM): _wheel(
        "0.163.0", "manylinux_2_17_aarch64", "bb2b0d117eeb02608738cf2bcdf51f6a036343d0028272e11a94e72b0d23b141"
    ),
    ("0.163.0", *_MAC_ARM): _wheel(
        "0.163.0", "macosx_11_0_arm64", "dd0e6570930167f0e15ec94c5fb494a4a5a9dceb0a97113176c7b47c826cda05"
    ),
    ("0.169.0", *_LINUX_X64): _npm(
        "0.169.0",
        "linux-x64",
        "a34e4dc803820f28123d1a35ca29f3c6f91149d9ac672043f44ee66e99a345a9"
        "d27ccf25ca9a96b50804a385df364c21b82476685bbc9a518eb101855d56d5c3",
    ),
    ("0.169.0", *_LINUX_ARM): _npm(
        "0.169.0",
        "linux-arm64",
        "359fc36905297109b19aa79eed9f6e0b5af3c371a149ba286b071a4ded4b3796"
        "24f969629d42867535c98029514fff6881010433d4d6c58cefc4f7e3e46ff116",
    ),
    ("0.169.0", *_MAC_ARM): _npm(
        "0.169.0",
        "darwin-arm64",
        "e56b161416d53fbf03fba16f368d4c315c4b3d9766728425a95245ac5e2ac7f4"
        "e6be778b9cc40ab4bc97914a39e173930dfa182a9368b9327f17b813540f059d",
    ),
    ("0.171.0", *_LINUX_X64): _npm(
        "0.171.0",
        "linux-x64",
        "97ae8d664420764d82de96dc7d42c3cf8db2114079f3531503a23e638dd6a783"
        "88a84cbbdc709d999d064e37801d8db272e1f8374d1df55b0baf04f58f1b214f",
    ),
    ("0.171.0", *_LINUX_ARM): _npm(
        "0.171.0",
        "linux-arm64",
        "f73d7bb786db509f540886f8f4ee0fa00fa48bee39ab7addf2767c3de1fab189"
        "e52a406577f5e9a3f392de1dd38bde78f9fa2c857e28ee4e53094f0def3cea40",
    ),
    ("0.171.0", *_MAC_ARM): _npm(
        "0.171.0",
        "darwin-arm64",
        "848613911529b98a6455f4eae1ca5bcb43d7aa1015708804edfe85a3263596dd"
        "91c80463dc65d2d426a7fdd21850122d5615f385bf7c1d81d9373097ef841195",
    ),
}

_failures: dict[str, str] = {}


def codex_binary(version: str) -> Path:
    """The executable of one pinned version, with what it needs (``rg``, ``bwrap``) beside it.

    Fetched at most once per machine, also when several test workers ask at once. A version that cannot be
    had skips the test, or fails it where everything is required.
    """
    if version not in _failures:
        try:
            return fetch(version)
        except FetchFailed as failure:
            _failures[version] = str(failure)
    return missing(_failures[version])


def fetch(version: str) -> Path:
    """Like :func:`codex_binary`, for use outside of a test. Raises :class:`FetchFailed`."""
    package = _PACKAGES.get((version, platform.system(), platform.machine()))
    if package is None:
        raise FetchFailed(f"codex {version} is not published for {platform.system()} {platform.machine()}")
    cache = Path(platformdirs.user_cache_dir("remora")) / "codex"
    home = cache / f"{version}-{package.sha[:12]}"
    if not home.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with _locked(cache / f"{version}.lock"):
            if not home.is_dir():
                _install(version, package, home)
    return _executable(home)


def published() -> str:
    """The version that the registry calls the latest. Raises :class:`FetchFailed`."""
    npm = shutil.which("npm")
    if npm is None:
        raise FetchFailed("npm is not installed, which asks the registry for the latest codex")
    command = [npm, "view", "--silent", "--fetch-retries=0", "@openai/codex", "dist-tags.latest"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_ASK_LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        raise FetchFailed(f"the registry did not name the latest codex within {_ASK_LIMIT:.0f} s") from None
    if done.returncode or not re.fullmatch(r"\d+\.\d+\.\d+", done.stdout.strip()):
        raise FetchFailed("the registry did not name the latest codex")
    return done.stdout.strip()


def _install(version: str, package: _Package, home: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=f"{version}-partial-", dir=home.parent) as scratch:
        archives, content = Path(scratch, "archive"), Path(scratch, "content")
        archives.mkdir()
        content.mkdir()
        archive = _download(package, archives)
        algorithm = "sha256" if package.wheel_platform else "sha512"
        with archive.open("rb") as file:
            found = hashlib.file_digest(file, algorithm).hexdigest()
        if found != package.sha:
            raise FetchFailed(f"codex {version} is not what was pinned: {algorithm} {found}")
        _extract(archive, content)
        _executable(content).chmod(0o755)
        content.rename(home)


def _download(package: _Package, folder: Path) -> Path:
    if package.wheel_platform:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-cache-dir", "--no-deps", "--no-input"]
        command += ["--only-binary=:all:", "--platform", package.wheel_platform, "--dest", str(folder), package.spec]
    else:
        npm = shutil.which("npm")
        if npm is None:
            raise FetchFailed(f"npm is not installed, which fetches {package.spec}")
        command = [npm, "pack", "--silent", "--fetch-retries=2", "--pack-destination", str(folder), package.spec]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_FETCH_LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        raise FetchFailed(f"fetching {package.spec} took longer than {_FETCH_LIMIT:.0f} s") from None
    archives = list(folder.iterdir())
    if done.returncode or not archives:
        words = done.stderr.strip().splitlines()
        raise FetchFailed(f"fetching {package.spec} failed: {words[-1] if words else done.returncode}")
    return archives[0]


def _extract(archive: Path, content: Path) -> None:
    """The archive's files with their modes; a wheel, being a zip, loses them and gets them back here."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(content)
        for file in content.rglob("*"):
            if file.is_file() and not file.suffix:
                file.chmod(0o755)
    else:
        subprocess.run(["tar", "-xzf", str(archive), "-C", str(content)], check=True, timeout=_FETCH_LIMIT)


def _executable(folder: Path) -> Path:
    found = sorted(folder.rglob("bin/codex")) or sorted(folder.rglob("codex/codex"))
    if not found:
        raise FetchFailed(f"no codex below {folder.name}")
    return found[0]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Only one process at a time; the lock ends with the process, whatever happens to it."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main() -> int:
    """Fetch every version; 1 when one could not be had."""
    status = 0
    for version in VERSIONS:
        try:
            fetch(version)
        except FetchFailed as failure:
            print(failure, file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    raise SystemExit(main())


def trust_folder(codex_home: Path, folder: Path) -> None:
    """Answer the terminal client's first question in advance: it throws away keys that are pressed too early."""
    config = codex_home / "config.toml"
    config.write_text(f'{config.read_text()}\n[projects."{folder}"]\ntrust_level = "trusted"\n')
