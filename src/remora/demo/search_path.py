"""Put folders on the PATH of an account, in the files where people do that for each common shell.

An environment that the SSH server sets is not enough: ``/etc/profile`` of many systems sets PATH anew.
"""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_BOURNE: Final = (".profile", ".bashrc", ".zshenv", ".zprofile", ".zshrc")
_C_SHELL: Final = (".cshrc", ".login")


def write_search_path(home: Path, folders: Sequence[Path]) -> None:
    """Write the start-up files of sh, bash, zsh, csh and fish into the empty home `home`, if there are folders."""
    if not folders:
        return
    words = [shlex.quote(str(folder)) for folder in folders]
    joined = ":".join(words)
    for name in _BOURNE:
        (home / name).write_text(f'case ":$PATH:" in *:{joined}:*) ;; *) PATH={joined}:"$PATH"; export PATH ;; esac\n')
    for name in _C_SHELL:
        (home / name).write_text(f'setenv PATH {joined}:"$PATH"\n')
    fish = home / ".config" / "fish" / "config.fish"
    fish.parent.mkdir(parents=True)
    fish.write_text(f"set -gx PATH {' '.join(words)} $PATH\n")
