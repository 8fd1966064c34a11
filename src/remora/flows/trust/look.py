"""How a repository is looked at, whoever runs the script that looks."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from remora.core.trust.repository import Repository
from remora.wire.appserver.repository import read_repository, unread_repository

_NAMES: Final = 3_000
_TOO_MANY: Final = f"names more than {_NAMES} possible files"

RunLook = Callable[[Sequence[str]], Awaitable[str | None]]
"""Runs the script, with files that may be named in the folders; what it said, `None` where nobody can tell."""


async def look_at(run: RunLook, folders: Sequence[str], working: str) -> Repository:
    """What lies in the ``.codex`` `folders`, and in the files that they name, seen from `working`.

    Order: a second look where anything is named that may be a file; that one alone counts.
    """
    found = await _read(run, folders, working, ())
    named = found.may_name
    if found.problem is not None or not named or not found.acts:
        return found
    if len(named) > _NAMES:
        return unread_repository(folders, working, _TOO_MANY)
    again = await _read(run, folders, working, sorted(named))
    if not again.may_name <= named:
        return unread_repository(folders, working, "changes while it is read")
    return again


def machine_of(repository: Repository, codex_home: str) -> str:
    """The name of an account of a machine, in what is remembered."""
    return f"{repository.machine} {codex_home}"


async def _read(run: RunLook, folders: Sequence[str], working: str, named: Sequence[str]) -> Repository:
    said = await run(named)
    return unread_repository(folders, working) if said is None else read_repository(said, folders, working, named)
