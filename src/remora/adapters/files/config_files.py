"""The SSH config files of this machine, found where OpenSSH finds them.

Reading opens files and nothing else: no command runs, and no pipe or device is waited for, except a file
that the user named.
"""

import codecs
import errno
import glob
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from remora.adapters.machine.own_account import own_account
from remora.core.errors import Code, ConfigProblem
from remora.core.host.aliases import Listing
from remora.core.host.config_tree import FileText, Root, read_tree

SYSTEM_FOLDER: Final = "/etc/ssh"
NO_FILE: Final = "none"
"""The name that stands for no file at all, as in ``ssh -F none``."""

_VARIABLE: Final = re.compile(r"\$\{(\w+)\}")
_TOKEN: Final = re.compile(r"%(.)")
_SIZE_LIMIT: Final = 32 * 1024 * 1024
_BYTE_ORDER_MARK: Final = codecs.BOM_UTF8
_WIDE: Final = {
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16, whose mark begins the same
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_LOOK: Final = 64
"""Bytes at the beginning in which text of wide characters without a mark shows."""


class ConfigFiles:
    """Reads the user's and the system's config, or the one file named with ``--ssh-config``.

    `system_folder` is where the system's config and its relative includes are.
    """

    def __init__(self, ssh_config: str | None = None, *, system_folder: str = SYSTEM_FOLDER) -> None:
        self._ssh_config = ssh_config if ssh_config in (None, NO_FILE) else os.path.abspath(ssh_config)  # noqa: PTH100
        self._system_folder = system_folder

    def read(self) -> Listing:
        """Everything the files say about names.

        Missing files are no files. Raises :class:`ConfigProblem` when the file named by the user cannot be read.
        """
        if self._ssh_config is not None and self._ssh_config != NO_FILE:
            self._require(self._ssh_config)
        return read_tree(self._roots(), _Files(self._system_folder, named=self._ssh_config))

    def _roots(self) -> tuple[Root, ...]:
        if self._ssh_config is None:
            return (
                Root(f"{account_home()}/.ssh/config"),
                Root(f"{self._system_folder}/ssh_config", system=True),
            )
        return () if self._ssh_config == NO_FILE else (Root(self._ssh_config),)

    def _require(self, path: str) -> None:
        if os.access(path, os.R_OK):
            return
        reason = "it cannot be read" if Path(path).exists() else "it does not exist"
        raise ConfigProblem(
            Code.CONFIG_UNREADABLE,
            f"The SSH config {path} cannot be used: {reason}.",
            next_step="Name a readable file with --ssh-config, or omit the option (and unset REMORA_SSH_CONFIG).",
        )


def account_home() -> str:
    """The home folder in the password database, where OpenSSH looks for its files whatever ``$HOME`` says."""
    return own_account().pw_dir


class _Files:
    """The real files; see :class:`remora.core.host.config_tree.FileSource`."""

    def __init__(self, system_folder: str, *, named: str | None) -> None:
        self._system_folder = system_folder
        self._named = named

    def read(self, path: str, *, root: bool) -> FileText | None:
        try:
            status, data = self._load(path)
        except FileNotFoundError:
            return None
        text, complaints = _as_text(data)
        if self._checks_owner(path, root=root) and _writable_by_others(status):
            complaints.append("Another account owns the file or can write to it, which OpenSSH refuses.")
        return FileText(text, (status.st_dev, status.st_ino), tuple(complaints))

    def _load(self, path: str) -> tuple[os.stat_result, bytes]:
        """A file's status and content; a folder is empty, as it is for OpenSSH."""
        named = path == self._named
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | (0 if named else os.O_NONBLOCK))
        try:
            status = os.fstat(descriptor)
            if stat.S_ISDIR(status.st_mode):
                return status, b""
            if not stat.S_ISREG(status.st_mode) and not named and path != os.devnull:
                raise OSError(errno.EINVAL, "it is not a regular file")
            with open(descriptor, "rb", closefd=False) as file:
                data = file.read(_SIZE_LIMIT + 1)
        finally:
            os.close(descriptor)
        if len(data) > _SIZE_LIMIT:
            raise OSError(errno.EFBIG, "it is larger than 32 MiB")
        return status, data

    def expand(self, argument: str, *, system: bool) -> Sequence[str]:
        paths: list[str] = []
        for text in dict.fromkeys((argument, _filled(argument))):
            path = self._anchored(text, system=system)
            paths += sorted(glob.glob(path), key=os.fsencode)  # noqa: PTH207
        return paths

    def _anchored(self, argument: str, *, system: bool) -> str:
        if argument.startswith("~"):
            if system:
                raise ValueError(f"A system file may not include {argument}: it begins with a tilde.")
            return _expand_tilde(argument)
        if argument.startswith("/"):
            return argument
        return f"{self._system_folder}/{argument}" if system else _expand_tilde(f"~/.ssh/{argument}")

    def _checks_owner(self, path: str, *, root: bool) -> bool:
        return not root or (self._named is None and not path.startswith(f"{self._system_folder}/"))


def _as_text(data: bytes) -> tuple[str, list[str]]:
    """A file's text, whatever program saved it, and what OpenSSH will not like about that."""
    encoding = next((name for mark, name in _WIDE.items() if data.startswith(mark)), None)
    if encoding is None and b"\0" in data[:_LOOK]:
        encoding = "utf-16-le" if data[1:2] == b"\0" else "utf-16-be" if data[:1] == b"\0" else None
    if encoding is not None:
        text = data.decode(encoding, "replace").removeprefix("\ufeff")
        return text, [f"The file is {encoding[:6].upper()} text, which OpenSSH cannot read; save it as UTF-8."]
    if data.startswith(_BYTE_ORDER_MARK):
        text = data.removeprefix(_BYTE_ORDER_MARK).decode("utf-8", "surrogateescape")
        return text, ["The file starts with a byte-order mark, which OpenSSH refuses; save it without one."]
    return data.decode("utf-8", "surrogateescape"), []


def _filled(argument: str) -> str:
    """With variables and those tokens that are the same for every host, which newer OpenSSH fills in."""
    if "$" not in argument and "%" not in argument:
        return argument
    account, machine = own_account(), os.uname().nodename
    tokens = {
        "%": "%",
        "L": machine.partition(".")[0],
        "d": account.pw_dir,
        "i": str(account.pw_uid),
        "l": machine,
        "u": account.pw_name,
    }
    text = _VARIABLE.sub(lambda found: os.environ.get(found[1], found[0]), argument)
    return _TOKEN.sub(lambda found: tokens.get(found[1], found[0]), text)


def _expand_tilde(path: str) -> str:
    """As OpenSSH's own globbing does: here, unlike for its config file, ``$HOME`` comes first."""
    return os.path.expanduser(path)  # noqa: PTH111


def _writable_by_others(status: os.stat_result) -> bool:
    return status.st_uid not in (0, os.getuid()) or bool(status.st_mode & 0o022)
