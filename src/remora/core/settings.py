"""Every limit that remora keeps, in one place, and what the user's settings file may say about them.

``scripts/settings_page.py`` makes docs/settings.md from this file: a docstring is the effect, a type is the unit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, Final, TypeAlias, TypeVar

from remora.core.errors import Code, ConfigProblem

_E = TypeVar("_E", bound=StrEnum)

Seconds: TypeAlias = float
Bytes: TypeAlias = int
Count: TypeAlias = int
PerSecond: TypeAlias = float
PerMinute: TypeAlias = int

_GREETING: Final = 1024 * 1024
"""Bytes of one message to somebody who asks who the server is, and reads no thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long remora waits and how much it keeps. Each error that a limit causes names the limit."""

    resolve: Seconds = 10.0
    """Limit of one `ssh -G`, which may run `Match exec` commands."""
    resolve_parallel: Count = 8
    """`ssh -G` processes that run at once."""
    connect: Seconds = 20.0
    """Limit of TCP connection and key exchange, when the SSH configuration names no `ConnectTimeout`."""
    login: Seconds = 120.0
    """Limit of the authentication. A person may have to touch a key or read a code."""
    shell_silence: Seconds = 15.0
    """A login shell that sends nothing for this long counts as hanging. Output restarts the limit."""
    shell_total: Seconds = 60.0
    """A login shell that has not started remora's script after this long is given up, whatever it sends."""
    probe: Seconds = 20.0
    """Limit of the probe, from its first line to its last answer."""
    launch: Seconds = 30.0
    """Limit from the start of the app server to its answer to `initialize`."""
    handshake: Seconds = 10.0
    """Limit of one WebSocket upgrade and `initialize`, with a server that runs already."""
    request: Seconds = 60.0
    """Limit of one request to the app server. A turn has no limit of its own."""
    channel: Seconds = 15.0
    """Limit for opening one channel in the SSH connection."""
    keepalive_interval: Seconds = 15.0
    """Time between SSH keepalives, when the SSH configuration sets none."""
    keepalive_count: Count = 3
    """Unanswered keepalives after which the connection counts as lost."""
    reconnect_total: Seconds = 180.0
    """How long `run` tries to reconnect to its thread after the connection is lost."""
    stop: Seconds = 5.0
    """Limit for stopping a turn while nobody may be at the keyboard. Then `run` leaves the turn."""
    message: Bytes = 256 * 1024 * 1024
    """The largest single protocol message."""
    noise: Bytes = 64 * 1024
    """Output of start-up files that is kept for diagnosis."""
    spool_memory: Bytes = 8 * 1024 * 1024
    """Unread events that are kept in memory. More go to disk."""
    spool_disk: Bytes = 1024 * 1024 * 1024
    """Unread events that are kept on this machine's disk. remora leaves a server that sends more."""
    check_parallel: Count = 16
    """Hosts that are checked at once."""
    stall: Seconds = 20.0
    """A link that has owed an answer for this long is shown as stalled. Only keepalives end it."""
    wake: Seconds = 5.0
    """A link that does not answer for this long after this machine slept is made again."""
    dials_per_minute: PerMinute = 3
    """New connections to one host that does not answer."""
    dials_per_second: PerSecond = 10.0
    """New connections to all hosts together, made by links."""
    dial_parallel: Count = 16
    """Connections to all hosts together that are not logged in yet."""
    dial_parallel_server: Count = 2
    """Connections to one server that are not logged in yet, whatever its aliases. sshd refuses more than its
    `MaxStartups`.
    """
    relay_window: Bytes = 4 * 1024 * 1024
    """Unread bytes of one stream that may be on their way."""
    relay_memory: Bytes = 8 * 1024 * 1024
    """Bytes of one stream that the relay keeps in memory while nobody reads them. More go to the host's disk."""
    relay_disk: Bytes = 1024 * 1024 * 1024
    """Bytes of all streams that the relay keeps on the host's disk. Beyond that the app server has to wait."""
    lease: Seconds = 3 * 24 * 3600.0
    """How long the relay keeps the streams of a machine that is away."""
    lease_idle: Seconds = 60.0
    """How long the relay keeps a session that has no client and nothing to lose."""
    provision_parallel: Count = 16
    """Hosts that are provisioned at once, unless `--jobs` says otherwise."""
    provision_dials: PerSecond = 30.0
    """New connections of a provision run, which dials each host once; `dial_parallel` of them at once."""
    provision_step: Seconds = 120.0
    """Limit of one provisioning step that moves no bytes and runs no script of the user."""
    provision_stall: Seconds = 60.0
    """A transfer that moves no byte for this long is given up. What has arrived is kept."""
    provision_lock: Seconds = 600.0
    """How long a provision run waits for another one on the same host."""
    provision_logs: Count = 10
    """Logs of provision runs that this machine keeps for one host. The oldest are deleted."""
    manifest: Bytes = 4 * 1024 * 1024
    """Size of a manifest, and of each file beside it that is put on hosts."""
    secret: Bytes = 64 * 1024
    """Size of one secret as it is read on this machine."""
    secret_command: Seconds = 60.0
    """Limit of a command that prints a secret. It may ask a person to unlock something."""
    setup: Seconds = 1800.0
    """Limit of a set-up script or smoke test whose project names none."""
    score_command: Seconds = 900.0
    """Limit of one command that the scorecard runs in a project, unless `--limit` says otherwise."""
    login_proof: Seconds = 30.0
    """Limit of the real request that proves codex's login on a host."""
    login_device: Seconds = 900.0
    """How long a person may take to enter a device code. codex itself waits no longer."""
    provision_retries: Count = 3
    """New connections to one host in one provision run, where trying again can help."""
    egress_connect: Seconds = 15.0
    """Limit from a host's request for a destination to the connection from here, a proxy of this machine included."""
    egress_clients: Count = 256
    """Clients of one egress at once."""
    egress_port: Seconds = 30.0
    """How long an egress asks for its port again after a reconnect, before it counts as lost."""
    hub_start: Seconds = 10.0
    """Limit from the start of the hub to its first answer."""
    hub_answer: Seconds = 5.0
    """Limit of one answer of the hub that needs no host."""
    hub_idle: Seconds = 300.0
    """The hub ends after it has had no link for this long."""

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
    """What the user decided about one host."""

    codex: str | None = None
    """The codex program on the host. Without it remora takes the first usable one that it finds."""
    reconnect: ReconnectPolicy = ReconnectPolicy.WHILE_ACTIVE
    """When a lost link is dialled again by itself. `while-active`: while a client is attached or a turn runs."""
    transport: Transport = Transport.BUILT_IN
    """Who speaks SSH: remora itself, or the system's `ssh`. An open control master of yours is used in any case."""
    tags: tuple[str, ...] = ()
    """Names by which manifests of `remora provision` select the host."""
    short_way: bool = True
    """That of :class:`Settings`, for a hub that does not read the file; not a setting of one host."""


_USUAL: Final = HostSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the user decided once for all commands."""

    limits: Limits = DEFAULT_LIMITS
    hosts: Mapping[str, HostSettings] = field(default_factory=dict)
    """By alias."""
    short_way: bool = True
    """With `false` the built-in SSH is asyncssh as its authors ship it (docs/short-way.md)."""

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
        raise _invalid(f"{place} is not a table.")
    _only(values, [item.name for item in fields(HostSettings) if item.name != "short_way"], place)
    for name, value in values.items():
        if name != "tags" and not isinstance(value, str):
            raise _invalid(f"{name} in {place} is not text.")
    tags = values.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) and tag for tag in tags):
        raise _invalid(f"tags in {place} is not a list of texts.")
    return HostSettings(
        codex=values.get("codex") or None,
        reconnect=_choice(ReconnectPolicy, values, "reconnect", _USUAL.reconnect, place),
        transport=_choice(Transport, values, "transport", _USUAL.transport, place),
        tags=tuple(tags),
    )


def _choice(kind: type[_E], values: Mapping[str, Any], name: str, usual: _E, place: str) -> _E:
    value = values.get(name, usual.value)
    if value not in {choice.value for choice in kind}:
        raise _invalid(f"{name} in {place} is {value!r}; use one of: {', '.join(choice.value for choice in kind)}.")
    return kind(value)


def _table(values: Mapping[str, Any], name: str, source: str) -> Mapping[str, Any]:
    table = values.get(name, {})
    if not isinstance(table, Mapping):
        raise _invalid(f"{name} in {source} is not a table.")
    return table


def _only(values: Mapping[str, Any], known: "list[str] | tuple[str, ...]", place: str) -> None:
    strange = next((name for name in values if name not in known), None)
    if strange is not None:
        raise _invalid(f"{strange!r} in {place} is not a setting; the settings are: {', '.join(known)}.")


def _invalid(message: str) -> ConfigProblem:
    return ConfigProblem(Code.SETTINGS_INVALID, message, next_step="Correct the settings file.")
