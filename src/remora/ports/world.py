"""All that the flows touch."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from remora.core.settings import Limits
from remora.ports.hosts import ConfigReader, Dialler, HostResolver
from remora.ports.machine import Clock, EventSpool, LocalNetwork, Onward


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """All that the flows touch, as one value: real in production, from :mod:`remora.testing` in tests.

    `nonce` gives a word of random hexadecimal digits, a new one at each call; `spool` an empty spool. Without
    `config` every name that the resolver answers for is a host; without `network` no move of the machine is noticed.
    Without `onward` nothing is reached from here for a host.
    """

    config: ConfigReader | None = None
    network: LocalNetwork | None = None
    onward: Onward | None = None
    resolver: HostResolver
    dialler: Dialler
    clock: Clock
    random: Random
    nonce: Callable[[], str]
    spool: Callable[[], EventSpool]
    limits: Limits
