"""Random traffic of an SSH connection, decided from a number alone before anything of it is played."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from asyncssh.constants import MSG_DEBUG, MSG_DISCONNECT, MSG_GLOBAL_REQUEST, MSG_IGNORE, MSG_UNIMPLEMENTED
from asyncssh.packet import Boolean, String, UInt32

_GCM: Final = "aes128-gcm@openssh.com"
_CIPHERS: Final = (_GCM, _GCM, "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes128-ctr", "aes128-cbc")
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
    steps: tuple[tuple[Any, ...], ...]


def make_case(seed: int) -> Case:
    """The case of that number, the same on every machine."""
    chance = Random(seed)  # noqa: S311 - cases, not secrets
    login = chance.choice(_LOGINS) if chance.random() < 0.3 else "open"
    count = chance.randrange(1, 40)
    return Case(
        seed=seed,
        cipher=chance.choice(_CIPHERS),
        compressed=chance.random() < 0.15,
        bare=chance.random() < 0.8,
        login=login,
        says_openssh=chance.random() < 0.6,
        steps=tuple(_make_step(chance) for _ in range(count)),
    )


def _make_step(chance: Random) -> tuple[Any, ...]:
    makers = list(_STEPS)
    return chance.choices(makers, [_STEPS[maker] for maker in makers])[0](chance)


def _channel(chance: Random) -> int:
    return chance.choice((0, 0, 0, 1, 1, 2))


def _bytes(chance: Random, most: int) -> bytes:
    return chance.randbytes(chance.choice((0, 1, chance.randrange(300), chance.randrange(most))))


def _data(chance: Random) -> tuple[Any, ...]:
    return "data", _channel(chance), _bytes(chance, 33_000)


def _row(chance: Random) -> tuple[Any, ...]:
    channels = (_channel(chance),) if chance.random() < 0.7 else (0, 1, 0)
    return "row", tuple((channel, _bytes(chance, 4000)) for channel in channels * chance.randrange(2, 6))


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


def _spoiling(chance: Random) -> tuple[Any, ...]:
    ways = ("flip", "flip", "truncate", "replay", "swap", "drop")
    return "spoil next", chance.choice(ways), chance.random(), chance.random()


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
    _leaving: 1,
    lambda chance: ("new keys",): 4,
    lambda chance: ("new keys from the client",): 3,
    lambda chance: ("write", _channel(chance), _bytes(chance, 50_000)): 10,
    lambda chance: ("write eof", _channel(chance)): 2,
    lambda chance: ("leave", _channel(chance)): 1,
    lambda chance: ("pause", _channel(chance)): 3,
    lambda chance: ("resume", _channel(chance)): 4,
    _spoiling: 4,
    lambda chance: ("go", chance.random()): 30,
}
"""What may happen, and how often beside the rest."""
