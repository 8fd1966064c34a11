"""The account of this process in the password database."""

import os
import pwd
from typing import Final

from remora.core.errors import Code, ConfigProblem

RAISE_LIMITS: Final = "Raise the limits of this shell (ulimit -n, ulimit -u), or end programs that you do not need."


def own_account() -> pwd.struct_passwd:
    """The entry of the user who runs this process; OpenSSH does nothing for a user without one.

    Raises :class:`ConfigProblem` (``config-unreadable``).
    """
    try:
        return pwd.getpwuid(os.getuid())
    except KeyError:
        _need_descriptors()
        raise ConfigProblem(
            Code.CONFIG_UNREADABLE,
            f"The user id {os.getuid()} has no entry in the password database, which OpenSSH requires.",
            next_step="Run remora as a user with an entry, or add a line to /etc/passwd (in a container).",
        ) from None


def _need_descriptors() -> None:
    """A database that could not be opened looks to Python like one without the entry."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        raise ConfigProblem(
            Code.CONFIG_UNREADABLE,
            f"This machine could not look up the account of this process: {error.strerror}.",
            seen=str(error),
            next_step=RAISE_LIMITS,
        ) from None
