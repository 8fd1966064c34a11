"""The known hosts files that a configuration names: each is read as a whole, or the host is not connected to.

What they say may restrict: a key on record, a revoked one. ssh passes over a file that it cannot read, and waits for a
pipe; here such a file is a refusal, and a missing one is empty.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from remora.adapters.files.whole_file import read_whole
from remora.adapters.ssh.ssh_failures import only_through_ssh
from remora.core.errors import Code, ConfigProblem
from remora.core.host.hosts import Host
from remora.core.host.known_hosts import KnownKey, parse_known_hosts


def read_known_hosts(host: Host) -> list[KnownKey]:
    """All lines, of every host. Raises :class:`ConfigProblem` for a file that cannot be read, and where it cannot be
    told which files are meant."""
    lines: list[KnownKey] = []
    for keyword, files in _lists(host):
        strange = _other_reading(files)
        if strange is not None:
            raise only_through_ssh(
                host,
                f"{keyword} {' '.join(files)} is ambiguous in the output of ssh -G, and there is {strange}",
            )
        for file in files:
            lines += parse_known_hosts(_read(host, keyword, file).decode("utf-8", "replace"), file)
    return lines


def require_readable(host: Host) -> None:
    """For who lets ssh read them. Raises :class:`ConfigProblem` for a file that cannot be read."""
    for keyword, files in _lists(host):
        for file in files:
            _read(host, keyword, file)


def _lists(host: Host) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield "UserKnownHostsFile", host.user_known_hosts
    yield "GlobalKnownHostsFile", host.global_known_hosts


def _read(host: Host, keyword: str, file: str) -> bytes:
    try:
        return read_whole(file)
    except (FileNotFoundError, NotADirectoryError):
        return b""
    except OSError as error:
        raise ConfigProblem(
            Code.CONFIG_UNREADABLE,
            f"{keyword} {file} of {host.alias} cannot be read, so no host key can be trusted: {error.strerror}.",
            next_step=f"Make {file} readable for your account, or remove it from {keyword}.",
            seen=str(error),
            host=host.alias,
        ) from None


def _other_reading(files: tuple[str, ...]) -> str | None:
    """A file that is there, and among those of the list if a space in it stands elsewhere than we think."""
    words = " ".join(files).split(" ")
    if len(words) == len(files) == 1:
        return None
    for begin in range(len(words)):
        for end in range(begin + 1, len(words) + 1):
            path = " ".join(words[begin:end])
            if path and path not in files and _is_file(path):
                return path
    return None


def _is_file(path: str) -> bool:
    try:
        return Path(path).exists() and not os.path.isdir(path)  # noqa: PTH112 - a name that cannot be a path is not a file
    except (OSError, ValueError):
        return False
