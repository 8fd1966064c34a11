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
    ├── TimeLimit             14   a wait reached its limit
    ├── Interrupted          130   the user stopped it
    └── TaskFailed             1   the turn itself failed

Exit code 12 (denied by a policy) is promised and belongs to no failure yet; 13 is for several hosts together.

The code says what happened, the stage where, the verdict what it asks for. All three are looked up in one
table, so that the same failure is never judged twice.
"""

import re
from enum import IntEnum, StrEnum
from typing import ClassVar, Final, NamedTuple

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


class Stage(StrEnum):
    """Where on the way to a thread something happened; also the order in which ``check`` proves a host."""

    USAGE = "usage"
    CONFIG = "config"
    NAME = "name"
    ROUTE = "route"
    HOST_KEY = "host-key"
    AUTHENTICATION = "authentication"
    SHELL = "shell"
    PROVISION = "provision"
    FOLDER = "folder"
    PATH = "path"
    CODEX = "codex"
    LOGIN = "login"
    SANDBOX = "sandbox"
    LAUNCH = "launch"
    HANDSHAKE = "handshake"
    THREAD = "thread"
    APPROVAL = "approval"
    HUB = "hub"
    LINK = "link"
    INTERNAL = "internal"


class Verdict(StrEnum):
    """What a failure asks for."""

    RETRY = "retry"
    NEEDS_HUMAN = "needs-human"
    NEEDS_INSTALL = "needs-install"
    FATAL = "fatal"


class Code(StrEnum):
    """The stable name of one kind of failure, as in docs/troubleshooting.md."""

    USAGE = "usage"
    CONFIG_UNREADABLE = "config-unreadable"
    CONFIG_REJECTED = "config-rejected"
    ALIAS_UNKNOWN = "alias-unknown"
    ALIAS_UNSAFE = "alias-unsafe"
    SSH_MISSING = "ssh-missing"
    RESOLVE_TIMEOUT = "resolve-timeout"
    OPTION_UNSUPPORTED = "option-unsupported"
    SETTINGS_INVALID = "settings-invalid"
    NAME_NOT_FOUND = "name-not-found"
    CONNECTION_REFUSED = "connection-refused"
    NETWORK_UNREACHABLE = "network-unreachable"
    CONNECT_TIMEOUT = "connect-timeout"
    CONNECTION_CLOSED = "connection-closed"
    KEY_EXCHANGE_FAILED = "key-exchange-failed"
    PROXY_FAILED = "proxy-failed"
    JUMP_FAILED = "jump-failed"
    CONNECTION_LOST = "connection-lost"
    HOST_LEFT = "host-left"
    HOST_KEY_UNKNOWN = "host-key-unknown"
    HOST_KEY_CHANGED = "host-key-changed"
    HOST_KEY_REVOKED = "host-key-revoked"
    AUTHENTICATION_REFUSED = "authentication-refused"
    TOO_MANY_KEYS = "too-many-keys"
    KEY_UNUSABLE = "key-unusable"
    CHANNEL_REFUSED = "channel-refused"
    SHELL_REPLACED = "shell-replaced"
    SHELL_WAITS_FOR_INPUT = "shell-waits-for-input"
    SHELL_NEVER_ENDS = "shell-never-ends"
    SHELL_FAILED = "shell-failed"
    UNSUPPORTED_REMOTE_OS = "unsupported-remote-os"
    FOLDER_MISSING = "folder-missing"
    CODEX_MISSING = "codex-missing"
    CODEX_UNUSABLE = "codex-unusable"
    CODEX_UNSUPPORTED = "codex-unsupported"
    LOGIN_MISSING = "login-missing"
    SANDBOX_UNUSABLE = "sandbox-unusable"
    LAUNCH_EXITED = "launch-exited"
    LAUNCH_TIMEOUT = "launch-timeout"
    LAUNCH_REFUSED = "launch-refused"
    LOCKS_UNUSABLE = "locks-unusable"
    SERVER_MUTE = "server-mute"
    SOCKET_FOREIGN = "socket-foreign"
    RELAY_FAILED = "relay-failed"
    SERVER_BUSY = "server-busy"
    SERVER_NOT_OURS = "server-not-ours"
    SERVER_GONE = "server-gone"
    HANDSHAKE_FAILED = "handshake-failed"
    PROTOCOL_VIOLATION = "protocol-violation"
    MESSAGE_TOO_LARGE = "message-too-large"
    REQUEST_REFUSED = "request-refused"
    REQUEST_UNKNOWN = "request-unknown"
    SERVER_OVERLOADED = "server-overloaded"
    THREAD_MISSING = "thread-missing"
    THREAD_BUSY = "thread-busy"
    TURN_FAILED = "turn-failed"
    RUNTIME_FOLDER_UNUSABLE = "runtime-folder-unusable"
    HUB_START_FAILED = "hub-start-failed"
    HUB_MUTE = "hub-mute"
    HUB_VERSION = "hub-version"
    LINK_MISSING = "link-missing"
    LINK_UNSUPPORTED = "link-unsupported"
    CLIENT_MISSING = "client-missing"
    CLIENT_UNSUPPORTED = "client-unsupported"
    PORT_TAKEN = "port-taken"
    MANIFEST_INVALID = "manifest-invalid"
    SECRET_MISSING = "secret-missing"  # noqa: S105 - the name of a failure
    PACKAGE_UNAVAILABLE = "package-unavailable"
    DIGEST_MISMATCH = "digest-mismatch"
    PLATFORM_UNSUPPORTED = "platform-unsupported"
    DISK_FULL = "disk-full"
    PLACE_UNUSABLE = "place-unusable"
    TOOL_MISSING = "tool-missing"
    PROVISION_BUSY = "provision-busy"
    PROVISION_FAILED = "provision-failed"
    STEP_FAILED = "step-failed"
    STEP_UNPROVEN = "step-unproven"
    NOT_ON_PATH = "not-on-path"
    REPOSITORY_FAILED = "repository-failed"
    REPOSITORY_CHANGED = "repository-changed"
    LOGIN_REFUSED = "login-refused"
    LIMIT_UNENFORCED = "limit-unenforced"
    NOT_READY = "not-ready"
    EGRESS_REFUSED = "egress-refused"
    SCORE_BELOW = "score-below"
    APPROVAL_UNATTENDED = "approval-unattended"
    PROMPT_UNATTENDED = "prompt-unattended"
    TIME_LIMIT = "time-limit"
    INTERRUPTED = "interrupted"
    INTERNAL = "internal"


class CodeFacts(NamedTuple):
    """What a code always means."""

    stage: Stage
    verdict: Verdict


_S, _V = Stage, Verdict
CODES: Final[dict[Code, CodeFacts]] = {
    Code.USAGE: CodeFacts(_S.USAGE, _V.FATAL),
    Code.CONFIG_UNREADABLE: CodeFacts(_S.CONFIG, _V.NEEDS_HUMAN),
    Code.CONFIG_REJECTED: CodeFacts(_S.CONFIG, _V.NEEDS_HUMAN),
    Code.ALIAS_UNKNOWN: CodeFacts(_S.CONFIG, _V.NEEDS_HUMAN),
    Code.ALIAS_UNSAFE: CodeFacts(_S.CONFIG, _V.FATAL),
    Code.SSH_MISSING: CodeFacts(_S.CONFIG, _V.NEEDS_INSTALL),
    Code.RESOLVE_TIMEOUT: CodeFacts(_S.CONFIG, _V.RETRY),
    Code.OPTION_UNSUPPORTED: CodeFacts(_S.CONFIG, _V.FATAL),
    Code.SETTINGS_INVALID: CodeFacts(_S.CONFIG, _V.NEEDS_HUMAN),
    Code.NAME_NOT_FOUND: CodeFacts(_S.NAME, _V.RETRY),
    Code.CONNECTION_REFUSED: CodeFacts(_S.ROUTE, _V.RETRY),
    Code.NETWORK_UNREACHABLE: CodeFacts(_S.ROUTE, _V.RETRY),
    Code.CONNECT_TIMEOUT: CodeFacts(_S.ROUTE, _V.RETRY),
    Code.CONNECTION_CLOSED: CodeFacts(_S.ROUTE, _V.RETRY),
    Code.KEY_EXCHANGE_FAILED: CodeFacts(_S.ROUTE, _V.NEEDS_HUMAN),
    Code.PROXY_FAILED: CodeFacts(_S.ROUTE, _V.RETRY),
    Code.JUMP_FAILED: CodeFacts(_S.ROUTE, _V.RETRY),
    Code.CONNECTION_LOST: CodeFacts(_S.ROUTE, _V.RETRY),
    Code.HOST_LEFT: CodeFacts(_S.ROUTE, _V.NEEDS_HUMAN),
    Code.HOST_KEY_UNKNOWN: CodeFacts(_S.HOST_KEY, _V.NEEDS_HUMAN),
    Code.HOST_KEY_CHANGED: CodeFacts(_S.HOST_KEY, _V.NEEDS_HUMAN),
    Code.HOST_KEY_REVOKED: CodeFacts(_S.HOST_KEY, _V.NEEDS_HUMAN),
    Code.AUTHENTICATION_REFUSED: CodeFacts(_S.AUTHENTICATION, _V.NEEDS_HUMAN),
    Code.TOO_MANY_KEYS: CodeFacts(_S.AUTHENTICATION, _V.NEEDS_HUMAN),
    Code.KEY_UNUSABLE: CodeFacts(_S.AUTHENTICATION, _V.NEEDS_HUMAN),
    Code.CHANNEL_REFUSED: CodeFacts(_S.SHELL, _V.NEEDS_HUMAN),
    Code.SHELL_REPLACED: CodeFacts(_S.SHELL, _V.NEEDS_HUMAN),
    Code.SHELL_WAITS_FOR_INPUT: CodeFacts(_S.SHELL, _V.NEEDS_HUMAN),
    Code.SHELL_NEVER_ENDS: CodeFacts(_S.SHELL, _V.NEEDS_HUMAN),
    Code.SHELL_FAILED: CodeFacts(_S.SHELL, _V.NEEDS_HUMAN),
    Code.UNSUPPORTED_REMOTE_OS: CodeFacts(_S.SHELL, _V.FATAL),
    Code.FOLDER_MISSING: CodeFacts(_S.FOLDER, _V.NEEDS_HUMAN),
    Code.CODEX_MISSING: CodeFacts(_S.CODEX, _V.NEEDS_INSTALL),
    Code.CODEX_UNUSABLE: CodeFacts(_S.CODEX, _V.NEEDS_INSTALL),
    Code.CODEX_UNSUPPORTED: CodeFacts(_S.CODEX, _V.NEEDS_INSTALL),
    Code.LOGIN_MISSING: CodeFacts(_S.LOGIN, _V.NEEDS_HUMAN),
    Code.SANDBOX_UNUSABLE: CodeFacts(_S.SANDBOX, _V.NEEDS_HUMAN),
    Code.LAUNCH_EXITED: CodeFacts(_S.LAUNCH, _V.NEEDS_HUMAN),
    Code.LAUNCH_TIMEOUT: CodeFacts(_S.LAUNCH, _V.RETRY),
    Code.LAUNCH_REFUSED: CodeFacts(_S.LAUNCH, _V.NEEDS_HUMAN),
    Code.LOCKS_UNUSABLE: CodeFacts(_S.LAUNCH, _V.NEEDS_HUMAN),
    Code.SERVER_MUTE: CodeFacts(_S.LAUNCH, _V.NEEDS_HUMAN),
    Code.SOCKET_FOREIGN: CodeFacts(_S.LAUNCH, _V.NEEDS_HUMAN),
    Code.RELAY_FAILED: CodeFacts(_S.LINK, _V.RETRY),
    Code.SERVER_BUSY: CodeFacts(_S.LINK, _V.NEEDS_HUMAN),
    Code.SERVER_NOT_OURS: CodeFacts(_S.LINK, _V.NEEDS_HUMAN),
    Code.SERVER_GONE: CodeFacts(_S.HANDSHAKE, _V.RETRY),
    Code.HANDSHAKE_FAILED: CodeFacts(_S.HANDSHAKE, _V.NEEDS_HUMAN),
    Code.PROTOCOL_VIOLATION: CodeFacts(_S.HANDSHAKE, _V.FATAL),
    Code.MESSAGE_TOO_LARGE: CodeFacts(_S.HANDSHAKE, _V.FATAL),
    Code.REQUEST_REFUSED: CodeFacts(_S.THREAD, _V.FATAL),
    Code.REQUEST_UNKNOWN: CodeFacts(_S.THREAD, _V.NEEDS_HUMAN),
    Code.SERVER_OVERLOADED: CodeFacts(_S.THREAD, _V.RETRY),
    Code.THREAD_MISSING: CodeFacts(_S.THREAD, _V.NEEDS_HUMAN),
    Code.THREAD_BUSY: CodeFacts(_S.THREAD, _V.RETRY),
    Code.TURN_FAILED: CodeFacts(_S.THREAD, _V.FATAL),
    Code.RUNTIME_FOLDER_UNUSABLE: CodeFacts(_S.HUB, _V.NEEDS_HUMAN),
    Code.HUB_START_FAILED: CodeFacts(_S.HUB, _V.NEEDS_HUMAN),
    Code.HUB_MUTE: CodeFacts(_S.HUB, _V.NEEDS_HUMAN),
    Code.HUB_VERSION: CodeFacts(_S.HUB, _V.NEEDS_HUMAN),
    Code.LINK_MISSING: CodeFacts(_S.LINK, _V.NEEDS_HUMAN),
    Code.LINK_UNSUPPORTED: CodeFacts(_S.LINK, _V.NEEDS_INSTALL),
    Code.CLIENT_MISSING: CodeFacts(_S.LINK, _V.NEEDS_INSTALL),
    Code.CLIENT_UNSUPPORTED: CodeFacts(_S.LINK, _V.NEEDS_INSTALL),
    Code.PORT_TAKEN: CodeFacts(_S.LINK, _V.NEEDS_HUMAN),
    Code.MANIFEST_INVALID: CodeFacts(_S.CONFIG, _V.NEEDS_HUMAN),
    Code.SECRET_MISSING: CodeFacts(_S.CONFIG, _V.NEEDS_HUMAN),
    Code.PACKAGE_UNAVAILABLE: CodeFacts(_S.CODEX, _V.NEEDS_HUMAN),
    Code.DIGEST_MISMATCH: CodeFacts(_S.CODEX, _V.NEEDS_HUMAN),
    Code.PLATFORM_UNSUPPORTED: CodeFacts(_S.CODEX, _V.FATAL),
    Code.DISK_FULL: CodeFacts(_S.PROVISION, _V.NEEDS_HUMAN),
    Code.PLACE_UNUSABLE: CodeFacts(_S.PROVISION, _V.NEEDS_HUMAN),
    Code.TOOL_MISSING: CodeFacts(_S.PROVISION, _V.NEEDS_INSTALL),
    Code.PROVISION_BUSY: CodeFacts(_S.PROVISION, _V.RETRY),
    Code.PROVISION_FAILED: CodeFacts(_S.PROVISION, _V.NEEDS_HUMAN),
    Code.STEP_FAILED: CodeFacts(_S.PROVISION, _V.NEEDS_HUMAN),
    Code.STEP_UNPROVEN: CodeFacts(_S.PROVISION, _V.NEEDS_HUMAN),
    Code.NOT_ON_PATH: CodeFacts(_S.PATH, _V.NEEDS_HUMAN),
    Code.REPOSITORY_FAILED: CodeFacts(_S.PROVISION, _V.NEEDS_HUMAN),
    Code.REPOSITORY_CHANGED: CodeFacts(_S.PROVISION, _V.NEEDS_HUMAN),
    Code.LOGIN_REFUSED: CodeFacts(_S.LOGIN, _V.NEEDS_HUMAN),
    Code.LIMIT_UNENFORCED: CodeFacts(_S.PROVISION, _V.NEEDS_HUMAN),
    Code.NOT_READY: CodeFacts(_S.PROVISION, _V.RETRY),
    Code.EGRESS_REFUSED: CodeFacts(_S.LINK, _V.NEEDS_HUMAN),
    Code.SCORE_BELOW: CodeFacts(_S.PROVISION, _V.NEEDS_HUMAN),
    Code.APPROVAL_UNATTENDED: CodeFacts(_S.APPROVAL, _V.NEEDS_HUMAN),
    Code.PROMPT_UNATTENDED: CodeFacts(_S.AUTHENTICATION, _V.NEEDS_HUMAN),
    Code.TIME_LIMIT: CodeFacts(_S.INTERNAL, _V.RETRY),
    Code.INTERRUPTED: CodeFacts(_S.USAGE, _V.NEEDS_HUMAN),
    Code.INTERNAL: CodeFacts(_S.INTERNAL, _V.FATAL),
}


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
        facts = CODES[code]
        self.code = code
        self.message = neutralise(message, one_line=True)  # a line of its own could pass for our advice
        self.next_step = escape_breaks(next_step)
        self.seen = neutralise(seen).strip()
        self.host = host
        self.stage = stage or facts.stage
        self.verdict = facts.verdict

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
        f"{who} itself failed; this is a bug.",
        seen=f"{type(error).__name__}: {error}",
        next_step=next_step,
    )
