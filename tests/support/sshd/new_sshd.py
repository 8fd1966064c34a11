"""An sshd newer than the machine's own: OpenSSH 10 of Debian 13, run in place from its unpacked packages.

It brings its own C library, so nothing of it is installed; the sessions it starts are ordinary ones of this machine.
``python -m tests.support.sshd.new_sshd`` fetches it ahead of the tests.
"""

import fcntl
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import platformdirs
from tests.support.base.required import missing

_SUITE: Final = "trixie"
_MIRROR: Final = "http://deb.debian.org/debian"
_KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_LIMIT: Final = 300.0


class FetchFailed(Exception):
    """It could not be had; the text says why in one line."""


@dataclass(frozen=True, slots=True)
class NewSshd:
    """The program, and the lines of configuration without which it would not find its other halves."""

    program: str
    options: tuple[str, ...]


def new_sshd() -> NewSshd:
    """Fetched at most once per machine; where it cannot be had the test is skipped, or fails if all is required."""
    try:
        return fetch()
    except FetchFailed as failure:
        missing(str(failure))


def fetch() -> NewSshd:
    """Like :func:`new_sshd`, for use outside of a test. Raises :class:`FetchFailed`."""
    if platform.system() != "Linux" or not _KEYRING.is_file() or shutil.which("apt-get") is None:
        raise FetchFailed(f"OpenSSH of Debian {_SUITE} needs a Debian machine with its archive's keys")
    cache = Path(platformdirs.user_cache_dir("remora"))
    home = cache / f"sshd-{_SUITE}"
    if not home.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with (cache / "sshd.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not home.is_dir():
                _install(home)
    return NewSshd(
        str(home / "sshd"), (f"SshdSessionPath {home / 'sshd-session'}", f"SshdAuthPath {home / 'sshd-auth'}")
    )


def _install(home: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="sshd-partial-", dir=home.parent) as scratch:
        archives, content = _download(Path(scratch) / "apt"), Path(scratch) / "content"
        content.mkdir()
        for archive in archives:
            _call("dpkg-deb", "-x", str(archive), str(content / "root"))
        for name, path in (("sshd", "usr/sbin"), ("sshd-session", "usr/lib/openssh"), ("sshd-auth", "usr/lib/openssh")):
            _wrap(content / name, home / "root", f"{path}/{name}")
        content.rename(home)


def _wrap(program: Path, root: Path, path: str) -> None:
    """A program at its own path that starts the real one with the libraries that belong to it."""
    machine = platform.machine()
    libraries = ":".join(str(root / folder / f"{machine}-linux-gnu") for folder in ("usr/lib", "lib"))
    loader = next((program.parent / "root").glob("usr/lib*/ld-linux*.so*"), None) or next(
        (program.parent / "root").glob("usr/lib/*/ld-linux*.so*")
    )
    loader = root / loader.relative_to(program.parent / "root")
    program.write_text(f'#!/bin/sh\nexec {loader} --argv0 "$0" --library-path {libraries} {root / path} "$@"\n')
    program.chmod(0o755)


def _download(folder: Path) -> list[Path]:
    """openssh-server of that suite with all it needs, by an apt that knows nothing of this machine's packages."""
    for name in ("state/lists/partial", "cache/archives/partial", "etc/preferences.d"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    (folder / "sources.list").write_text(f"deb [signed-by={_KEYRING}] {_MIRROR} {_SUITE} main\n")
    settings = {
        "Dir::State": folder / "state",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        "Dir::Etc": folder / "etc",
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "APT::Sandbox::User": "",
        "APT::Install-Recommends": "false",
        "Acquire::Languages": "none",
        "Acquire::Retries": "2",
    }
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    _call("apt-get", *options, "--quiet", "update")
    _call("apt-get", *options, "--quiet", "--yes", "--download-only", "install", "openssh-server")
    return sorted((folder / "cache/archives").glob("*.deb"))


def _call(*command: str) -> None:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        raise FetchFailed(f"{command[0]} took longer than {_LIMIT:.0f} s") from None
    if done.returncode:
        words = done.stderr.strip().splitlines()
        raise FetchFailed(f"{command[0]} failed: {words[-1] if words else done.returncode}")


if __name__ == "__main__":
    try:
        fetch()
    except FetchFailed as failure:
        sys.exit(str(failure))
