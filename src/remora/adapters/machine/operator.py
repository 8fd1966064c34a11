"""Who works here."""

import os
import pwd
import socket


def operator_name() -> str:
    """The account and machine that others are told, as in ``joe@laptop``."""
    try:
        account = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        account = str(os.getuid())
    return f"{account}@{socket.gethostname()}"
