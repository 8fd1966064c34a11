"""How long each stage of a dial takes."""

import asyncio

from remora.core.errors import Stage


class Laps:
    """A stopwatch on the loop's clock: :meth:`end` gives the time since the last end to a stage, adding up."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.seconds: dict[Stage, float] = {}
        self.start()

    def start(self) -> None:
        """What was done since the last end belongs to no stage."""
        self._since = self._loop.time()

    def end(self, stage: Stage) -> None:
        """What was done since the last end belongs to `stage`."""
        now = self._loop.time()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._since
        self._since = now
