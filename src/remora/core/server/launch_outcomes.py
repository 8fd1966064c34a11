"""What became of a launch on the host, from the answers of launch.sh and owner.sh."""

import re
from typing import Final

from remora.core.errors import AppServerProblem, Code, LaunchProblem, RemoraError
from remora.core.server.answers import Answers, without_escapes
from remora.core.server.quotas import most_memory

_PROCESS: Final = re.compile(r"[1-9][0-9]{0,9}")
STARTED: Final = "started"
ADOPT: Final = "adopt"
NO_FOLDER: Final = "refused"
MOVED: Final = "moved"
"""Another machine has the place of the control socket: a new look finds another place."""
_KILLED: Final = 128
_NO_LOCKS: Final = "No locks available"
_SERVER_MEMORY: Final = "about 100 MB, and 460 MB of addresses"
"""What an app server of codex 0.163 takes before it has a thread."""


def launch_problem(answers: Answers, *, codex: str, seconds: float) -> RemoraError:
    """Why launch.sh brought no server: its outcome is neither ``started`` nor ``adopt``."""
    log = answers.one("log")
    seen = without_escapes(answers.one("log.tail") or "")
    look = f"Read the whole log on the host: {log}" if log else "Try again."
    locks = answers.one("locks.problem") or (_NO_LOCKS if _NO_LOCKS in seen else None)
    if locks is not None:
        return _no_locks(answers, without_escapes(locks), seen)
    home = answers.one("home.problem")
    if home is not None:
        return _no_home(answers, without_escapes(home), seen)
    match answers.one("outcome"):
        case "exited" if answers.one("status") == "0":
            return AppServerProblem(
                Code.CODEX_UNUSABLE,
                f"{codex} app-server ended at once with status 0 and serves nothing.",
                seen=seen,
                next_step=f"Run it by hand on the host and check what it is: {codex} app-server --help",
            )
        case "exited":
            return LaunchProblem(
                Code.LAUNCH_EXITED,
                f"The app server ended with status {answers.one('status')} instead of serving.{_quota(answers)}",
                seen=seen,
                next_step=look,
            )
        case "timeout":
            return LaunchProblem(
                Code.LAUNCH_TIMEOUT,
                f"The app server did not open its socket within {seconds:g} seconds, and was stopped.",
                seen=seen,
                next_step=look,
            )
        case "blocked":
            return LaunchProblem(
                Code.LAUNCH_REFUSED,
                "The path of the app server's socket is a regular file; the server was stopped.",
                seen=seen,
                next_step="Remove that file on the host, if you do not need it.",
            )
        case "busy":
            return LaunchProblem(
                Code.LAUNCH_TIMEOUT,
                f"Another launch on the host did not finish within {seconds:g} seconds.",
                seen=f"It is process {(answers.one('holder') or '?').partition(' ')[0]}.",
                next_step="Wait for it, or check that process.",
            )
        case "moved":
            return LaunchProblem(
                Code.LAUNCH_REFUSED,
                "Another machine with the same home folder uses the path of the app server's socket.",
                seen=seen,
                next_step="Set XDG_RUNTIME_DIR on the host to a folder of this machine, for the socket.",
            )
        case outcome:
            return LaunchProblem(
                Code.LAUNCH_REFUSED,
                f"No usable runtime folder on the host ({outcome}).",
                seen=seen,
                next_step="Set XDG_RUNTIME_DIR on the host to a private folder of the account.",
            )


def _no_home(answers: Answers, problem: str, log: str) -> RemoraError:
    return LaunchProblem(
        Code.LAUNCH_EXITED,
        f"The app server cannot start: codex's home {answers.one('home.path') or ''} cannot be written ({problem}).",
        seen=log,
        next_step="Make it a folder that the account may write to, or set CODEX_HOME to one in the login shell's "
        "start-up file.",
    )


def _no_locks(answers: Answers, problem: str, log: str) -> RemoraError:
    place = answers.one("locks.place")
    return LaunchProblem(
        Code.LOCKS_UNUSABLE,
        f"Files in codex's home on the host cannot be locked{f' (file system: {place})' if place else ''}, and the app "
        "server's databases need that: it cannot start.",
        seen="\n".join(dict.fromkeys(text.strip() for text in (problem, log) if text.strip())),
        next_step="Set CODEX_HOME in the login shell's start-up file to a folder on a disk of the host itself, or "
        "repair the locks of that file system (NFS: its lock service; or the mount option local_lock=all if only one "
        "machine uses the home).",
    )


def _quota(answers: Answers) -> str:
    """What bounds the memory of a server that was killed or gave up, as a sentence: it may be why."""
    status, memory = answers.one("status") or "", most_memory(answers)
    if memory is None or not status.isdigit() or int(status) < _KILLED:
        return ""
    return f" The host allows it {memory} of memory (ulimit -v, or its group); it takes {_SERVER_MEMORY}."


def mute_server(answers: Answers, *, socket: str, seconds: float) -> LaunchProblem:
    """The refusal to displace a server that lives and does not answer. `answers` are those of owner.sh."""
    pid, command = answers.one("owner.pid"), answers.one("owner.command") or ""
    pid = pid if pid and _PROCESS.fullmatch(pid) else None  # it becomes part of a command to copy
    who = f"process {pid} ({command.strip()})" if pid else "a process that the host does not name"
    return LaunchProblem(
        Code.SERVER_MUTE,
        f"{who[0].upper()}{who[1:]} listens on {socket} and did not answer initialize within {seconds:g} seconds; "
        "remora did not end it.",
        seen=without_escapes(answers.one("log.tail") or ""),
        next_step=f"End it on the host if it hangs: kill {pid}" if pid else "Find out which program listens there.",
    )
