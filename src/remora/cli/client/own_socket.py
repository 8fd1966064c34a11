"""A door of this program's own, beside work that needs the main thread."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress

from remora import api
from remora.cli.frame.options import Options
from remora.core.errors import RemoraError


class StandingDoor:
    """A local socket that leads to a host, in a thread of its own. For one use."""

    def __init__(self, alias: str, options: Options, *, said: frozenset[str], codex: str | None) -> None:
        self._alias = alias
        self._said = said
        self._options = options
        self._codex = codex
        self._opened: Future[str] = Future()
        self._loop = asyncio.new_event_loop()
        self._work: asyncio.Task[None] | None = None
        self._wanted = True
        self._thread = threading.Thread(target=self._run, name="remora-door", daemon=True)
        self._lost: Future[None] = Future()
        self.failure: RemoraError | None = None
        """Why it is there no more."""
        self.thread_id: str | None = None
        """The thread that was worked in last."""

    @property
    def socket(self) -> str:
        """Where it is. Waits until it is there; raises what keeps it from being."""
        return self._opened.result()

    def when_lost(self, act: Callable[[], object]) -> None:
        """Have `act` called, in another thread, when the door is there no more although it was not closed."""
        self._lost.add_done_callback(lambda lost: None if lost.cancelled() else act())

    def open(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Close it. On return it is gone."""
        with suppress(RuntimeError):  # it has ended by itself
            self._loop.call_soon_threadsafe(self._end)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            try:
                runner.run(self._serve())
            except RemoraError as error:
                self.failure = error
                self._fail(error)
                self._lost.set_result(None)
            except asyncio.CancelledError:
                pass
            except BaseException as error:
                self._fail(error)
                raise

    async def _serve(self) -> None:
        self._work = asyncio.current_task()
        if self._wanted:
            await api.serve_door(
                self._alias,
                self._opened.set_result,
                said=self._said,
                worked=self._worked,
                codex=self._codex,
                ssh_config=self._options.ssh_config,
                settings=self._options.settings,
            )

    def _end(self) -> None:
        self._wanted = False
        if self._work is not None:
            self._work.cancel()

    def _worked(self, thread_id: str) -> None:
        self.thread_id = thread_id

    def _fail(self, error: BaseException) -> None:
        if not self._opened.done():
            self._opened.set_exception(error)


@contextmanager
def standing_door(alias: str, options: Options, *, said: frozenset[str], codex: str | None) -> Iterator[StandingDoor]:
    """A door to `alias` that is there inside the block; see :func:`remora.api.serve_door` for `said`."""
    door = StandingDoor(alias, options, said=said, codex=codex)
    door.open()
    try:
        yield door
    finally:
        door.close()
