"""Where the program starts: signals are heard before anything else is loaded."""

try:
    import signal

    _early: list[int] = []
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda number, frame: _early.append(number))
except KeyboardInterrupt:
    raise SystemExit(130) from None


def main() -> int:
    """Run the command line of this process; its exit code."""
    from remora.cli.signals import SIGNALS

    SIGNALS.hear(early=_early)
    from remora.cli.main import main as run

    return run()
