"""Every limit that remora keeps, in one place, and what the user's settings file may say about them.

Times are seconds, sizes are bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, Final, TypeVar

from remora.core.errors import Code, ConfigProblem

_E = TypeVar("_E", bound=StrEnum)

_GREETING: Final = 1024 * 1024
"""Bytes of one message to somebody who asks who the server is, and reads no thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long remora waits and how much it keeps; each error that a limit causes names it."""

    resolve: float = 10.0
    """One ``ssh -G``, which may run ``Match exec`` commands."""
    resolve_parallel: int = 8
    """How many ``ssh -G`` run at once."""
    connect: float = 20.0
    """TCP connection and key exchange, when the configuration names no ConnectTimeout."""
    login: float = 120.0
    """Authentication; long, because a person may have to touch a key or read a code."""
    shell_silence: float = 15.0
    """A login shell that sends nothing for so long is taken to hang; output resets it."""
    shell_total: float = 60.0
    """A login shell that still talks but has not reached our script after so long is given up."""
    probe: float = 20.0
    """Our own script, from its first line to its last answer."""
    launch: float = 30.0
    """From starting the app server to its answer to ``initialize``."""
    handshake: float = 10.0
    """One WebSocket upgrade and ``initialize`` with a server that runs already."""
    request: float = 60.0
    """One request to the app server; a turn has no limit of its own."""
    channel: float = 15.0
    """Opening one channel inside the connection."""
    keepalive_interval: float = 15.0
    """Seconds between SSH keepalives when the configuration sets none."""
    keepalive_count: int = 3
    """Unanswered keepalives after which the connection counts as lost."""
    reconnect_total: float = 180.0
    """How long ``run`` tries to get back to a thread after a break."""
    stop: float = 5.0
    """A turn that is stopped while nobody may be at the keyboard; then ``run`` leaves it."""
    message: int = 256 * 1024 * 1024
    """The largest single protocol message."""
    noise: int = 64 * 1024
    """How much login-shell noise is kept for diagnosis."""
    spool_memory: int = 8 * 1024 * 1024
    """Unread events kept in memory before they go to disk."""
    spool_disk: int = 1024 * 1024 * 1024
    """Unread events kept on this machine's disk; a server that sends more is left."""
    check_parallel: int = 16
    """How many hosts are checked at once."""
    stall: float = 20.0
    """A link that has owed an answer for so long is shown as stalled; only the keepalives cut it."""
    wake: float = 5.0
    """After this machine slept, a link that does not answer within so long is made anew."""
    dials_per_minute: int = 3
    """New connections to one host that does not answer."""
    dials_per_second: float = 10.0
    """New connections to all hosts together, begun by links."""
    dial_parallel: int = 16
    """Connections to all hosts together that are not logged in yet."""
    dial_parallel_server: int = 2
    """The same for one server, whatever its aliases: sshd turns away a crowd (MaxStartups)."""
    relay_window: int = 4 * 1024 * 1024
    """Bytes of one stream that may be on their way unread."""
    relay_memory: int = 8 * 1024 * 1024
    """What the relay keeps of one stream in memory while nobody takes it; the rest waits on the host's disk."""
    relay_disk: int = 1024 * 1024 * 1024
    """What the relay keeps on the host's disk in all; beyond it the app server has to wait."""
    lease: float = 3 * 24 * 3600.0
    """How long the relay keeps the streams of a laptop that is away."""
    lease_idle: float = 60.0
    """How long the relay keeps a session that has nobody attached and nothing to lose."""
    provision_parallel: int = 16
    """How many hosts are provisioned at once, unless ``--jobs`` says otherwise."""
    provision_dials: float = 30.0
    """New connections a second of a provision run, which dials each host once; `dial_parallel` of them at once."""
    provision_step: float = 120.0
    """One step of provisioning that moves no bytes and runs nothing of the user's."""
    provision_stall: float = 60.0
    """A transfer that moves no byte for so long is given up; what has arrived is kept."""
    provision_lock: float = 600.0
    """How long a provision run waits for another one on the same host."""
    provision_logs: int = 10
    """Logs of provision runs that this machine keeps of one host; the oldest go."""
    manifest: int = 4 * 1024 * 1024
    """A manifest, and each file beside it that is put on hosts."""
    secret: int = 64 * 1024
    """One secret as it is read on this machine."""
    secret_command: float = 60.0
    """A command that prints a secret; long, because it may ask a person to unlock something."""
    setup: float = 1800.0
    """A set-up script or smoke test whose project names no limit."""
    score_command: float = 900.0
    """One command of a project, run for the scorecard, unless ``--limit`` says otherwise."""
    login_proof: float = 30.0
    """One real request that proves the login of codex on a host."""
    login_device: float = 900.0
    """How long a person may take to enter a device code; codex itself waits no longer."""
    provision_retries: int = 3
    """How often a host is dialled again in one run where trying again can help."""
    egress_connect: float = 15.0
    """From a host's request for a destination to the connection from here, a proxy of this machine included."""
    egress_clients: int = 256
    """Clients of one egress at once."""
    egress_port: float = 30.0
    """How long the port of an egress is asked for again after a reconnect, before another one is taken."""
    hub_start: float = 10.0
    """From starting the hub to its first answer."""
    hub_answer: float = 5.0
    """One answer of the hub that needs no host."""
    hub_idle: float = 300.0
    """The hub ends by itself when it has had no link for so long."""

    def for_greeting(self) -> "Limits":
        """The same for a connection that only greets: many of them at once must not hold many large messages."""
        return replace(self, message=min(self.message, _GREETING))


DEFAULT_LIMITS = Limits()


class ReconnectPolicy(StrEnum):
    """When a lost connection is dialled again without being asked."""

    ALWAYS = "always"
    WHILE_ACTIVE = "while-active"
    """While a client is attached or a turn runs, and not after the host said goodbye."""
    NEVER = "never"


class Transport(StrEnum):
    """Who speaks SSH to a host."""

    BUILT_IN = "built-in"
    OPENSSH = "openssh"
    """The system's ``ssh``; a control master of the user's is used in any case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSettings:
    """What the user decided about one host. `codex` names the program to use there; `None`: the one that is found.

    `tags` are names by which manifests select it. `short_way` is that of :class:`Settings`, for a hub that does not
    read the file.
    """

    codex: str | None = None
    reconnect: ReconnectPolicy = ReconnectPolicy.WHILE_ACTIVE
    transport: Transport = Transport.BUILT_IN
    tags: tuple[str, ...] = ()
    short_way: bool = True


_USUAL: Final = HostSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the user decided once for all commands; `hosts` by alias.

    Without `short_way` the built-in SSH is asyncssh as its authors ship it (docs/short-way.md).
    """

    limits: Limits = DEFAULT_LIMITS
    hosts: Mapping[str, HostSettings] = field(default_factory=dict)
    short_way: bool = True

    def host(self, alias: str, *, codex: str | None = None) -> HostSettings:
        """What holds for `alias`; with `codex` another program than usual is used there this time."""
        host = replace(self.hosts.get(alias, _USUAL), short_way=self.short_way)
        return replace(host, codex=codex) if codex else host


DEFAULT_SETTINGS = Settings()


def read_settings(values: Mapping[str, Any], *, source: str) -> Settings:
    """Turn the settings file's content into settings; `source` names the file in errors.

    ``[limits]`` takes the names of :class:`Limits` and positive numbers, ``[hosts.ALIAS]`` those of
    :class:`HostSettings` and text; `tags` is a list of it. ``[ssh]`` takes `short_way`, true or false.
    Anything else raises :class:`ConfigProblem`: a misspelt setting must not be taken for one that works.
    """
    _only(values, ("limits", "ssh", "hosts"), source)
    limits = _table(values, "limits", source)
    _only(limits, [item.name for item in fields(Limits)], f"[limits] of {source}")
    for name, value in limits.items():
        whole = isinstance(getattr(DEFAULT_LIMITS, name), int)
        number = isinstance(value, int) or (isinstance(value, float) and not whole)
        if isinstance(value, bool) or not number or not value > 0:
            raise _invalid(f"{name} in [limits] of {source} is {value!r}, not a positive {'whole ' * whole}number.")
    hosts = {
        alias: _read_host(host, place=f"[hosts.{alias}] of {source}")
        for alias, host in _table(values, "hosts", source).items()
    }
    ssh = _table(values, "ssh", source)
    _only(ssh, ["short_way"], f"[ssh] of {source}")
    short_way = ssh.get("short_way", True)
    if not isinstance(short_way, bool):
        raise _invalid(f"short_way in [ssh] of {source} is {short_way!r}, not true or false.")
    return Settings(limits=replace(DEFAULT_LIMITS, **limits), hosts=hosts, short_way=short_way)


def _read_host(values: object, *, place: str) -> HostSettings:
    if not isinstance(values, Mapping):
        raise _invalid(f"{place} is no table.")
    _only(values, [item.name for item in fields(HostSettings) if item.name != "short_way"], place)
    for name, value in values.items():
        if name != "tags" and not isinstance(value, str):
            raise _invalid(f"{name} in {place} is no text.")
    tags = values.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) and tag for tag in tags):
        raise _invalid(f"tags in {place} is no list of text.")
    return HostSettings(
        codex=values.get("codex") or None,
        reconnect=_choice(ReconnectPolicy, values, "reconnect", _USUAL.reconnect, place),
        transport=_choice(Transport, values, "transport", _USUAL.transport, place),
        tags=tuple(tags),
    )


def _choice(kind: type[_E], values: Mapping[str, Any], name: str, usual: _E, place: str) -> _E:
    value = values.get(name, usual.value)
    if value not in {choice.value for choice in kind}:
        raise _invalid(f"{name} in {place} is {value!r}; there are: {', '.join(choice.value for choice in kind)}.")
    return kind(value)


def _table(values: Mapping[str, Any], name: str, source: str) -> Mapping[str, Any]:
    table = values.get(name, {})
    if not isinstance(table, Mapping):
        raise _invalid(f"{name} in {source} is no table.")
    return table


def _only(values: Mapping[str, Any], known: "list[str] | tuple[str, ...]", place: str) -> None:
    strange = next((name for name in values if name not in known), None)
    if strange is not None:
        raise _invalid(f"{strange!r} in {place} is no setting; there are: {', '.join(known)}.")


def _invalid(message: str) -> ConfigProblem:
    return ConfigProblem(Code.SETTINGS_INVALID, message, next_step="Correct the settings file.")
