"""Before a server's bytes go to disk its laptop gets a moment to make room in memory, and no more than that."""

import socket
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from remora.remote.relay.ends import End, ServerEnd
from remora.remote.relay.loop import Loop
from remora.remote.relay.spool import Disk, Spool
from remora.wire.relay.frame_session import FrameSession

_MEMORY = 1024 * 1024
_SENT = 3 * _MEMORY


@dataclass
class Hosted:
    """What an end needs of its session."""

    loop: Loop
    session: FrameSession
    held: set[End] = field(default_factory=set)

    def moved(self) -> None:
        """Somebody is always about to look."""

    def abort(self) -> None:
        raise AssertionError("the session was given up")


class Bench:
    """A server that has much to say, and its end in the relay; time stands still unless it is told to go on."""

    def __init__(self, stack: Path) -> None:
        self.now = 0.0
        self.loop = Loop(lambda: self.now)
        self.disk = Disk([str(stack)])
        self.disk.limit = 10 * _MEMORY
        self.spool = Spool(_MEMORY, self.disk)
        self.hosted = Hosted(self.loop, FrameSession(_MEMORY))
        path = stack / "s"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            stream = self.hosted.session.open("server", self.spool)
            self.end = ServerEnd(self.hosted, stream, path=str(path))  # type: ignore[arg-type]
            self.end.start()
            self.server, _ = listener.accept()
        self.server.setblocking(False)
        self.sent = 0

    def pour(self) -> None:
        """Let the server say what it can, and the relay read what it wants."""
        while self.sent < _SENT:
            before = self.sent
            try:
                self.sent += self.server.send(bytes(min(65536, _SENT - self.sent)))
            except BlockingIOError:
                size = self.spool.size
                self.loop.run_once()
                if self.spool.size == size and self.sent == before:
                    return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self.server.close()
        self.end.close()
        self.loop.close()


def test_a_laptop_that_takes_keeps_the_disk_out_of_it() -> None:
    with tempfile.TemporaryDirectory() as folder, Bench(Path(folder)) as bench:
        bench.pour()
        while bench.sent < _SENT:
            assert bench.spool.take(300_000)
            bench.end.resume()
            bench.pour()
            assert not bench.disk.used
            assert bench.spool.size <= _MEMORY


def test_a_server_waits_a_moment_only() -> None:
    with tempfile.TemporaryDirectory() as folder, Bench(Path(folder)) as bench:
        bench.pour()
        assert bench.sent < _SENT
        assert not bench.disk.used
        bench.now += 0.06
        bench.pour()
        bench.pour()
        assert bench.sent == _SENT
        assert bench.disk.used > _MEMORY
        while bench.spool.size:
            bench.spool.take(_MEMORY)
            bench.end.resume()
        bench.sent = 0
        bench.pour()
        assert bench.sent < _SENT, "when all was taken, the next crowd gets its moment, too"
        assert not bench.disk.used
