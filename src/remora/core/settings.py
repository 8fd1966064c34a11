"""Every limit that remora keeps, in one place, and what the user's settings file may say about them.

Times are seconds, sizes are bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from remora.core.errors import Code, ConfigProblem


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
    check_parallel: int = 16
    """How many hosts are checked at once."""


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the user decided once for all commands. `codex` names the program to use on a host, by alias."""

    limits: Limits = DEFAULT_LIMITS
    codex: Mapping[str, str] = field(default_factory=dict)


DEFAULT_SETTINGS = Settings()


def read_settings(values: Mapping[str, Any], *, source: str) -> Settings:
    """Turn the settings file's content into settings; `source` names the file in errors.

    ``[limits]`` takes the names of :class:`Limits` and positive numbers, ``[hosts.ALIAS]`` takes ``codex``.
    Anything else raises :class:`ConfigProblem`: a misspelt setting must not be taken for one that works.
    """
    _only(values, ("limits", "hosts"), source)
    limits = _table(values, "limits", source)
    _only(limits, [item.name for item in fields(Limits)], f"[limits] of {source}")
    for name, value in limits.items():
        whole = isinstance(getattr(DEFAULT_LIMITS, name), int)
        number = isinstance(value, int) or (isinstance(value, float) and not whole)
        if isinstance(value, bool) or not number or not value > 0:
            raise _invalid(f"{name} in [limits] of {source} is {value!r}, not a positive {'whole ' * whole}number.")
    codex = {}
    for alias, host in _table(values, "hosts", source).items():
        place = f"[hosts.{alias}] of {source}"
        if not isinstance(host, Mapping):
            raise _invalid(f"{place} is no table.")
        _only(host, ("codex",), place)
        if not isinstance(host.get("codex", ""), str):
            raise _invalid(f"codex in {place} is no text.")
        if host.get("codex"):
            codex[alias] = host["codex"]
    return Settings(limits=replace(DEFAULT_LIMITS, **limits), codex=codex)


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
