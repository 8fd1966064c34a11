"""Fetches codex on a host that is alone, and makes of it the archive that is sent elsewhere.

Standard library only; it stands alone. ``codex_fetch.py SOURCE RESULT CONTENT``: SOURCE is the address of the archive
itself, ``wheel:NAME==VERSION`` or ``npm:NAME@VERSION``, fetched by the pip or npm there. RESULT becomes an archive;
what it holds is proven by CONTENT, the SHA-256 over mode, digest and path of every file.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from typing import IO

_PROGRAMS = ("bin/codex", "codex/codex")
_PARTS = ("bin", "codex-path", "codex-resources", "codex", "path")
_DESCRIPTION = "codex-package.json"
_MAGIC = (b"\x7fELF", b"\xcf\xfa\xed\xfe")


def fetch(source: str, folder: str) -> str:
    """The archive, somewhere in `folder`."""
    kind, _, name = source.partition(":")
    if kind == "wheel":
        options = ("download", "--no-deps", "--no-cache-dir", "--only-binary=:all:", "--dest", folder, name)
        commands = [("python3", "-m", "pip", *options), ("pip3", *options), ("pip", *options)]
    else:
        commands = [("npm", "pack", "--pack-destination=" + folder, name)]
    said = ""
    for command in commands:
        if shutil.which(command[0]) is None:
            continue
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        found = os.listdir(folder)
        if done.returncode == 0 and len(found) == 1:
            return os.path.join(folder, found[0])
        said = done.stdout.decode("utf-8", "replace")[-600:]
    raise SystemExit(f"{name} could not be fetched with {'pip' if kind == 'wheel' else 'npm'}. {said}")


def unpack(archive: str, folder: str) -> None:
    """All regular files, never outside of `folder`."""
    root = os.path.realpath(folder)
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            for item in opened.infolist():
                if not item.is_dir():
                    with opened.open(item) as content:
                        _write(root, item.filename, content, bool(item.external_attr >> 16 & 0o100))
    else:
        with tarfile.open(archive) as tar:
            for member in tar:
                data = tar.extractfile(member) if member.isreg() else None
                if data is not None:
                    _write(root, member.name, data, bool(member.mode & 0o100))
                elif not member.isdir():
                    raise SystemExit(f"{archive} holds {member.name}, which is not a file")


def _write(root: str, name: str, content: IO[bytes], executable: bool) -> None:
    path = os.path.realpath(os.path.join(root, name))
    if not path.startswith(root + os.sep):
        raise SystemExit(f"the file {name} points outside of the archive")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        shutil.copyfileobj(content, file, 1024 * 1024)
    with open(path, "rb") as file:
        program = file.read(4) in _MAGIC
    os.chmod(path, 0o755 if executable or program else 0o644)


def contents(folder: str) -> tuple[dict[str, str], str]:
    """The files to install, by their path in the package, and codex's own."""
    for inside in _PROGRAMS:
        for place, _, _ in sorted(os.walk(folder)):
            if os.path.isfile(os.path.join(place, inside)):
                return _package(place), inside
    raise SystemExit("the archive contains no codex")


def _package(root: str) -> dict[str, str]:
    files = {}
    for part in _PARTS:
        for place, _, names in os.walk(os.path.join(root, part)):
            for name in names:
                path = os.path.join(place, name)
                files[os.path.relpath(path, root)] = path
    description = os.path.join(root, _DESCRIPTION)
    if os.path.isfile(description):
        files[_DESCRIPTION] = description
    return files


def pack(files: dict[str, str], program: str, result: str, content: str) -> None:
    """The archive at `result`: all files one after another, codex first, their list last; nothing but `content`."""
    lines = []
    for name in sorted(files):
        digest = hashlib.sha256()
        with open(files[name], "rb") as file:
            while True:
                data = file.read(1024 * 1024)
                if not data:
                    break
                digest.update(data)
        executable = name == program or os.stat(files[name]).st_mode & 0o100
        lines.append(f"{0o755 if executable else 0o644:o} {digest.hexdigest()} {name}\n")
    listing = "".join(lines).encode("utf-8", "surrogateescape")
    if hashlib.sha256(listing).hexdigest() != content:
        raise SystemExit("the fetched codex does not match the digest of the manifest")
    with gzip.open(result, "wb", compresslevel=1) as archive:
        for name in [program, *sorted(files.keys() - {program})]:
            with open(files[name], "rb") as file:
                shutil.copyfileobj(file, archive, 1024 * 1024)
        archive.write(listing)


def main(arguments: list[str]) -> None:
    """The program."""
    source, place, content = arguments
    result = place + ".new"  # at its place it is whole
    if source.startswith(("wheel:", "npm:")):
        # beside the result: a temporary folder may be small
        folder = tempfile.mkdtemp(prefix=".fetch-", dir=os.path.dirname(result))
        try:
            arrived = os.path.join(folder, "arrived")
            inside = os.path.join(folder, "inside")
            os.mkdir(arrived)
            os.mkdir(inside)
            unpack(fetch(source, arrived), inside)
            pack(*contents(inside), result, content)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    else:
        # Whoever emitted this named the address; what comes is proven by its digest.
        try:
            with urllib.request.urlopen(source, timeout=60) as answer, open(result, "wb") as file:  # noqa: S310
                shutil.copyfileobj(answer, file, 1024 * 1024)
        except (OSError, ValueError) as error:
            raise SystemExit(f"{source} could not be fetched: {error}") from None
    os.replace(result, place)


if __name__ == "__main__":
    main(sys.argv[1:])
