"""The only place where ports meet adapters. An adapter is imported when it is asked for."""

from typing import TYPE_CHECKING

from remora.core.settings import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    from remora.ports import ConfigReader, HostResolver


def default_config_reader(ssh_config: str | None = None) -> "ConfigReader":
    """The SSH config of this machine, or the one file named."""
    from remora.adapters.config_files import ConfigFiles

    return ConfigFiles(ssh_config)


def default_resolver(ssh_config: str | None = None, *, limits: Limits = DEFAULT_LIMITS) -> "HostResolver":
    """The system's ``ssh``."""
    from remora.adapters.openssh_config import OpenSshResolver

    return OpenSshResolver(ssh_config, reader=default_config_reader(ssh_config), limits=limits)
