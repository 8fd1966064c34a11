"""The only place where ports meet adapters. An adapter is imported when it is asked for."""

from contextlib import contextmanager
from typing import TYPE_CHECKING

from remora.core.settings import DEFAULT_LIMITS, DEFAULT_SETTINGS, Limits, Settings, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from remora.adapters.files.emitted_folder import Emitted
    from remora.adapters.files.manifest_file import ManifestFile
    from remora.adapters.files.secret_sources import SecretSources
    from remora.adapters.records.told_warnings import ToldWarnings
    from remora.adapters.records.trust_memory import TrustFile
    from remora.adapters.ssh.dial_gate import DialGate
    from remora.flows.provision.operators import Operator
    from remora.ports import (
        ByteStream,
        Clock,
        ConfigReader,
        Dialler,
        HostResolver,
        LocalSockets,
        Packages,
        RunLogs,
        World,
    )


def load_settings(file: str | None = None) -> Settings:
    """The user's settings file, or the one named."""
    from remora.adapters.files.settings_file import load_settings

    return load_settings(file)


def default_config_reader(ssh_config: str | None = None) -> "ConfigReader":
    """The SSH config of this machine, or the one file named."""
    from remora.adapters.files.config_files import ConfigFiles

    return ConfigFiles(ssh_config)


def default_resolver(
    ssh_config: str | None = None, *, limits: Limits = DEFAULT_LIMITS, agent: "Callable[[], str | None] | None" = None
) -> "HostResolver":
    """The system's ``ssh``. `agent` gives the SSH agent of whoever asks; without it that of this process is used."""
    from remora.adapters.ssh.openssh_config import OpenSshResolver

    return OpenSshResolver(ssh_config, reader=default_config_reader(ssh_config), limits=limits, agent=agent)


def dial_gate(limits: Limits = DEFAULT_LIMITS) -> "DialGate":
    """What logins of one program wait at for each other."""
    from random import SystemRandom

    from remora.adapters.ssh.dial_gate import DialGate

    return DialGate(limits, SystemRandom())


def default_dialler(
    ssh_config: str | None = None, *, settings: Settings = DEFAULT_SETTINGS, gate: "DialGate | None" = None
) -> "Dialler":
    """The user's live control master, else asyncssh or the system's ``ssh``, as the settings say for the alias."""
    from remora.adapters.dialler_choice import ChoosingDialler
    from remora.adapters.records.answered_shells import AnsweredShells

    limits, shells = settings.limits, AnsweredShells()

    def make(transport: Transport) -> "Dialler":
        if transport is Transport.OPENSSH:
            from remora.adapters.openssh_host import OpensshDialler

            return OpensshDialler(runtime_folder, ssh_config=ssh_config, limits=limits, shells=shells)
        from remora.adapters.asyncssh_host import AsyncsshDialler

        return AsyncsshDialler(limits, short_way=settings.short_way, shells=shells)

    return ChoosingDialler(
        lambda alias: settings.host(alias).transport, make, gate=gate or dial_gate(limits), limits=limits, shells=shells
    )


def default_world(
    ssh_config: str | None = None,
    *,
    settings: Settings = DEFAULT_SETTINGS,
    gate: "DialGate | None" = None,
    agent: "Callable[[], str | None] | None" = None,
) -> "World":
    """The real world: the system's ``ssh`` resolves, and dials where it is wanted; unread events wait on disk.

    Worlds that are given the same `gate` spare servers together. `agent` gives the SSH agent of whoever asks.
    """
    import secrets
    from functools import partial
    from random import SystemRandom

    from remora.adapters.files.disk_spool import DiskSpool
    from remora.adapters.machine.local_network import SystemNetwork
    from remora.adapters.machine.onward import SystemOnward
    from remora.adapters.machine.system_clock import SystemClock
    from remora.ports import World

    limits = settings.limits
    return World(
        config=default_config_reader(ssh_config),
        network=SystemNetwork(),
        onward=SystemOnward(),
        resolver=default_resolver(ssh_config, limits=limits, agent=agent),
        dialler=default_dialler(ssh_config, settings=settings, gate=gate),
        clock=SystemClock(),
        random=SystemRandom(),
        nonce=partial(secrets.token_hex, 16),
        spool=partial(DiskSpool, memory=limits.spool_memory, disk=limits.spool_disk),
        limits=limits,
    )


def local_sockets() -> "LocalSockets":
    """The sockets of this machine."""
    from remora.adapters.machine.local_sockets import SystemSockets

    return SystemSockets()


def standard_streams() -> "AbstractContextManager[ByteStream]":
    """Standard input and output of this process."""
    from remora.adapters.machine.standard_streams import standard_streams

    return standard_streams()


def system_clock() -> "Clock":
    """Real time."""
    from remora.adapters.machine.system_clock import SystemClock

    return SystemClock()


def runtime_folder() -> "Path":
    """The private folder for sockets; made when it is not there. Raises ``runtime-folder-unusable``."""
    from remora.adapters.machine.runtime_folder import runtime_folder

    return runtime_folder()


def hub_key(folder: "Path") -> bytes:
    """What the hubs of this folder know, one after the other. Raises ``place-unusable``."""
    from remora.adapters.records.own_key import own_key

    return own_key(folder)


def hub_log() -> "Path":
    """Where the hub writes its log."""
    from remora.adapters.files.log_folder import log_folder

    return log_folder() / "hub.log"


def told_warnings() -> "ToldWarnings":
    """Which warnings a person of this machine has read."""
    from remora.adapters.records.told_warnings import ToldWarnings

    return ToldWarnings()


def trust_memory() -> "TrustFile":
    """What this user's answers about repositories are kept in."""
    from remora.adapters.records.trust_memory import TrustFile

    return TrustFile()


def manifest_file(file: str, *, limits: Limits = DEFAULT_LIMITS) -> "ManifestFile":
    """A manifest of this machine."""
    from remora.adapters.files.manifest_file import ManifestFile

    return ManifestFile(file, limits)


def secret_sources(*, limits: Limits = DEFAULT_LIMITS) -> "SecretSources":
    """The secrets of this machine, each read once."""
    from remora.adapters.files.secret_sources import SecretSources

    return SecretSources(limits)


def packages(
    clock: "Clock", *, limits: Limits = DEFAULT_LIMITS, tell: "Callable[[str, int, int], None] | None" = None
) -> "Packages":
    """Where codex comes from; `tell` hears what is fetched, how much of it, and of how much."""
    from remora.adapters.codex_packages import CodexPackages

    return CodexPackages(clock=clock, limits=limits, tell=tell)


def provision_logs(clock: "Clock", *, limits: Limits = DEFAULT_LIMITS) -> "RunLogs":
    """Where runs of provisioning are written down."""
    from remora.adapters.files.log_folder import log_folder
    from remora.adapters.files.run_logs import LogFiles

    return LogFiles(log_folder() / "provision", keep=limits.provision_logs, clock=clock)


def write_emitted(folder: str, files: "Iterable[Emitted]") -> None:
    """Write emitted files below `folder`."""
    from remora.adapters.files.emitted_folder import write_emitted

    write_emitted(folder, files)


def absolute_path(path: str) -> str:
    """`path` as one that holds anywhere on this machine."""
    from pathlib import Path

    return str(Path(path).expanduser().absolute())


def operator_name() -> str:
    """Who works on this machine, as others are told."""
    from remora.adapters.machine.operator import operator_name

    return operator_name()


@contextmanager
def operator() -> "Iterator[Operator]":
    """Who provisions: this user, in a run that ends with the block."""
    from secrets import token_hex

    from remora.adapters.records.own_key import own_key
    from remora.adapters.records.own_runs import OwnRuns
    from remora.flows.provision.operators import Operator

    runs = OwnRuns(own_key)
    try:
        yield Operator(operator_name(), run=runs.begin(token_hex(8)), is_over=runs.is_over)
    finally:
        runs.end()
