"""The private folder on this machine in which the sockets lie."""

import os
import shlex
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from remora.adapters.machine.local_sockets import SOCKET_PATH_LIMIT
from remora.core.errors import Code, LaunchProblem

OVERRIDE: Final = "REMORA_RUNTIME_DIR"
"""The environment variable that names the folder itself; then no other place is tried."""

_LONGEST_BELOW: Final = len("/links/") + 26 + len(".sock")
_FOLDER_LIMIT: Final = SOCKET_PATH_LIMIT - _LONGEST_BELOW
_OTHERS: Final = 0o077
_OTHERS_WRITE: Final = 0o022
_TEMPORARY: Final = Path("/tmp")  # noqa: S108 - what lies there is proven to be ours before it is used


def runtime_folder(environment: Mapping[str, str] = os.environ, *, temporary: Path = _TEMPORARY) -> Path:
    """A folder that is ours alone (0700), with a name short enough for the sockets below it; made if missing.

    The first that serves of: ``$XDG_RUNTIME_DIR/remora``, the system's usual place, and a folder in `temporary`, which
    other users may write to: a path that exists must be a real folder of this user. The order does not depend
    on ``TMPDIR``, so that all sessions of a user meet. A place where something lies that cannot be used is not passed
    over: a hub may live there, and there is never a reason for two. Raises
    :class:`~remora.core.errors.LaunchProblem` (``runtime-folder-unusable``) with the reason for each place.
    """
    reasons = []
    for folder, needs_private_parent in _candidates(environment, temporary):
        reason = _find_fault(folder, needs_private_parent=needs_private_parent)
        if reason is None:
            return folder
        reasons.append(f"{folder}: {reason}")
        if not environment.get(OVERRIDE) and os.path.lexists(folder):
            raise LaunchProblem(
                Code.RUNTIME_FOLDER_UNUSABLE,
                f"{folder} is the folder for sockets, and it cannot be used: {reason}.",
                next_step="Repair it, or move it away and run the command again: "
                + shlex.join(("mv", str(folder), f"{folder}.old")),
                seen="\n".join(reasons),
            )
    named = environment.get(OVERRIDE)
    raise LaunchProblem(
        Code.RUNTIME_FOLDER_UNUSABLE,
        "No private folder with a short path was found for the sockets.",
        next_step=f"Set {OVERRIDE} to another folder of your account with a short path."
        if named
        else "Set XDG_RUNTIME_DIR to a folder of your account with a short path and mode 0700.",
        seen="\n".join(reasons),
    )


def _candidates(environment: Mapping[str, str], temporary: Path) -> Iterator[tuple[Path, bool]]:
    """Each place, and whether the folder above it has to be private."""
    if named := environment.get(OVERRIDE):
        yield Path(named).absolute(), False
        return
    given = environment.get("XDG_RUNTIME_DIR", "")
    if given.startswith("/"):  # the specification has a relative one ignored
        yield Path(given) / "remora", True
    if sys.platform == "darwin":
        from platformdirs import user_runtime_path

        place = user_runtime_path("remora")
        with suppress(OSError):  # an account that has run no program with windows has no such folder yet
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield place, False
    else:
        yield Path(f"/run/user/{os.getuid()}/remora"), True
    yield temporary / f"remora-{os.getuid()}", False


def _find_fault(folder: Path, *, needs_private_parent: bool) -> str | None:
    """Make the folder if need be; what is wrong with it, or `None`."""
    if (size := len(os.fsencode(folder))) > _FOLDER_LIMIT:
        return f"the name has {size} bytes, which leaves too few of the {SOCKET_PATH_LIMIT} that a socket path may have"
    try:
        str(folder).encode()
    except UnicodeEncodeError:
        return "its path is not UTF-8"
    try:
        if needs_private_parent and (fault := _find_stranger(folder.parent.stat())) is not None:
            return f"the folder above {fault}"
        folder.mkdir(mode=0o700, exist_ok=True)
        facts = folder.lstat()
        if not stat.S_ISDIR(facts.st_mode):
            return "it is not a folder, or it is a symbolic link"
        if facts.st_uid != os.getuid():
            return "it belongs to another user"
        if facts.st_mode & _OTHERS_WRITE:
            return "other accounts can write to it"
        if stat.S_IMODE(facts.st_mode) != 0o700:
            folder.chmod(0o700)
    except OSError as error:
        return str(error)
    return None


def _find_stranger(facts: os.stat_result) -> str | None:
    if facts.st_uid != os.getuid():
        return "belongs to another user"
    return "is accessible to other accounts" if facts.st_mode & _OTHERS else None
