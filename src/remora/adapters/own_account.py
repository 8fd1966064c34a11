"""The account of this process in the password database."""

import os
import pwd

from remora.core.errors import Code, ConfigProblem


def own_account() -> pwd.struct_passwd:
    """The entry of the user who runs this process; OpenSSH does nothing for a user without one.

    Raises :class:`ConfigProblem` (``config-unreadable``).
    """
    try:
        return pwd.getpwuid(os.getuid())
    except KeyError:
        raise ConfigProblem(
            Code.CONFIG_UNREADABLE,
            f"The user id {os.getuid()} has no entry in the password database, and OpenSSH works for no such user.",
            next_step="Run remora as a user of this machine, or add one: in a container, a line in /etc/passwd.",
        ) from None
