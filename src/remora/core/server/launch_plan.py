"""How to come to an app server: facts and a request in, a plan or a refusal out."""

import difflib
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from remora.core.errors import AppServerProblem, Code, LaunchProblem, RemoraError, ShellProblem
from remora.core.host.hosts import Notice
from remora.core.server.probes import CodexCandidate, FolderFacts, FolderState, HostFacts, SocketKind

STANDING_NOTICES: Final = frozenset({"codex-off-path", "home-shared", "kills-processes"})
"""Codes of what a host is like, run after run: worth a word once."""
SOCKET_PATH_LIMIT: Final = 103
"""Bytes that a socket address holds everywhere: 108 on Linux, 104 on macOS, with a closing NUL."""


class LaunchMode(StrEnum):
    """Whose app server it is."""

    ADOPTED = "adopted"
    """It ran before we came."""
    DETACHED = "detached"
    """We started it; it goes on without us."""
    ATTACHED = "attached"
    """We started it; it ends with our connection."""


class BytePath(StrEnum):
    """How our bytes reach it."""

    RELAY = "relay"
    """Through the relay on the host: streams live on across lost connections."""
    UNIX_SOCKET = "unix-socket"
    PROXY = "proxy"
    STDIO = "stdio"


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchRequest:
    """What is wanted: the folder of the work and the codex to use, both as the user named them; `None`: the usual.

    `sees_agent`: a server that is started may see the SSH agent that was lent to its session, if one was.
    `may_start`: without a server that runs there, one is started; else that is ``server-absent``.
    """

    folder: str | None = None
    codex: str | None = None
    sees_agent: bool = True
    may_start: bool = True


@dataclass(frozen=True, slots=True)
class Adopt:
    """Use the server that listens on `socket`, whoever started it, once it answers within `seconds`."""

    socket: str
    seconds: float

    def describe(self) -> str:
        """One line for a person."""
        return f"adopt the app server on {self.socket} if it answers initialize within {self.seconds:g} s"


_UPDATE: Final = "update codex on the host"


@dataclass(frozen=True, slots=True)
class StartDetached:
    """Start a server of our own that outlives the connection."""

    codex: str
    listen: str
    socket: str
    log: str

    def describe(self) -> str:
        """One line for a person."""
        return f"start, detached: {self.codex} app-server --listen {self.listen} (log: {self.log})"


@dataclass(frozen=True, slots=True)
class RunAttached:
    """Run a server that ends with the connection."""

    codex: str

    def describe(self) -> str:
        """One line for a person."""
        return f"run inside the connection, ending with it: {self.codex} app-server --listen stdio://"


Step = Adopt | StartDetached | RunAttached


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why no server outlives its connection on this host, and what a person does about that there."""

    reason: str
    cure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchPlan:
    """What will be done: the steps in order, each tried only when the one before found nothing to use."""

    steps: tuple[Step, ...]
    folder: str
    codex: CodexCandidate | None
    notices: tuple[Notice, ...] = ()
    obstacle: Obstacle | None = None

    def hindered(self, obstacle: Obstacle) -> "LaunchPlan":
        """This plan, where a server can only run inside the connection; its notices say so."""
        notice = Notice("attached", f"The work ends with the connection: {obstacle.reason}.")
        return replace(self, notices=(*self.notices, notice), obstacle=obstacle)

    @property
    def adopt(self) -> Adopt | None:
        """The step that adopts, when there is something to adopt."""
        return next((step for step in self.steps if isinstance(step, Adopt)), None)

    @property
    def start(self) -> StartDetached | None:
        """The step that starts a server of our own."""
        return next((step for step in self.steps if isinstance(step, StartDetached)), None)

    @property
    def attached(self) -> RunAttached | None:
        """The step that runs inside the connection."""
        return next((step for step in self.steps if isinstance(step, RunAttached)), None)

    def describe(self) -> tuple[str, ...]:
        """The lines that ``--dry-run`` and ``check`` print."""
        lines = [step.describe() if index == 0 else f"else {step.describe()}" for index, step in enumerate(self.steps)]
        return (*lines, f"work in {self.folder}")


def plan_launch(facts: HostFacts, *, handshake_seconds: float) -> LaunchPlan:
    """Decide how to come to an app server on the host that `facts` describe.

    Raises, classified: ``folder-missing``, ``socket-foreign``, ``codex-missing``, ``codex-unusable``,
    ``codex-unsupported``, ``launch-refused``.
    """
    refuse_folder(facts.folder)
    if facts.socket.foreign is not None:
        raise foreign_socket(facts.socket.foreign)
    steps: list[Step] = []
    if facts.socket.may_serve:
        steps.append(Adopt(facts.socket.real_path, handshake_seconds))
    chosen = facts.codex
    if chosen is None or not chosen.can_serve:
        if not steps:
            raise _no_codex(facts, chosen)
        return LaunchPlan(steps=tuple(steps), folder=facts.folder.path, codex=None)
    obstacle = _obstacle(facts, chosen)
    if obstacle is None:
        steps.append(
            StartDetached(
                chosen.path,
                facts.socket.listen,
                facts.socket.path,
                f"{facts.runtime_folder}/server-{facts.key}.log",
            )
        )
    steps.append(RunAttached(chosen.path))
    notices = tuple(_notices(facts, chosen))
    plan = LaunchPlan(steps=tuple(steps), folder=facts.folder.path, codex=chosen, notices=notices)
    return plan if obstacle is None else plan.hindered(obstacle)


def server_absent(facts: HostFacts) -> AppServerProblem:
    """Nothing was to be started, and there is no server that could be used."""
    chosen = facts.codex
    if chosen is not None and not chosen.can_listen_on_socket:
        return AppServerProblem(
            Code.CODEX_UNSUPPORTED,
            f"codex {chosen.version or ''} on the host serves only the client that started it.",
            next_step="Stop the turn in that client, or end its process on the host.",
        )
    return AppServerProblem(
        Code.SERVER_ABSENT,
        "No app server runs on the host, and this command does not start one.",
        next_step="Name the thread by its id to find processes of its commands on the host.",
    )


def link_unsupported(plan: LaunchPlan) -> AppServerProblem:
    """The refusal to hold a link to a server that would end with the connection."""
    why = plan.obstacle or Obstacle("processes on this host end with their connection", _UPDATE)
    return AppServerProblem(
        Code.LINK_UNSUPPORTED,
        f"This host cannot keep an app server for a link: {why.reason}.",
        next_step=f"Use remora run, which needs no link; for a link, {why.cure}.",
    )


def foreign_socket(place: str) -> LaunchProblem:
    """The refusal to talk to somebody else's server."""
    return LaunchProblem(
        Code.SOCKET_FOREIGN,
        f"The control socket is not safe to use: {place} belongs to another account; nothing was sent to it.",
        next_step="Ask the owner to remove it, or set CODEX_HOME on the host to a private folder of the account.",
    )


def refuse_folder(folder: FolderFacts) -> None:
    """Raise ``folder-missing`` for a folder where nobody can work, with names that are near it."""
    if folder.state is FolderState.OK:
        if not folder.path.startswith("/") or "\0" in folder.path:  # it becomes an argument of other programs
            raise ShellProblem(
                Code.FOLDER_MISSING,
                f"The host reports the folder {folder.path!r}, which is not a valid path.",
                next_step="Check which program answers on that host.",
            )
        return
    what = {
        FolderState.MISSING: "does not exist",
        FolderState.FILE: "is a file, not a folder",
        FolderState.CLOSED: "cannot be entered by this account",
    }[folder.state]
    near = _near_matches(folder.path, folder.siblings)
    raise ShellProblem(
        Code.FOLDER_MISSING,
        f"The folder {folder.path} {what} on the host.",
        seen="Similar: " + ", ".join(near) if near else "",
        next_step=f"Use {near[0]} if you meant that folder." if near else "Create the folder, or name another one.",
    )


def _near_matches(path: str, siblings: tuple[str, ...]) -> list[str]:
    if not siblings:
        return []
    parent = siblings[0].rpartition("/")[0]
    wanted = path.removeprefix(parent + "/").partition("/")[0].lower()
    names = {sibling.rpartition("/")[2].lower(): sibling for sibling in siblings}
    return [names[name] for name in difflib.get_close_matches(wanted, names, n=3, cutoff=0.5)]


def _no_codex(facts: HostFacts, chosen: CodexCandidate | None) -> RemoraError:
    how = f"PATH of {facts.login_shell} as login and interactive shell: {facts.path}"
    if chosen is not None:
        return AppServerProblem(
            Code.CODEX_UNSUPPORTED,
            f"{chosen.path} {chosen.version or ''} has no usable app-server.",
            next_step="Install a newer codex on the host: remora provision ALIAS --codex latest",
        )
    if facts.candidates:
        listing = "\n".join(f"{candidate.path} {candidate.problem}" for candidate in facts.candidates)
        return AppServerProblem(
            Code.CODEX_UNUSABLE,
            f"codex was found at {facts.candidates[0].path}, but it {facts.candidates[0].problem}.",
            seen=f"{listing}\n{how}",
            next_step="Install codex for this host and account, or name another one with --codex.",
        )
    if facts.codex_asked:
        return AppServerProblem(
            Code.CODEX_MISSING,
            f"codex was not found at {facts.codex_asked} on the host.",
            seen=how,
            next_step="Name the codex of this host with --codex.",
        )
    return AppServerProblem(
        Code.CODEX_MISSING,
        "codex is not installed on the host, or not on the PATH of the login shell.",
        seen=f"{how}\nalso in ~/.local/bin, /usr/local/bin, ~/bin, ~/.npm-global/bin, ~/.cargo/bin and ~/.nvm",
        next_step="Install it there with: remora provision ALIAS --codex latest",
    )


NO_FOLDER_FOR_LOG: Final = Obstacle(
    "no folder on the host can hold the log",
    "set XDG_RUNTIME_DIR on the host to a private, writable folder of the account",
)
ENDS_WITH_SESSION: Final = Obstacle(
    "processes on this host end with their session",
    "have the host keep processes after logout (with systemd: loginctl enable-linger)",
)


def mute_on_socket(problem: str) -> Obstacle:
    """The app server that was started listens and answers nobody, for that reason."""
    reason = f"the started app server does not answer on its socket. {problem.rstrip('.')}"
    return Obstacle(reason, _UPDATE)


def _obstacle(facts: HostFacts, chosen: CodexCandidate) -> Obstacle | None:
    path, length = facts.socket.path, facts.socket.length
    if not chosen.can_listen_on_socket:
        return Obstacle(f"codex {chosen.version or ''} cannot listen on a unix socket", _UPDATE)
    if facts.runtime_folder is None:
        return NO_FOLDER_FOR_LOG
    if length > SOCKET_PATH_LIMIT:
        reason = f"the socket path {path} has {length} bytes; the limit is {SOCKET_PATH_LIMIT}"
        return Obstacle(reason, "set CODEX_HOME on the host to a folder with a shorter path")
    if facts.socket.kind is SocketKind.FILE:
        reason = f"{path}, the path of codex's control socket, is not a socket"
        return Obstacle(reason, "check that file on the host, and move it away")
    return None


def _notices(facts: HostFacts, chosen: CodexCandidate) -> list[Notice]:
    notices = []
    if chosen.source == "extra":
        notices.append(Notice("codex-off-path", f"{chosen.path} is used; it is not on the login shell's PATH."))
    if facts.home_shared is not None:
        notices.append(
            Notice(
                "home-shared",
                f"Other machines share codex's home {facts.codex_home} ({facts.home_shared}), so the app server uses "
                "a socket outside of it. codex's databases do not support several machines; use one CODEX_HOME for "
                "each.",
            )
        )
    if facts.kills_processes:
        notices.append(
            Notice(
                "kills-processes",
                "This host ends processes at logout (KillUserProcesses): the app server may end with the connection. "
                "To keep it, run: loginctl enable-linger"
                f" {facts.account}",
            )
        )
    return notices
