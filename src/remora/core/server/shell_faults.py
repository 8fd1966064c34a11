"""What went wrong in a login shell, told from what it said and left unsaid."""

import re
from enum import Enum
from typing import Final

from remora.core.errors import Code, ShellProblem
from remora.core.server.answers import Answers
from remora.core.server.quotas import most_processes

RC_LINES: Final = (
    "grep -nE '(^|[;&|( ])(exec +[a-z/]|read |cat *$|vared |sleep )' ~/.bashrc ~/.zshenv"
    " ~/.config/fish/config.fish ~/.tcshrc ~/.cshrc ~/.profile /dev/null"
)
"""A command that every shell reads alike: lines of rc files that replace the shell, wait or never end."""

_RC_LINE: Final = re.compile(r"^(/[^:\n]+):(\d+):(.*)$", re.MULTILINE)
_EXEC: Final = re.compile(r"\bexec\b")
_WINDOWS: Final = re.compile(
    r"is not recognized as (?:an internal|the name)|cannot find the path specified|CommandNotFoundException"
)
_TERMINAL: Final = re.compile(r"not a terminal|suitable terminal|connected to a terminal|not a tty", re.IGNORECASE)
_COMPLAINT: Final = re.compile(r"remora_1=1[^\n]|[^\n]remora_1=1")
_SHELL_WORDS: Final = re.compile(
    r"not found|unknown command|unsupported use|syntax|parse error|unexpected|missing name|undefined|too many",
    re.IGNORECASE,
)
"""What shells say of lines that they do not understand."""
_ECHO: Final = "\nremora_8=1"
"""The last of our opening lines, which no program has a reason to print."""
_FIRST_WORDS: Final = 600
_LAST_WORDS: Final = 600
_USUAL_FILES: Final = "~/.bashrc (bash), ~/.zshenv (zsh), ~/.config/fish/config.fish (fish), ~/.tcshrc (tcsh)"


_ACCOUNT_FAULTS: Final = (
    (
        re.compile(r"password change required|password has expired|change your password", re.IGNORECASE),
        "The password of the account has expired, and the host runs no command until it is changed.",
        "Change it on a terminal: ssh -t ALIAS",
    ),
    (
        re.compile(r"account is currently not available", re.IGNORECASE),
        "The account has no login shell (nologin).",
        "Use another account, or set its login shell: chsh -s /bin/bash",
    ),
    (
        re.compile(r"allows sftp connections only", re.IGNORECASE),
        "The account is for file transfer only (ForceCommand internal-sftp).",
        "Use another account, or remove that rule from the host's sshd_config.",
    ),
)
"""What hosts say of an account that is not for commands, and what it means."""

_SERVER_TASKS: Final = 20
"""As seen with codex 0.163."""
_NO_FORK: Final = re.compile(
    r"Cannot fork$|\bfork: (?:retry: )?(?:Resource temporarily unavailable|Cannot allocate memory)"
    r"|fork system call failed|can't fork|fork failed",
    re.MULTILINE,
)
"""What sh, bash, timeout, BusyBox and zsh say when no process can be started."""


class Silence(Enum):
    """How a shell that had stopped moving took the end of its input."""

    MOVED = "moved"
    STAYED = "stayed"


def suspects_in(text: str) -> tuple[str, ...]:
    """Lines ``FILE:LINE:TEXT`` in the answer to :data:`RC_LINES`."""
    return tuple(match[0].strip() for match in _RC_LINE.finditer(text) if not match[3].lstrip().startswith("#"))


def entry_problem(answers: Answers, noise: str) -> ShellProblem | None:
    """What is wrong with a shell that ran our script as far as ``end entry``; `None` when nothing is."""
    if answers.one("end") != "entry":
        return None
    suspects = answers.all("suspect")
    if (other := answers.one("entry.replaced")) is not None:
        return _replaced(f"the shell that read remora's script is {other}", suspects, noise)
    if answers.one("entry.swallowed") is not None:
        return _waits(suspects, noise)
    shell = answers.one("entry.shell")
    if answers.one("env.stopped") is not None:
        return _never_ends(f"{shell} as login and interactive shell stopped sending output", suspects, noise)
    if suspects:
        return _replaced(f"{shell} as login and interactive shell never ran remora's command", suspects, noise)
    return ShellProblem(
        Code.SHELL_FAILED,
        f"The login shell {shell} ended with status {answers.one('env.status')} instead of running a command.",
        seen=noise,
        next_step=f"Log in with ssh and run: {shell} -l -i -c true",
    )


def too_many_processes(answers: Answers, noise: str) -> ShellProblem | None:
    """The host's refusal to start another process, when that is what stood in a shell's way; else `None`."""
    if not _NO_FORK.search(noise):
        return None
    most = most_processes(answers)
    number = "a limit" if most is None else f"the limit of {most}"
    return ShellProblem(
        Code.SHELL_FAILED,
        f"The host starts no more processes for this account: it has reached {number} (ulimit -u, or pids.max of its "
        f"group). Threads count as processes; an app server has about {_SERVER_TASKS}.",
        seen=noise,
        next_step='End processes there that you do not need (ps -u "$USER"), or raise the limit.',
    )


def ended_without_answer(status: int | None, suspects: tuple[str, ...], noise: str) -> ShellProblem:
    """What is wrong with a shell that ended and never ran our script."""
    if _WINDOWS.search(noise):
        return ShellProblem(
            Code.UNSUPPORTED_REMOTE_OS,
            "The host appears to run Windows; remora supports Linux and macOS hosts.",
            seen=noise,
            next_step="Use WSL on that machine with an SSH server of its own.",
        )
    replacing = tuple(suspect for suspect in suspects if _EXEC.search(suspect))
    if replacing or _complains(noise) or _TERMINAL.search(noise):
        return _replaced("the command was not run", replacing, noise)
    if status == 0:
        return _forced("another program answered and ended with status 0", noise)
    for pattern, message, next_step in _ACCOUNT_FAULTS:
        if pattern.search(noise):
            return ShellProblem(Code.SHELL_FAILED, message, seen=noise, next_step=next_step)
    return ShellProblem(
        Code.SHELL_FAILED,
        f"The login shell ended with status {status} and did not run remora's command (a disabled"
        " account, an expired password, forced commands, /bin/false, nologin, restricted shells do that).",
        seen=noise,
        next_step="Follow the message of the host, if any (another user, a new password), or set an ordinary login "
        "shell, for example:"
        " chsh -s /bin/bash",
    )


def went_silent(silence: Silence, suspects: tuple[str, ...], noise: str) -> ShellProblem:
    """What is wrong with a shell that sends nothing and has not run our script."""
    if silence is Silence.MOVED:
        waiting = tuple(suspect for suspect in suspects if not _EXEC.search(suspect))
        replacing = tuple(suspect for suspect in suspects if _EXEC.search(suspect))
        if _ECHO in noise and not suspects:
            return _forced("it echoed its input", noise)
        if _complains(noise) or (replacing and not waiting):
            return _replaced("another shell read remora's script", replacing, noise)
        if noise.strip() and not suspects:
            return _forced("another program answered and read the input", noise)
        return _waits(waiting, noise)
    if noise.strip():
        return _stays("stopped sending output", noise)
    return _never_ends("the login shell stopped sending output and never ran remora's command", suspects, noise)


def talked_on(noise: str) -> ShellProblem:
    """What is wrong with a shell that keeps sending and has not run our script."""
    return _stays("keeps printing", noise)


def _stays(what: str, noise: str) -> ShellProblem:
    return ShellProblem(
        Code.SHELL_NEVER_ENDS,
        f"The host {what} and never ran remora's command: a start-up file of the login shell hangs, or another "
        "program replaces the shell (a forced command, a menu).",
        seen=_first_words(noise),
        next_step=f"Read its output with: ssh ALIAS true. If a start-up file hangs, find it in {_place(())}",
    )


def _replaced(what: str, suspects: tuple[str, ...], noise: str) -> ShellProblem:
    where = _place(suspects)
    return ShellProblem(
        Code.SHELL_REPLACED,
        f"A start-up file replaces the login shell with another program: {what}.",
        seen=_seen(suspects, noise),
        next_step=f"Guard {where}, so that it runs on a terminal only: {_guard(suspects)}",
    )


def _complains(noise: str) -> bool:
    """Whether a shell, not just any program, did not understand our lines."""
    return _COMPLAINT.search(noise) is not None and _SHELL_WORDS.search(noise) is not None


def _forced(what: str, noise: str) -> ShellProblem:
    return ShellProblem(
        Code.COMMAND_FORCED,
        f"The host did not run remora's command: {what}. The cause is a forced command, a menu, a network device, or "
        "a start-up file that starts another program.",
        seen=_first_words(noise),
        next_step="Read its output with: ssh ALIAS true. Use an account that can run commands (no ForceCommand in "
        "sshd_config, no command= in authorized_keys).",
    )


def _first_words(noise: str) -> str:
    """What a program said of itself, before what it said to each line of ours, and what it said last."""
    words = noise.strip()
    if len(words) <= _FIRST_WORDS + _LAST_WORDS:
        return words
    return f"{words[:_FIRST_WORDS]}\n[...]\n{words[-_LAST_WORDS:]}"


def _waits(suspects: tuple[str, ...], noise: str) -> ShellProblem:
    return ShellProblem(
        Code.SHELL_WAITS_FOR_INPUT,
        "A start-up file of the login shell waits for input, and read the input of remora's script.",
        seen=_seen(suspects, noise),
        next_step=f"Guard {_place(suspects)}, so that it asks on a terminal only: {_guard(suspects)}",
    )


def _never_ends(what: str, suspects: tuple[str, ...], noise: str) -> ShellProblem:
    return ShellProblem(
        Code.SHELL_NEVER_ENDS,
        f"A start-up file of the login shell hangs: {what}.",
        seen=_seen(suspects, noise),
        next_step=f"Find what hangs in {_place(suspects)}, or let it run on a terminal only: {_guard(suspects)}",
    )


def _place(suspects: tuple[str, ...]) -> str:
    if not suspects:
        return f"the file of your login shell: {_USUAL_FILES}"
    file, line, _ = suspects[0].split(":", 2)
    return f"{file} line {line}"


def _guard(suspects: tuple[str, ...]) -> str:
    file, _, text = suspects[0].split(":", 2) if suspects else ("", "", "…")
    text = text.strip()
    if file.endswith(".fish"):
        return f"isatty stdin; and {text}"
    if file.endswith(("cshrc", ".login")):
        return f"if ($?tty) {text}"
    return f"[ -t 0 ] && {text}"


def _seen(suspects: tuple[str, ...], noise: str) -> str:
    return "\n".join((_first_words(noise), *suspects)).strip()


def program_killed(what: str, *, seen: str) -> ShellProblem:
    """The shell went on, and what it ran for us never said how it ended: somebody there ended it."""
    return ShellProblem(
        Code.SHELL_FAILED,
        f"{what} ended on the host without an exit status, because another program or the kernel killed it.",
        seen=seen,
        next_step="Find out what kills processes on the host (for example, too little memory), then try again.",
    )
