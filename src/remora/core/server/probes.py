"""What the probe says about a host, as values."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from remora.core.server.account_facts import AccountFacts
from remora.core.server.answers import Answers, without_escapes
from remora.core.server.markers import NEVER, Marker, read_marker
from remora.core.server.quotas import most_memory

_KILLED: Final = 137
_NOT_FOUND: Final = 127
_NOT_EXECUTABLE: Final = 126
_VERSION: Final = re.compile(r"^codex\S* (\d+\.\d+\.\d+[-+.\w]*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodexCandidate:
    """One codex on the host. `source` is ``asked``, ``path`` or ``extra``; `problem` says why it cannot be used.

    `config_problem` is what it says of a configuration that it cannot use, when the probe was to find out.
    """

    path: str
    real_path: str
    source: str
    version: str | None = None
    problem: str | None = None
    can_serve: bool = False
    can_listen_on_socket: bool = False
    has_proxy: bool = False
    has_daemon: bool = False
    config_problem: str | None = None


class FolderState(StrEnum):
    """What the requested folder is."""

    OK = "ok"
    MISSING = "missing"
    FILE = "file"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderFacts:
    """The folder that was asked for, resolved on the host; `siblings` are folders beside a missing one.

    `brings`: a ``.codex`` lies there or above that is not the account's own, so the folder may bring configuration.
    """

    path: str
    state: FolderState
    siblings: tuple[str, ...] = ()
    brings: bool = False


class SocketKind(StrEnum):
    """What lies at the path of the control socket."""

    ABSENT = "absent"
    SOCKET = "socket"
    FILE = "file"
    DANGLING = "dangling"


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketFacts:
    """The control socket. `listen` is the value for ``--listen``; `length` counts bytes of `path`.

    `listening` is `None` where the host does not tell. `foreign` names a place that belongs to somebody
    else: the socket, its folder, or the folder of what it points to.
    """

    path: str
    real_path: str
    listen: str
    length: int
    kind: SocketKind
    listening: bool | None = None
    foreign: str | None = None

    @property
    def may_serve(self) -> bool:
        """Whether a server may listen there."""
        return self.kind is SocketKind.SOCKET and self.listening is not False


_FOLDER_STATES: Final = {state.value: state for state in FolderState}
_SOCKET_KINDS: Final = {kind.value: kind for kind in SocketKind}


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process beyond doubt: process ids come round again, together with a start time they do not."""

    pid: int
    start: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts(AccountFacts):
    """All that one probe learned.

    `path` is where codex is looked for and started. `server` is the app server that we started earlier, when it still
    runs. `login` holds ``auth-file``, ``key-variable`` and ``provider``; `login_expires` is the end of its secret, as
    provisioning noted it. `sandbox` is ``ok``, ``refused`` or ``unknown``. `python` is a Python that can run the
    relay, when the probe was asked for one. `marker` says what became of provisioning there. `node` is what the machine
    calls itself in a network. `home_shared` is the kind of file system of a codex home that other machines see, too.
    """

    key: str
    candidates: tuple[CodexCandidate, ...]
    codex_asked: str | None
    folder: FolderFacts
    socket: SocketFacts
    server: ProcessIdentity | None
    login: frozenset[str]
    sandbox: str
    sandbox_detail: str
    kills_processes: bool
    python: str | None = None
    marker: Marker = NEVER
    login_expires: str | None = None
    node: str | None = None
    home_shared: str | None = None

    @property
    def codex(self) -> CodexCandidate | None:
        """The codex to use: the first that runs."""
        return next((candidate for candidate in self.candidates if candidate.problem is None), None)


def read_facts(answers: Answers) -> HostFacts:
    """Facts from the answers of entry.sh and probe.sh; what was not answered counts as absent."""
    return HostFacts.read(
        answers,
        key=answers.one("key") or "",
        candidates=_read_candidates(answers),
        codex_asked=answers.one("codex.asked"),
        folder=FolderFacts(
            path=answers.one("folder.path") or "",
            state=_FOLDER_STATES.get(answers.one("folder.state") or "", FolderState.MISSING),
            siblings=answers.all("folder.sibling"),
            brings=answers.one("folder.brings") is not None,
        ),
        socket=_read_socket(answers),
        server=read_process(answers),
        login=frozenset(answers.all("login")),
        login_expires=answers.one("login.expires") or None,
        sandbox=answers.one("sandbox") or "unknown",
        sandbox_detail="\n".join((*answers.all("sandbox.detail"), *answers.all("sandbox.setting"))),
        kills_processes=answers.one("kills-processes") is not None,
        python=answers.one("python") or None,
        marker=read_marker(answers),
        node=answers.one("node") or None,
        home_shared=answers.one("home.shared"),
    )


def read_process(answers: Answers) -> ProcessIdentity | None:
    """The server process that the answers name."""
    pid, start = answers.number("server.pid"), answers.one("server.start")
    return ProcessIdentity(pid, start) if pid and start else None


def foreign_place(owners: Sequence[str], user_id: str) -> str | None:
    """Which of `owners` (``UID PATH``) belongs to another account, with whom."""
    for owner in owners:
        identity, _, place = owner.partition(" ")
        if identity.isdigit() and identity != user_id:
            return f"{place} (user id {identity})"
    return None


def _read_socket(answers: Answers) -> SocketFacts:
    path = answers.one("socket.path") or ""
    listening = answers.one("socket.listening")
    return SocketFacts(
        path=path,
        real_path=answers.one("socket.real") or path,
        listen=answers.one("socket.listen") or "unix://",
        length=answers.number("socket.bytes") or 0,
        kind=_SOCKET_KINDS.get(answers.one("socket.kind") or "absent", SocketKind.FILE),
        listening=None if listening is None else listening == "yes",
        foreign=foreign_place(answers.all("socket.owner"), answers.one("user") or ""),
    )


def _read_candidates(answers: Answers) -> tuple[CodexCandidate, ...]:
    count = sum(1 for name, _ in answers.pairs if re.fullmatch(r"codex\.\d+\.path", name))
    return tuple(_read_candidate(answers, f"codex.{index}") for index in range(count))


def _read_candidate(answers: Answers, key: str) -> CodexCandidate:
    path = answers.one(f"{key}.path") or ""
    can = frozenset(answers.all(f"{key}.can"))
    said = without_escapes(answers.one(f"{key}.version") or "").strip()
    problem = _PROBLEMS.get(answers.one(f"{key}.problem") or "") or _run_problem(
        answers.number(f"{key}.status"), said, most_memory(answers)
    )
    version = _VERSION.search(said) if problem is None else None
    return CodexCandidate(
        path=path,
        real_path=answers.one(f"{key}.real") or path,
        source=answers.one(f"{key}.source") or "path",
        version=version[1] if version else None,
        problem=problem,
        can_serve="serve" in can,
        can_listen_on_socket="unix" in can,
        has_proxy="proxy" in can,
        has_daemon="daemon" in can,
        config_problem=without_escapes(answers.one(f"{key}.config") or "").strip() or None,
    )


_PROBLEMS: Final = {
    "dangling": "is a broken symbolic link",
    "directory": "is a folder",
    "not-executable": "may not be executed",
}


def _run_problem(status: int | None, said: str, memory: str | None) -> str | None:
    if status is None:
        return "did not answer --version"
    if status == 0:
        return None
    if status == _KILLED:
        return "did not answer --version in time"
    if status in {_NOT_EXECUTABLE, _NOT_FOUND}:
        return f"cannot run here: {said}"
    allowed = "" if memory is None else f" (this account may have {memory} of memory)"
    return f"failed with status {status}{allowed}: {said or 'it said nothing'}"
