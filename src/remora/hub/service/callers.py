"""Callers of the hub's control socket."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from remora.core.errors import RemoraError
from remora.hub.shared.lines import LineStream
from remora.hub.shared.questions import CallerDialogue
from remora.wire.hub import control


@dataclass(frozen=True, slots=True)
class Caller:
    """One connection to the control socket, after both sides have said hello."""

    lines: LineStream[control.FromCaller]
    dialogue: CallerDialogue

    async def listen(self) -> None:
        """Take what the caller says meanwhile; returns when it has left."""
        try:
            while (said := await self.lines.receive()) is not None:
                if isinstance(said, control.Ping):
                    await self.lines.send(control.Pong())
                elif isinstance(said, control.Answer):
                    self.dialogue.answer(said)
        except (control.Unreadable, RemoraError):
            return
        finally:
            self.dialogue.hang_up()


Handlers: TypeAlias = Mapping[type[Any], Callable[[Any, Caller], Awaitable[None]]]
"""What a service does for each of its messages. A reply goes to the caller; a :class:`RemoraError` is told to it."""
