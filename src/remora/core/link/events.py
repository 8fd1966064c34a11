"""What can happen to a link, as its session is told it."""

from dataclasses import dataclass

from remora.core.errors import RemoraError


@dataclass(frozen=True, slots=True)
class ConnectRequested:
    """A person wants the link."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A program connected to the local socket."""


@dataclass(frozen=True, slots=True)
class Active:
    """Whether somebody is attached or a turn runs."""

    active: bool


@dataclass(frozen=True, slots=True)
class Woke:
    """This machine slept."""


@dataclass(frozen=True, slots=True)
class Moved:
    """This machine is connected in another way than before."""


@dataclass(frozen=True, slots=True)
class Due:
    """The deadline may have come."""


@dataclass(frozen=True, slots=True)
class CameUp:
    """The attempt succeeded."""


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """The attempt failed; its connection, if there was one, is gone."""

    error: RemoraError


@dataclass(frozen=True, slots=True)
class ConnectionLost:
    """The live connection is gone; `useful`: it brought somebody something."""

    error: RemoraError
    useful: bool = False


@dataclass(frozen=True, slots=True)
class Broke:
    """The connection stands, but the app server or the relay behind it is gone."""

    error: RemoraError


@dataclass(frozen=True, slots=True)
class Ended:
    """Stop, for good."""


Event = (
    ConnectRequested | Wanted | Active | Woke | Moved | Due | CameUp | AttemptFailed | ConnectionLost | Broke | Ended
)
