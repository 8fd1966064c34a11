"""Where the program starts: signals are heard before anything else is loaded."""

TYPE_CHECKING = False  # as in `remora`: typing takes longer to load than all else here
if TYPE_CHECKING:
    from typing import NoReturn

try:
    import signal

    _early: list[int] = []
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda number, frame: _early.append(number))
except KeyboardInterrupt:
    raise SystemExit(130) from None

_STANDARD_ERROR = 2


def program() -> "NoReturn":
    """Be the program: run the command line of this process, and end the process."""
    code = main()
    from remora.cli.main import leave

    leave(code)


def main() -> int:
    """Run the command line of this process; its exit code."""
    _occupy_standard_streams()
    from remora.cli.process.signals import SIGNALS

    SIGNALS.hear(early=_early)
    from remora.cli.main import main as run

    return run()


def _occupy_standard_streams() -> None:
    """Lead those that this process was started without nowhere, before any other file gets their numbers.

    Else a connection could be taken for standard output, by us or by a program that we start.
    """
    import os

    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STANDARD_ERROR:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
