"""What asyncssh takes from chance, made of a number: the same keys, cookies and padding each time a case is played."""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from random import Random
from typing import Final
from unittest import mock

import asyncssh
from asyncssh import connection
from asyncssh.crypto import Curve25519DH
from asyncssh.kex import Kex
from asyncssh.kex_dh import _KexECDH
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

_KEY: Final = 32
"""Bytes of a secret of Curve25519."""


@contextmanager
def fixed_chance(seed: int) -> Iterator[None]:
    """Nothing that asyncssh does inside depends on anything but `seed` and the packets of both sides.

    Both ways then have the same keys, so each byte that the server writes is the same on both. What one side takes
    does not depend on how much the other has taken: the short way asks for less padding.
    """
    noise = Random(f"noise {seed}").randbytes(64)  # noqa: S311 - cases, not secrets
    exchanges: Counter[bool] = Counter()

    def bytes_of_chance(count: int) -> bytes:
        return (noise * (count // len(noise) + 1))[:count]

    def exchange(session: connection.SSHConnection, name: bytes) -> Kex:
        side = session.is_server()
        exchanges[side] += 1
        secret = Random(f"exchange {seed} {side} {exchanges[side]}").randbytes(_KEY)  # noqa: S311
        return _KexECDH(name, session, sha256, _FixedExchange, secret)

    with mock.patch.object(os, "urandom", bytes_of_chance), mock.patch.object(connection, "get_kex", exchange):
        yield


@cache
def fixed_key(number: int) -> asyncssh.SSHKey:
    """The key of that number, for a host or a user."""
    key = Ed25519PrivateKey.from_private_bytes(bytes([number]) * _KEY)
    return asyncssh.import_private_key(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


class _FixedExchange(Curve25519DH):
    """One side of a key exchange, with a secret that is known before."""

    def __init__(self, secret: bytes) -> None:
        self._priv_key = X25519PrivateKey.from_private_bytes(secret)
