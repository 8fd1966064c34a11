"""Bytes that this machine keeps to itself, by which it knows its own runs again."""

import os
import secrets
from pathlib import Path
from typing import Final

from platformdirs import user_state_path

from remora.adapters.files.whole_file import read_whole
from remora.core.errors import Code, ConfigProblem

_SIZE: Final = 32


def own_key(folder: Path | None = None) -> bytes:
    """The key of this user on this machine; made at the first call. Raises ``place-unusable``."""
    path = (folder or user_state_path("remora", appauthor=False)) / "own.key"
    try:
        if (key := _read(path)) is None:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write(path)
            key = _read(path)
    except OSError as error:
        raise _unusable(path, str(error)) from None
    if key is None:
        raise _unusable(path, "it has another size")
    return key


def _read(path: Path) -> bytes | None:
    try:
        key = read_whole(path, limit=_SIZE)
    except FileNotFoundError:
        return None
    return key if len(key) == _SIZE else None


def _write(path: Path) -> None:
    """Put a new key there at once and whole; when two do, one of them wins for both."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_SIZE))
        os.link(draft, path)
    except FileExistsError:
        if _read(path) is None:
            draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _unusable(path: Path, seen: str) -> ConfigProblem:
    return ConfigProblem(
        Code.PLACE_UNUSABLE,
        f"The key of this machine cannot be stored at {path}.",
        next_step=f"Move that file away, or make {path.parent} a folder that you can write.",
        seen=seen,
    )
