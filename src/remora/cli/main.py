"""Where the program starts, and where every failure becomes an exit code."""

import gc
import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NoReturn

import typer

from remora.cli.app import app
from remora.cli.frame.options import Options, peek
from remora.cli.frame.output import show_error
from remora.cli.frame.values import shown
from remora.cli.process.signals import SIGNALS
from remora.cli.process.streams import LostOutput, lead_nowhere, prepare_streams
from remora.core.errors import Code, ExitCode, Interrupted, RemoraError, UsageProblem, own_failure

_COLLECT_AFTER: Final = 50_000
"""Objects made before the first look for garbage: loading modules makes none, and is looked through a hundred times."""
_EXTRA: Final = re.compile(r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)\.?", re.DOTALL)
_LAST_WAIT: Final = 0.5
"""Seconds that a thread gets to end when the command is done."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; never raises for something a user can cause."""
    gc.set_threshold(_COLLECT_AFTER)
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = peek(words)
    prepare_streams()
    try:
        try:
            code = _run(words, options)
        except RemoraError as error:
            show_error(error, json=options.json)
            code = error.exit_code
        sys.stdout.flush()
    except BrokenPipeError:
        return _die_of_closed_pipe()
    except OSError as error:  # LostOutput, or where the failure itself was to be told
        code = _tell_of_lost_output(error)
    return code


def leave(code: int) -> NoReturn:
    """End the process with all said, and without Python's own shutdown.

    That would wait for threads, whatever they wait for, and a Ctrl-C in it would end the process by that signal.
    """
    others = [thread for thread in threading.enumerate() if thread is not threading.main_thread() and not thread.daemon]
    deadline = time.monotonic() + _LAST_WAIT
    for thread in others:
        thread.join(max(deadline - time.monotonic(), 0.0))
    with suppress(OSError):
        sys.stderr.flush()
    os._exit(code)


def _run(words: list[str], options: Options) -> int:
    try:
        with SIGNALS.interruptible():
            return _invoke(words)
    except (RemoraError, BrokenPipeError, LostOutput):
        raise
    except typer.TyperException as error:
        raise _misused(error) from None
    except (KeyboardInterrupt, typer.Abort, EOFError):
        raise Interrupted(Code.INTERRUPTED, "Interrupted.", next_step="Run the command again.") from None
    except Exception as error:
        raise _internal(error, options) from error


def _invoke(words: list[str]) -> int:
    command = typer.main.get_command(app)
    if "_REMORA_COMPLETE" in os.environ or words[:1] in (["--install-completion"], ["--show-completion"]):
        from remora.cli.frame.shell_completion import prepare_shells

        prepare_shells()
    if "_REMORA_COMPLETE" in os.environ:
        command.main(words, prog_name="remora")
    try:
        with command.make_context("remora", words) as context:
            code = int(command.invoke(context) or ExitCode.DONE)
    except typer.Exit as leave:
        return leave.exit_code
    return code


def _misused(error: typer.TyperException) -> UsageProblem:
    """What the line cannot be read as."""
    message = shown(error.format_message().strip(), most=500)
    extra = _EXTRA.fullmatch(message)
    if extra is not None and getattr(getattr(error, "ctx", None), "info_name", None) == "login":
        return UsageProblem(
            Code.USAGE,
            "Too many arguments: remora login takes a host only.",  # a word too many may be the secret itself
            next_step="Send a key on standard input: remora login ALIAS --with-api-key < FILE",
        )
    if extra is not None:
        return UsageProblem(
            Code.USAGE,
            f"Too many arguments: {extra[1]} is not expected.",
            next_step="Put quotes around words that belong together, and see --help.",
        )
    end = "" if message.endswith((".", "?", ")")) else "."
    return UsageProblem(Code.USAGE, f"{message}{end}", next_step="See the accepted options with --help.")


def _internal(error: Exception, options: Options) -> RemoraError:
    if options.verbosity > 0:
        traceback.print_exception(error, file=sys.stderr)
    return own_failure(
        "remora",
        error,
        next_step="Run the command again with -v for the traceback, and report it in remora's issue tracker.",
    )


def _tell_of_lost_output(error: OSError) -> int:
    """Nothing more goes to standard output, not even what waits to be written there when the process ends."""
    lead_nowhere(1)
    with suppress(OSError):
        sys.stderr.write(
            f"remora: Standard output cannot be written: {error.strerror or error}.\n"
            "  next:  Make room, or redirect the output. The command may have completed its work on hosts.\n"
        )
    return ExitCode.PROTOCOL


def _die_of_closed_pipe() -> int:
    """End as any Unix program does when nobody reads its output any more; the value is for the type alone."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGPIPE)
    return 128 + signal.SIGPIPE
