"""The only place where ports meet adapters. An adapter is imported when it is asked for."""

from typing import TYPE_CHECKING

from remora.core.settings import DEFAULT_LIMITS, DEFAULT_SETTINGS, Limits, Settings

if TYPE_CHECKING:
    from remora.ports import ConfigReader, HostResolver, World


def load_settings(file: str | None = None) -> Settings:
    """The user's settings file, or the one named."""
    from remora.adapters.settings_file import load_settings

    return load_settings(file)


def default_config_reader(ssh_config: str | None = None) -> "ConfigReader":
    """The SSH config of this machine, or the one file named."""
    from remora.adapters.config_files import ConfigFiles

    return ConfigFiles(ssh_config)


def default_resolver(ssh_config: str | None = None, *, limits: Limits = DEFAULT_LIMITS) -> "HostResolver":
    """The system's ``ssh``."""
    from remora.adapters.openssh_config import OpenSshResolver

    return OpenSshResolver(ssh_config, reader=default_config_reader(ssh_config), limits=limits)


def default_world(ssh_config: str | None = None, *, settings: Settings = DEFAULT_SETTINGS) -> "World":
    """The real world: the system's ``ssh`` resolves, asyncssh dials, unread events wait on this machine's disk."""
    import secrets
    from functools import partial
    from random import SystemRandom

    from remora.adapters.asyncssh_host import AsyncsshDialler
    from remora.adapters.disk_spool import DiskSpool
    from remora.adapters.system_clock import SystemClock
    from remora.ports import World

    limits = settings.limits
    return World(
        config=default_config_reader(ssh_config),
        resolver=default_resolver(ssh_config, limits=limits),
        dialler=AsyncsshDialler(limits),
        clock=SystemClock(),
        random=SystemRandom(),
        nonce=partial(secrets.token_hex, 16),
        spool=partial(DiskSpool, memory=limits.spool_memory),
        limits=limits,
    )
