"""Where this machine keeps the logs of a user's programs."""

from pathlib import Path

from platformdirs import user_log_path


def log_folder() -> Path:
    """The folder for our logs; it need not exist."""
    return user_log_path("remora", appauthor=False)
