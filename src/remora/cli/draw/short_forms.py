"""Remote paths and commands in the short form that people would write. Never used where a person decides."""

import shlex
from typing import Final

_SHELLS: Final = frozenset({"sh", "bash", "zsh", "dash", "ash", "ksh", "fish", "tcsh", "csh"})
_SCRIPT_FLAGS: Final = frozenset({"-c", "-lc"})


def within(path: str, folder: str | None) -> str:
    """`path` as seen from `folder`, when it lies below it."""
    below = f"{folder.rstrip('/')}/" if folder else None
    return path[len(below) :] if below and path.startswith(below) and path != below else path


def quoted(path: str) -> str:
    """A path in quotes where its end could be doubted."""
    return repr(path) if set(path) & set(" '\"\\") or not path.isprintable() else path


def without_shell(command: str) -> str:
    """The script inside of ``/bin/bash -lc SCRIPT``, which is how codex wraps every command."""
    try:
        words = shlex.split(command)
    except ValueError:
        return command
    wrapped = len(words) == 3 and words[0].rpartition("/")[2] in _SHELLS and words[1] in _SCRIPT_FLAGS
    return words[2] if wrapped and words[2].strip() else command
