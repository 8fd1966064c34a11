"""Every way in which remora can fail, classified once.

::

    RemoraError
    ├── UsageProblem           2   the command line or an argument
    ├── ConfigProblem          3   the local SSH or remora configuration
    ├── Unreachable            4   name, route, refused, closed, connection lost
    ├── HostKeyProblem         5   unknown, changed or revoked host key
    ├── AuthenticationProblem  6   the host refused the login
    ├── ShellProblem           7   the login shell or the probe inside it
    ├── AppServerProblem       8   codex missing, unusable or too old
    ├── ProvisionProblem       1   a step of provisioning could not be made true
    ├── LaunchProblem          9   the app server, the relay or the hub did not come up
    ├── ProtocolProblem       10   bytes or versions that do not fit; a request with unknown outcome
    ├── NeedsPerson           11   a question that nobody may answer
    ├── Denied                12   what would be in force is more than what was asked for, or trusted
    ├── TimeLimit             14   a wait reached its limit
    ├── Interrupted          130   the user stopped it
    └── TaskFailed             1   the turn itself failed

Exit code 13 is for several hosts together.

The code says what happened, the stage where, the verdict what it asks for. All three stand in one table,
:class:`Code`, so that the same failure is never judged twice.
"""

import re
from enum import IntEnum
from typing import ClassVar, Final

from remora.core.codes import Code as Code
from remora.core.codes import Stage as Stage
from remora.core.codes import Verdict as Verdict
from remora.core.text import escape_breaks, neutralise


class ExitCode(IntEnum):
    """What a script learns from the exit status. Stable for ever."""

    DONE = 0
    TASK_FAILED = 1
    USAGE = 2
    CONFIG = 3
    UNREACHABLE = 4
    HOST_KEY = 5
    AUTHENTICATION = 6
    SHELL = 7
    APP_SERVER = 8
    LAUNCH = 9
    PROTOCOL = 10
    NEEDS_PERSON = 11
    DENIED = 12
    PARTIAL = 13
    TIME_LIMIT = 14
    INTERRUPTED = 130


_PLACEHOLDER: Final = re.compile(r"\bALIAS\b")


class RemoraError(Exception):
    """A failure that a person or script can act on.

    `message` is one clear sentence. `seen` is what the other side said; it is capped and its control
    characters are neutralised here, so callers pass it raw. `next_step` is one thing to do. `host` is the
    alias, when there is one. `stage` overrides the code's usual stage (a time limit can strike anywhere).
    """

    exit_code: ClassVar[ExitCode] = ExitCode.PROTOCOL

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        next_step: str,
        seen: str = "",
        host: str | None = None,
        stage: Stage | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = neutralise(message, one_line=True)  # a line of its own could pass for our advice
        self.next_step = escape_breaks(next_step)
        self.seen = neutralise(seen).strip()
        if self.seen:
            self.add_note(f"The other side said: {self.seen}")  # a traceback in a program that uses us names the cause
        self.host = host
        self.stage = stage or code.stage
        self.verdict = code.verdict

    def belongs_to(self, alias: str) -> None:
        """Take `alias` as the host, unless one is named already. Commands in the next step name it for ``ALIAS``."""
        self.host = self.host or alias
        self.next_step = _PLACEHOLDER.sub(lambda _: alias, self.next_step)


class UsageProblem(RemoraError):
    """The command line or an argument cannot be used as given."""

    exit_code = ExitCode.USAGE


class ConfigProblem(RemoraError):
    """The local SSH or remora configuration stands in the way."""

    exit_code = ExitCode.CONFIG


class Unreachable(RemoraError):
    """No SSH connection came about, or the one there was broke."""

    exit_code = ExitCode.UNREACHABLE


class HostKeyProblem(RemoraError):
    """The host's key is unknown, changed or revoked; nothing was sent to it."""

    exit_code = ExitCode.HOST_KEY


class AuthenticationProblem(RemoraError):
    """The host refused the login. Never tried again until a person acts."""

    exit_code = ExitCode.AUTHENTICATION


class ShellProblem(RemoraError):
    """The account's login shell, or our script inside it, did not answer as it must."""

    exit_code = ExitCode.SHELL


class AppServerProblem(RemoraError):
    """codex is missing on the host, cannot run there, or cannot do what is needed."""

    exit_code = ExitCode.APP_SERVER


class ProvisionProblem(RemoraError):
    """A step of provisioning could not be made true on the host; what was there before is untouched."""

    exit_code = ExitCode.TASK_FAILED


class LaunchProblem(RemoraError):
    """The app server, the relay or the hub did not come up, or may not be touched."""

    exit_code = ExitCode.LAUNCH


class ProtocolProblem(RemoraError):
    """The app server answered in a way that does not fit, refused a request, or went silent."""

    exit_code = ExitCode.PROTOCOL


class NeedsPerson(RemoraError):
    """Something was asked and nobody may answer: no terminal, or ``--no-input``."""

    exit_code = ExitCode.NEEDS_PERSON


class Denied(RemoraError):
    """What would be in force is more than what was asked for, or than what was trusted."""

    exit_code = ExitCode.DENIED


class TimeLimit(RemoraError):
    """A wait reached its limit; the message names what was awaited."""

    exit_code = ExitCode.TIME_LIMIT


class Interrupted(RemoraError):
    """The user stopped it."""

    exit_code = ExitCode.INTERRUPTED


class TaskFailed(RemoraError):
    """The turn ran and failed."""

    exit_code = ExitCode.TASK_FAILED


def own_failure(who: str, error: Exception, *, next_step: str) -> RemoraError:
    """A bug of `who`, as a failure that names it."""
    return RemoraError(
        Code.INTERNAL,
        f"{who} failed with an internal error; this is a bug.",
        seen=f"{type(error).__name__}: {error}",
        next_step=next_step,
    )
