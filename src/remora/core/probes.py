"""What the probe says about a host, as values."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from remora.core.answers import Answers, without_escapes
from remora.core.provisioning import NEVER, Marker, read_marker
from remora.core.quotas import most_memory

_KILLED: Final = 137
_NOT_FOUND: Final = 127
_NOT_EXECUTABLE: Final = 126
_VERSION: Final = re.compile(r"^codex\S* (\d+\.\d+\.\d+[-+.\w]*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodexCandidate:
    """One codex on the host. `source` is ``asked``, ``path`` or ``extra``; `problem` says why it cannot be used."""

    path: str
    real_path: str
    source: str
    version: str | None = None
    problem: str | None = None
    can_serve: bool = False
    can_listen_on_socket: bool = False
    has_proxy: bool = False
    has_daemon: bool = False


class FolderState(StrEnum):
    """What the requested folder is."""

    OK = "ok"
    MISSING = "missing"
    FILE = "file"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderFacts:
    """The folder that was asked for, resolved on the host; `siblings` are folders beside a missing one."""

    path: str
    state: FolderState
    siblings: tuple[str, ...] = ()


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


_NUMBER: Final = re.compile(r"[0-9]{1,18}")
_FOLDER_STATES: Final = {state.value: state for state in FolderState}
_SOCKET_KINDS: Final = {kind.value: kind for kind in SocketKind}


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process beyond doubt: process ids come round again, together with a start time they do not."""

    pid: int
    start: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """All that one probe learned. `runtime_folder` is where our log, lock and records go; `None`: nowhere.

    `path` is the PATH of the account's login shell, in which codex is looked for and started. `server` is
    the app server that we started earlier, when it still runs. `login` holds ``auth-file``,
    ``key-variable`` and ``provider``; `login_expires` is the end of its secret, as provisioning noted it. `sandbox` is
    ``ok``, ``refused`` or ``unknown``. `python` is a Python that can
    run the relay, when the probe was asked for one. `marker` says what became of provisioning there.
    """

    os: str
    architecture: str
    account: str
    user_id: str
    home: str
    login_shell: str
    path: str
    codex_home: str
    runtime_folder: str | None
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
    machine_id: str | None = None
    boot_id: str | None = None
    python: str | None = None
    marker: Marker = NEVER
    login_expires: str | None = None
    noise: str = ""

    @property
    def codex(self) -> CodexCandidate | None:
        """The codex to use: the first that runs."""
        return next((candidate for candidate in self.candidates if candidate.problem is None), None)


def read_facts(answers: Answers, *, noise: str = "") -> HostFacts:
    """Facts from the answers of entry.sh and probe.sh; what was not answered counts as absent."""

    def text(key: str) -> str:
        return answers.one(key) or ""

    return HostFacts(
        os=text("os"),
        architecture=text("architecture"),
        account=text("entry.account"),
        user_id=text("user"),
        home=text("home"),
        login_shell=text("entry.shell"),
        path=text("path"),
        codex_home=text("codex-home"),
        runtime_folder=answers.one("runtime") or None,
        key=text("key"),
        candidates=_read_candidates(answers),
        codex_asked=answers.one("codex.asked"),
        folder=FolderFacts(
            path=text("folder.path"),
            state=_FOLDER_STATES.get(answers.one("folder.state") or "", FolderState.MISSING),
            siblings=answers.all("folder.sibling"),
        ),
        socket=_read_socket(answers),
        server=read_process(answers),
        login=frozenset(answers.all("login")),
        login_expires=answers.one("login.expires") or None,
        sandbox=answers.one("sandbox") or "unknown",
        sandbox_detail="\n".join((*answers.all("sandbox.detail"), *answers.all("sandbox.setting"))),
        kills_processes=answers.one("kills-processes") is not None,
        machine_id=answers.one("machine-id") or None,
        boot_id=answers.one("boot-id") or None,
        python=answers.one("python") or None,
        marker=read_marker(answers),
        noise=noise,
    )


def read_process(answers: Answers) -> ProcessIdentity | None:
    """The server process that the answers name."""
    pid, start = answers.one("server.pid"), answers.one("server.start")
    return ProcessIdentity(_number(pid), start) if _number(pid) and start else None


def foreign_place(owners: Sequence[str], user_id: str) -> str | None:
    """Which of `owners` (``UID PATH``) belongs to somebody else, with whom."""
    for owner in owners:
        identity, _, place = owner.partition(" ")
        if identity.isdigit() and identity != user_id:
            return f"{place} (user id {identity})"
    return None


def _number(text: str | None) -> int:
    return int(text) if text and _NUMBER.fullmatch(text) else 0


def _read_socket(answers: Answers) -> SocketFacts:
    path = answers.one("socket.path") or ""
    listening = answers.one("socket.listening")
    return SocketFacts(
        path=path,
        real_path=answers.one("socket.real") or path,
        listen=answers.one("socket.listen") or "unix://",
        length=_number(answers.one("socket.bytes")),
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
        answers.one(f"{key}.status"), said, most_memory(answers)
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
    )


_PROBLEMS: Final = {
    "dangling": "is a symbolic link to nothing",
    "directory": "is a folder",
    "not-executable": "may not be executed",
}


def _run_problem(status: str | None, said: str, memory: str | None) -> str | None:
    if status is None:
        return "did not answer --version"
    if status == "0":
        return None
    if _number(status) == _KILLED:
        return "did not answer --version in time"
    if _number(status) in {_NOT_EXECUTABLE, _NOT_FOUND}:
        return f"cannot run here: {said}"
    allowed = "" if memory is None else f" (this account may have {memory} of memory)"
    return f"failed with status {status}{allowed}: {said or 'it said nothing'}"
