"""Every limit that remora keeps, in one place. Times are seconds, sizes are bytes."""

from dataclasses import dataclass


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
    message: int = 256 * 1024 * 1024
    """The largest single protocol message."""
    noise: int = 64 * 1024
    """How much login-shell noise is kept for diagnosis."""
    spool_memory: int = 8 * 1024 * 1024
    """Unread events kept in memory before they go to disk."""
    check_parallel: int = 16
    """How many hosts are checked at once."""


DEFAULT_LIMITS = Limits()
