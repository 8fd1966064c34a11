"""Random traffic of an SSH connection, decided from a number alone before anything of it is played."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from asyncssh.constants import (
    MSG_CHANNEL_DATA,
    MSG_DEBUG,
    MSG_DISCONNECT,
    MSG_GLOBAL_REQUEST,
    MSG_IGNORE,
    MSG_UNIMPLEMENTED,
)
from asyncssh.packet import Boolean, Byte, String, UInt32

_GCM: Final = "aes128-gcm@openssh.com"
CIPHERS: Final = (_GCM, "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes128-ctr", "aes128-cbc")
_WINDOWS: Final = (2**22, 2**16, 3000)
_NARROW_WINDOWS: Final = (64, 7, 1)
_LOGINS: Final = ("open", "key", "second key", "password", "denied")


@dataclass(frozen=True, slots=True)
class Case:
    """Everything that is random, decided before anything is played."""

    seed: int
    cipher: str
    compressed: bool
    bare: bool
    """The server sends no empty packet before each other one: its data comes in rows, as sshd's does."""
    login: str
    says_openssh: bool
    says_signatures_twice: bool
    """The server says twice which signatures it knows."""
    says_ahead: tuple[int, bytes] | None
    """The kind and content of what the server says before it takes the request for a login."""
    login_share: float
    """In pieces of which share of what waits the client hears the server until the login is complete."""
    windows: tuple[int, ...]
    """What the host may send ahead on each channel."""
    steps: tuple[tuple[Any, ...], ...]


def make_case(seed: int) -> Case:
    """The case of that number, the same on every machine."""
    chance = Random(seed)  # noqa: S311 - cases, not secrets
    login = chance.choice(_LOGINS) if chance.random() < 0.3 else "open"
    count = chance.randrange(1, 40)
    narrow = chance.random() < 0.15
    return Case(
        seed=seed,
        cipher=chance.choice((_GCM, *CIPHERS)),
        compressed=chance.random() < 0.15,
        bare=chance.random() < 0.8,
        login=login,
        says_openssh=chance.random() < 0.6,
        says_signatures_twice=chance.random() < 0.1,
        says_ahead=None,
        login_share=chance.choice((1.0, 0.01, chance.random())),
        windows=_NARROW_WINDOWS if narrow else _WINDOWS,
        steps=tuple(_make_step(chance, _NARROW_STEPS if narrow else _STEPS) for _ in range(count)),
    )


def _make_step(chance: Random, weights: "dict[_Make, int]") -> tuple[Any, ...]:
    return chance.choices(list(weights), list(weights.values()))[0](chance)


def _channel(chance: Random) -> int:
    return chance.choice((0, 0, 0, 1, 1, 2))


def _bytes(chance: Random, most: int) -> bytes:
    return chance.randbytes(chance.choice((0, 1, chance.randrange(300), chance.randrange(most))))


def _data(chance: Random) -> tuple[Any, ...]:
    return "data", _channel(chance), _bytes(chance, 33_000)


def _row(chance: Random) -> tuple[Any, ...]:
    channels = (_channel(chance),) if chance.random() < 0.7 else (0, 1, 0)
    return "row", tuple((channel, _bytes(chance, 4000)) for channel in channels * chance.randrange(2, 6))


def _small_row(chance: Random) -> tuple[Any, ...]:
    channels = (_channel(chance),) if chance.random() < 0.5 else (0, 1, 2, 0)
    sizes = (0, 1, 1, 1, 2, 7, 8)
    row = channels * chance.randrange(1, 6)
    return "row", tuple((channel, chance.randbytes(chance.choice(sizes))) for channel in row)


def _raw(chance: Random) -> tuple[Any, ...]:
    """A packet as no program makes it, encrypted as it should be."""
    data = _bytes(chance, 300)
    said = max(len(data) + chance.choice((0, 0, 0, 1, -1)), 0)
    padding = chance.choice((0, 1, 2, 3, 4, 5, 16, 200))
    kind = chance.choice((MSG_CHANNEL_DATA, MSG_CHANNEL_DATA, MSG_CHANNEL_DATA, MSG_IGNORE))
    content = Byte(kind) + UInt32(_channel(chance)) + UInt32(said) + data
    inside = Byte(chance.choice((padding, padding, padding, 0, 255))) + content + bytes(padding)
    return "raw", inside[: chance.randrange(14)] if chance.random() < 0.3 else inside


def _malformed(chance: Random) -> tuple[Any, ...]:
    data = _bytes(chance, 200)
    return (
        "malformed",
        _channel(chance),
        chance.choice(
            (
                String(data) + b"more than it says",
                UInt32(len(data) + 1) + data,
                b"",
                b"\0\0",
                String(bytes(300_000)),
            )
        ),
        chance.random() < 0.3,
    )


def _extended(chance: Random) -> tuple[Any, ...]:
    return "extended", _channel(chance), chance.choice((1, 1, 1, 2)), _bytes(chance, 3000)


def _request(chance: Random) -> tuple[Any, ...]:
    return "request", _channel(chance), chance.choice((b"exit-status", b"odd")), chance.random() < 0.5


def _any_packet(chance: Random) -> tuple[Any, ...]:
    kinds = (*range(1, 8), 21, 30, 31, *range(50, 62), *range(80, 101), 192, 255)
    return "packet", chance.choice(kinds), _bytes(chance, 40)


def _known_packet(chance: Random) -> tuple[Any, ...]:
    known = (
        (MSG_IGNORE, String(_bytes(chance, 100))),
        (MSG_DEBUG, Boolean(True) + String(b"debug") + String(b"")),
        (MSG_UNIMPLEMENTED, UInt32(chance.randrange(100))),
        (MSG_GLOBAL_REQUEST, String(b"keepalive@openssh.com") + Boolean(True)),
    )
    return "packet", *chance.choice(known)


def _leaving(chance: Random) -> tuple[Any, ...]:
    return "packet", MSG_DISCONNECT, UInt32(11) + String(b"enough") + String(b"")


_SPOILING: Final = ("flip", "flip", "truncate", "truncate", "insert", "replay", "swap", "drop")


def _byte(chance: Random) -> int:
    """One in what is not encrypted or authenticates the rest, or anywhere."""
    return chance.choice((chance.randrange(24), -1 - chance.randrange(20), chance.randrange(33_000)))


def _spoiling(chance: Random) -> tuple[Any, ...]:
    return "spoil next", chance.choice(_SPOILING), chance.random(), _byte(chance)


def _spoiling_after_new_keys(chance: Random) -> tuple[Any, ...]:
    return "spoil after new keys", chance.choice(_SPOILING), chance.choice((-1, 0, 0, 0, 1, 2, 3)), _byte(chance)


_Make = Callable[[Random], tuple[Any, ...]]
_STEPS: Final[dict[_Make, int]] = {
    _data: 30,
    _row: 12,
    _extended: 6,
    lambda chance: ("adjust", _channel(chance), chance.choice((0, 1, 70_000, 2**31))): 4,
    _request: 4,
    lambda chance: ("eof", _channel(chance)): 3,
    lambda chance: ("close", _channel(chance)): 2,
    _known_packet: 12,
    _any_packet: 2,
    _malformed: 2,
    _raw: 2,
    _leaving: 1,
    lambda chance: ("new keys",): 4,
    lambda chance: ("new keys from the client",): 3,
    lambda chance: ("write", _channel(chance), _bytes(chance, 50_000)): 10,
    lambda chance: ("write eof", _channel(chance)): 2,
    lambda chance: ("leave", _channel(chance)): 1,
    lambda chance: ("pause", _channel(chance)): 3,
    lambda chance: ("resume", _channel(chance)): 4,
    _spoiling: 3,
    _spoiling_after_new_keys: 2,
    lambda chance: ("go", chance.random()): 30,
}
"""What may happen, and how often beside the rest."""
_NARROW_STEPS: Final[dict[_Make, int]] = {**_STEPS, _data: 0, _row: 1, _extended: 1, _small_row: 60}
"""The same where the windows of the channels are narrow."""
