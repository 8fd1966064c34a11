"""The one line that makes a folder the first of a login shell's PATH."""

import shlex
from typing import Final

MARK: Final = "# remora: codex"
"""Ends the line, so that it is found again."""


def path_line(shell: str, folder: str) -> str | None:
    """The line for the start-up file of `shell`, a program's name; `None` where no line can hold such a folder."""
    if any(character in folder for character in "'\n\\!"):
        return None
    quoted = f"'{folder}'"
    if shell == "fish":
        return f"set -gx PATH {quoted} $PATH {MARK}"
    if shell.endswith("csh"):
        return f'setenv PATH {quoted}":$PATH" {MARK}'
    return f'export PATH={shlex.quote(folder)}:"$PATH" {MARK}'
