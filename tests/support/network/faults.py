"""What networks do to connections: each fault is a class of its own."""

from dataclasses import dataclass
from random import Random
from typing import Protocol

from tests.support.network.fault_way import Way


class Fault(Protocol):
    """One thing that goes wrong."""

    def strike(self, way: Way) -> None:
        """Begin; runs in the proxy's own loop."""
        ...


@dataclass(frozen=True, slots=True)
class CutNow:
    """Every connection is reset, at both ends."""

    def strike(self, way: Way) -> None:
        way.cut()


@dataclass(frozen=True, slots=True)
class CutInMidFrame:
    """Half of the next block arrives, then every connection is reset."""

    def strike(self, way: Way) -> None:
        way.cut_in_block = True


@dataclass(frozen=True, slots=True)
class HalfOpen:
    """Connections carry nothing any more, and nobody is told. New ones are well."""

    def strike(self, way: Way) -> None:
        way.silence()


@dataclass(frozen=True, slots=True)
class BlackholeThenHeal:
    """Nothing passes for so long, on old and new connections; then all that was held back arrives."""

    seconds: float

    def strike(self, way: Way) -> None:
        way.hold(self.seconds)


@dataclass(frozen=True, slots=True)
class Delay:
    """Connections made from now on have this round-trip time: bytes are held back, not slowed down.

    Accepting is instant on loopback, so a connection's first bytes wait for the handshake that a distant host would
    have needed: one and a half round trips until it hears from us.
    """

    round_trip: float

    def strike(self, way: Way) -> None:
        way.round_trip = self.round_trip


@dataclass(frozen=True, slots=True)
class Narrow:
    """Connections made from now on carry so many bytes a second each way; 0: as many as they can."""

    rate: float

    def strike(self, way: Way) -> None:
        way.rate = self.rate


@dataclass(frozen=True, slots=True)
class OneByteAtATime:
    """The next so many bytes travel alone."""

    count: int

    def strike(self, way: Way) -> None:
        way.alone = self.count


@dataclass(frozen=True, slots=True)
class RefuseFor:
    """Every connection is reset, and new ones are refused for so long."""

    seconds: float

    def strike(self, way: Way) -> None:
        way.refuse(self.seconds)


@dataclass(frozen=True, slots=True)
class ResetInHandshake:
    """Every connection is reset, and so are the next `times` new ones, once they have carried `after` bytes."""

    times: int = 1
    after: int = 100

    def strike(self, way: Way) -> None:
        way.cut()
        way.resets_due, way.reset_after = self.times, self.after


@dataclass(frozen=True, slots=True)
class AddressChange:
    """The host is reached at another port: connections go silent, the old port refuses."""

    def strike(self, way: Way) -> None:
        way.move()


def random_fault(random: Random, *, longest: float = 1.0) -> Fault:
    """Any fault that can be got over; those that last do so for at most `longest` seconds."""
    choices: tuple[Fault, ...] = (
        CutNow(),
        CutInMidFrame(),
        HalfOpen(),
        BlackholeThenHeal(random.uniform(0, longest)),
        OneByteAtATime(random.randrange(1, 5000)),
        RefuseFor(random.uniform(0, longest)),
        ResetInHandshake(1, random.randrange(0, 3000)),
        AddressChange(),
    )
    return random.choice(choices)
