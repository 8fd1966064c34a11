"""Standard output and standard error as this program writes to them, whoever reads there."""

import io
import os
import select
import sys
from typing import TYPE_CHECKING, Final, TextIO, cast

from remora.cli.process.signals import SIGNALS, is_stream, leads_nowhere

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_PIPE_PIECE: Final = 4096
"""What a pipe takes at once when it takes anything."""
_TERMINAL_PIECE: Final = 256
_LOOK_SECONDS: Final = 0.2


class LostOutput(OSError):
    """What was written to standard output cannot leave, because of a full disk for example."""


class _Output(io.FileIO):
    """The descriptor itself: its trouble is nobody's fault here, unlike that of other files.

    While its reader takes nothing a write waits, until the command has to end: nobody is read then.
    """

    def write(self, data: "ReadableBuffer", /) -> int:
        """See :class:`io.RawIOBase`."""
        whole = memoryview(data).cast("B")
        try:
            if not is_stream(self.fileno()):
                return super().write(whole)
            if not _write_all(self.fileno(), whole):
                lead_nowhere(self.fileno())
        except OSError as error:
            self._lose(error)
        return len(whole)

    def _lose(self, error: OSError) -> None:
        if isinstance(error, BrokenPipeError):
            raise error
        raise LostOutput(error.errno, error.strerror) from None


class _ErrorOutput(_Output):
    """What people read beside the output. Losing it ends nothing, as long as the output itself goes somewhere."""

    def _lose(self, error: OSError) -> None:
        if isinstance(error, BrokenPipeError) and leads_nowhere(1):
            raise error
        lead_nowhere(self.fileno())


def prepare_streams() -> None:
    """Let text through whatever the terminal's encoding is: what it lacks is written as an escape.

    A stream that this process was started without leads nowhere. When standard output takes no more,
    :class:`LostOutput` is raised.
    """
    sys.stdin = sys.stdin or _nowhere("r")
    sys.stdout = sys.stdout or _nowhere("w")
    sys.stderr = sys.stderr or _nowhere("w")
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout is sys.__stdout__:
        sys.stdout = _with_own_trouble(sys.stdout, _Output)
    if isinstance(sys.stderr, io.TextIOWrapper) and sys.stderr is sys.__stderr__:
        sys.stderr = _with_own_trouble(sys.stderr, _ErrorOutput)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def lead_nowhere(descriptor: int) -> None:
    """Let what is still written there go nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _with_own_trouble(stream: io.TextIOWrapper, kind: type[_Output]) -> io.TextIOWrapper:
    """The same stream, as Python made it, but for what it raises."""
    raw = kind(stream.fileno(), "w", closefd=False)
    unbuffered = isinstance(stream.buffer, io.FileIO)
    return io.TextIOWrapper(
        raw if unbuffered else io.BufferedWriter(raw),
        encoding=stream.encoding,
        line_buffering=stream.line_buffering,
        write_through=unbuffered,
    )


def _write_all(descriptor: int, data: memoryview) -> bool:
    """Write all to a pipe or terminal, waiting for its reader; false when the command has to end meanwhile.

    A signal alone does not break a write that blocks, and what shall stop the work runs in the same thread.
    """
    size = _TERMINAL_PIECE if os.isatty(descriptor) else _PIPE_PIECE
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    while data:
        while not poll.poll(_LOOK_SECONDS * 1000):
            if SIGNALS.must_end:
                return False
        data = data[os.write(descriptor, data[:size]) :]
    return True


def _nowhere(mode: str) -> TextIO:
    return cast("TextIO", open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123 - to the end of the process
