"""The names of what can fail: stages, verdicts, and the codes, each with its stage and its verdict."""

from enum import StrEnum
from typing import Self


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
    """The stable name of one kind of failure, as in docs/troubleshooting.md, and what it always means."""

    stage: Stage
    verdict: Verdict

    def __new__(cls, name: str, stage: Stage, verdict: Verdict) -> Self:
        code = str.__new__(cls, name)
        code._value_ = name
        code.stage, code.verdict = stage, verdict
        return code

    USAGE = "usage", Stage.USAGE, Verdict.FATAL
    CONFIG_UNREADABLE = "config-unreadable", Stage.CONFIG, Verdict.NEEDS_HUMAN
    CONFIG_REJECTED = "config-rejected", Stage.CONFIG, Verdict.NEEDS_HUMAN
    ALIAS_UNKNOWN = "alias-unknown", Stage.CONFIG, Verdict.NEEDS_HUMAN
    ALIAS_UNSAFE = "alias-unsafe", Stage.CONFIG, Verdict.FATAL
    SSH_MISSING = "ssh-missing", Stage.CONFIG, Verdict.NEEDS_INSTALL
    RESOLVE_TIMEOUT = "resolve-timeout", Stage.CONFIG, Verdict.RETRY
    OPTION_UNSUPPORTED = "option-unsupported", Stage.CONFIG, Verdict.FATAL
    SETTINGS_INVALID = "settings-invalid", Stage.CONFIG, Verdict.NEEDS_HUMAN
    NAME_NOT_FOUND = "name-not-found", Stage.NAME, Verdict.RETRY
    CONNECTION_REFUSED = "connection-refused", Stage.ROUTE, Verdict.RETRY
    NETWORK_UNREACHABLE = "network-unreachable", Stage.ROUTE, Verdict.RETRY
    CONNECT_TIMEOUT = "connect-timeout", Stage.ROUTE, Verdict.RETRY
    CONNECTION_CLOSED = "connection-closed", Stage.ROUTE, Verdict.RETRY
    KEY_EXCHANGE_FAILED = "key-exchange-failed", Stage.ROUTE, Verdict.NEEDS_HUMAN
    PROXY_FAILED = "proxy-failed", Stage.ROUTE, Verdict.RETRY
    JUMP_FAILED = "jump-failed", Stage.ROUTE, Verdict.RETRY
    CONNECTION_LOST = "connection-lost", Stage.ROUTE, Verdict.RETRY
    HOST_LEFT = "host-left", Stage.ROUTE, Verdict.NEEDS_HUMAN
    HOST_KEY_UNKNOWN = "host-key-unknown", Stage.HOST_KEY, Verdict.NEEDS_HUMAN
    HOST_KEY_CHANGED = "host-key-changed", Stage.HOST_KEY, Verdict.NEEDS_HUMAN
    HOST_KEY_REVOKED = "host-key-revoked", Stage.HOST_KEY, Verdict.NEEDS_HUMAN
    HOST_KEY_WEAK = "host-key-weak", Stage.HOST_KEY, Verdict.NEEDS_HUMAN
    AUTHENTICATION_REFUSED = "authentication-refused", Stage.AUTHENTICATION, Verdict.NEEDS_HUMAN
    AGENT_REFUSED = "agent-refused", Stage.AUTHENTICATION, Verdict.NEEDS_HUMAN
    ACCOUNT_REFUSED = "account-refused", Stage.AUTHENTICATION, Verdict.NEEDS_HUMAN
    TOO_MANY_KEYS = "too-many-keys", Stage.AUTHENTICATION, Verdict.NEEDS_HUMAN
    KEY_UNUSABLE = "key-unusable", Stage.AUTHENTICATION, Verdict.NEEDS_HUMAN
    CHANNEL_REFUSED = "channel-refused", Stage.SHELL, Verdict.NEEDS_HUMAN
    SHELL_REPLACED = "shell-replaced", Stage.SHELL, Verdict.NEEDS_HUMAN
    COMMAND_FORCED = "command-forced", Stage.SHELL, Verdict.NEEDS_HUMAN
    SHELL_WAITS_FOR_INPUT = "shell-waits-for-input", Stage.SHELL, Verdict.NEEDS_HUMAN
    SHELL_NEVER_ENDS = "shell-never-ends", Stage.SHELL, Verdict.NEEDS_HUMAN
    SHELL_FAILED = "shell-failed", Stage.SHELL, Verdict.NEEDS_HUMAN
    UNSUPPORTED_REMOTE_OS = "unsupported-remote-os", Stage.SHELL, Verdict.FATAL
    FOLDER_MISSING = "folder-missing", Stage.FOLDER, Verdict.NEEDS_HUMAN
    CODEX_MISSING = "codex-missing", Stage.CODEX, Verdict.NEEDS_INSTALL
    CODEX_UNUSABLE = "codex-unusable", Stage.CODEX, Verdict.NEEDS_INSTALL
    CODEX_CONFIG = "codex-config-broken", Stage.CODEX, Verdict.NEEDS_HUMAN
    CODEX_UNSUPPORTED = "codex-unsupported", Stage.CODEX, Verdict.NEEDS_INSTALL
    LOGIN_MISSING = "login-missing", Stage.LOGIN, Verdict.NEEDS_HUMAN
    SANDBOX_UNUSABLE = "sandbox-unusable", Stage.SANDBOX, Verdict.NEEDS_HUMAN
    LAUNCH_EXITED = "launch-exited", Stage.LAUNCH, Verdict.NEEDS_HUMAN
    LAUNCH_TIMEOUT = "launch-timeout", Stage.LAUNCH, Verdict.RETRY
    LAUNCH_REFUSED = "launch-refused", Stage.LAUNCH, Verdict.NEEDS_HUMAN
    LOCKS_UNUSABLE = "locks-unusable", Stage.LAUNCH, Verdict.NEEDS_HUMAN
    SERVER_MUTE = "server-mute", Stage.LAUNCH, Verdict.NEEDS_HUMAN
    SERVER_ABSENT = "server-absent", Stage.LAUNCH, Verdict.NEEDS_HUMAN
    SOCKET_FOREIGN = "socket-foreign", Stage.LAUNCH, Verdict.NEEDS_HUMAN
    RELAY_FAILED = "relay-failed", Stage.LINK, Verdict.RETRY
    SERVER_BUSY = "server-busy", Stage.LINK, Verdict.NEEDS_HUMAN
    SERVER_NOT_OURS = "server-not-ours", Stage.LINK, Verdict.NEEDS_HUMAN
    SERVER_GONE = "server-gone", Stage.HANDSHAKE, Verdict.RETRY
    HANDSHAKE_FAILED = "handshake-failed", Stage.HANDSHAKE, Verdict.NEEDS_HUMAN
    PROTOCOL_VIOLATION = "protocol-violation", Stage.HANDSHAKE, Verdict.FATAL
    MESSAGE_TOO_LARGE = "message-too-large", Stage.HANDSHAKE, Verdict.FATAL
    REQUEST_REFUSED = "request-refused", Stage.THREAD, Verdict.FATAL
    REQUEST_UNKNOWN = "request-unknown", Stage.THREAD, Verdict.NEEDS_HUMAN
    SERVER_OVERLOADED = "server-overloaded", Stage.THREAD, Verdict.RETRY
    THREAD_MISSING = "thread-missing", Stage.THREAD, Verdict.NEEDS_HUMAN
    THREAD_AMBIGUOUS = "thread-ambiguous", Stage.THREAD, Verdict.NEEDS_HUMAN
    THREAD_BUSY = "thread-busy", Stage.THREAD, Verdict.RETRY
    TRUST_MISMATCH = "trust-mismatch", Stage.THREAD, Verdict.NEEDS_HUMAN
    REPOSITORY_INSEPARABLE = "repository-inseparable", Stage.THREAD, Verdict.NEEDS_HUMAN
    LOOSER_THAN_ASKED = "looser-than-asked", Stage.THREAD, Verdict.NEEDS_HUMAN
    TURN_FAILED = "turn-failed", Stage.THREAD, Verdict.FATAL
    PROCESSES_LEFT = "processes-left", Stage.THREAD, Verdict.NEEDS_HUMAN
    STOP_UNPROVEN = "stop-unproven", Stage.THREAD, Verdict.NEEDS_HUMAN
    RUNTIME_FOLDER_UNUSABLE = "runtime-folder-unusable", Stage.HUB, Verdict.NEEDS_HUMAN
    HUB_START_FAILED = "hub-start-failed", Stage.HUB, Verdict.NEEDS_HUMAN
    HUB_MUTE = "hub-mute", Stage.HUB, Verdict.NEEDS_HUMAN
    HUB_VERSION = "hub-version", Stage.HUB, Verdict.NEEDS_HUMAN
    LINK_MISSING = "link-missing", Stage.LINK, Verdict.NEEDS_HUMAN
    ALIAS_CHANGED = "alias-changed", Stage.LINK, Verdict.NEEDS_HUMAN
    HOST_CHANGED = "host-changed", Stage.LINK, Verdict.NEEDS_HUMAN
    LINK_UNSUPPORTED = "link-unsupported", Stage.LINK, Verdict.NEEDS_INSTALL
    CLIENT_MISSING = "client-missing", Stage.LINK, Verdict.NEEDS_INSTALL
    CLIENT_UNSUPPORTED = "client-unsupported", Stage.LINK, Verdict.NEEDS_INSTALL
    PORT_TAKEN = "port-taken", Stage.LINK, Verdict.NEEDS_HUMAN
    MANIFEST_INVALID = "manifest-invalid", Stage.CONFIG, Verdict.NEEDS_HUMAN
    SECRET_MISSING = "secret-missing", Stage.CONFIG, Verdict.NEEDS_HUMAN
    PACKAGE_UNAVAILABLE = "package-unavailable", Stage.CODEX, Verdict.NEEDS_HUMAN
    DIGEST_MISMATCH = "digest-mismatch", Stage.CODEX, Verdict.NEEDS_HUMAN
    PLATFORM_UNSUPPORTED = "platform-unsupported", Stage.CODEX, Verdict.FATAL
    DISK_FULL = "disk-full", Stage.PROVISION, Verdict.NEEDS_HUMAN
    PLACE_UNUSABLE = "place-unusable", Stage.PROVISION, Verdict.NEEDS_HUMAN
    TOOL_MISSING = "tool-missing", Stage.PROVISION, Verdict.NEEDS_INSTALL
    PROVISION_BUSY = "provision-busy", Stage.PROVISION, Verdict.RETRY
    PROVISION_FAILED = "provision-failed", Stage.PROVISION, Verdict.NEEDS_HUMAN
    STEP_FAILED = "step-failed", Stage.PROVISION, Verdict.NEEDS_HUMAN
    STEP_UNPROVEN = "step-unproven", Stage.PROVISION, Verdict.NEEDS_HUMAN
    NOT_ON_PATH = "not-on-path", Stage.PATH, Verdict.NEEDS_HUMAN
    REPOSITORY_FAILED = "repository-failed", Stage.PROVISION, Verdict.NEEDS_HUMAN
    REPOSITORY_CHANGED = "repository-changed", Stage.PROVISION, Verdict.NEEDS_HUMAN
    LOGIN_REFUSED = "login-refused", Stage.LOGIN, Verdict.NEEDS_HUMAN
    LIMIT_UNENFORCED = "limit-unenforced", Stage.PROVISION, Verdict.NEEDS_HUMAN
    NOT_READY = "not-ready", Stage.PROVISION, Verdict.RETRY
    EGRESS_REFUSED = "egress-refused", Stage.LINK, Verdict.NEEDS_HUMAN
    SCORE_BELOW = "score-below", Stage.PROVISION, Verdict.NEEDS_HUMAN
    APPROVAL_UNATTENDED = "approval-unattended", Stage.APPROVAL, Verdict.NEEDS_HUMAN
    PROMPT_UNATTENDED = "prompt-unattended", Stage.AUTHENTICATION, Verdict.NEEDS_HUMAN
    TIME_LIMIT = "time-limit", Stage.INTERNAL, Verdict.RETRY
    INTERRUPTED = "interrupted", Stage.USAGE, Verdict.NEEDS_HUMAN
    INTERNAL = "internal", Stage.INTERNAL, Verdict.FATAL
