"""remora's own settings: one TOML file."""

import tomllib
from pathlib import Path

from platformdirs import user_config_path

from remora.adapters.files.whole_file import read_whole
from remora.core.errors import Code, ConfigProblem
from remora.core.settings import DEFAULT_SETTINGS, Settings, read_settings


def load_settings(file: str | None = None) -> Settings:
    """Read `file`, or ``remora/config.toml`` in the user's configuration folder, which need not exist.

    Raises :class:`ConfigProblem` (``settings-invalid``) when a named file is missing, or when one cannot be
    read or understood.
    """
    path = user_config_path("remora") / "config.toml" if file is None else Path(file).expanduser()
    try:
        values = tomllib.loads(read_whole(path, may_wait=file is not None).decode("utf-8"))
    except FileNotFoundError:
        if file is None:
            return DEFAULT_SETTINGS
        raise _unusable(path, "it does not exist") from None
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from None
    except (ValueError, RecursionError) as error:  # numbers and nesting without end, too
        raise _unusable(path, f"it is not TOML: {error}") from None
    return read_settings(values, source=str(path))


def _unusable(path: Path, reason: str) -> ConfigProblem:
    return ConfigProblem(
        Code.SETTINGS_INVALID,
        f"The settings file {path} cannot be used: {reason}.",
        next_step="Correct it, or name another one with --config.",
    )
