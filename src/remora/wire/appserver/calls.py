"""What we say to an app server and how its answers are read, in every generation of it.

Builders give parameters that the schemas of all supported generations accept: members that an older server
does not know are optional there and ignored. Readers take what is there and invent nothing.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from remora.core.errors import Code, ProtocolProblem, RemoraError
from remora.core.server.request_faults import config_broken
from remora.core.text import SEEN_LIMIT
from remora.core.thread.threads import ThreadName
from remora.wire.appserver.jsonrpc import METHOD_NOT_FOUND, OVERLOADED, RequestId, encode_error, encode_result

_SAFE_TO_REPEAT: Final = frozenset(
    {
        "initialize",
        "account/read",
        "config/read",
        "model/list",
        "thread/items/list",
        "thread/list",
        "thread/loaded/list",
        "thread/read",
        "thread/resume",
        "thread/turns/list",
        "turn/interrupt",
    }
)
_WHOLE_HISTORY: Final = {"persistExtendedHistory": True}
"""The oldest servers keep commands out of history unless asked; the newest always keep them and ignore this."""

_VERSION: Final = re.compile(r"[^/]*/([0-9A-Za-z.+_-]{1,100})")

DECIDED_REQUESTS: Final = frozenset(
    {
        "item/commandExecution/requestApproval",
        "item/fileChange/requestApproval",
        "item/permissions/requestApproval",
        "item/tool/requestUserInput",
        "mcpServer/elicitation/request",
        "applyPatchApproval",
        "execCommandApproval",
    }
)
"""The server's requests that somebody decides; every other one is answered at once."""


class SandboxMode(StrEnum):
    """What the agent's commands may touch, by the usual names."""

    READ_ONLY = "read-only"
    WORKSPACE_WRITE = "workspace-write"
    DANGER_FULL_ACCESS = "danger-full-access"


class ApprovalPolicy(StrEnum):
    """When the agent asks, by the usual names. Newer servers know no ``on-failure``."""

    UNTRUSTED = "untrusted"
    ON_REQUEST = "on-request"
    ON_FAILURE = "on-failure"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What the server says of itself in answer to ``initialize``."""

    user_agent: str
    version: str | None
    codex_home: str | None
    platform: str | None


def initialize_params(version: str) -> dict[str, Any]:
    """Who we are, with the experimental interface on: reconnecting needs it."""
    return {
        "clientInfo": {"name": "remora", "title": "remora", "version": version},
        "capabilities": {"experimentalApi": True},
    }


def read_server_info(answer: Any) -> ServerInfo:
    """Read the answer to ``initialize``. The version stands after our own name in the user agent."""
    body = mapping(answer)
    agent = text(body.get("userAgent")) or ""
    version = _VERSION.match(agent.split(" ", 1)[0])
    return ServerInfo(agent, version[1] if version else None, text(body.get("codexHome")), text(body.get("platformOs")))


def is_safe_to_repeat(method: str) -> bool:
    """Whether asking twice does no more than asking once."""
    return method in _SAFE_TO_REPEAT


def automatic_answer(request_id: RequestId, method: str) -> bytes | None:
    """The whole answer to a server request that needs no decision; `None` for one that does.

    We offer no tools of our own, keep no clock or token for the server, and say so, so that no turn stalls.
    """
    if method in DECIDED_REQUESTS:
        return None
    if method == "item/tool/call":
        sentence = "This client offers no tools."
        return encode_result(request_id, {"contentItems": [{"type": "inputText", "text": sentence}], "success": False})
    return encode_error(request_id, METHOD_NOT_FOUND, f"remora does not answer {method[:100]}.")


class UnknownMethod(ProtocolProblem):
    """This server has no such method; old servers answer it as a bad request."""


def refusal(method: str, code: int, message: str) -> RemoraError:
    """Classify the server's refusal of one of our requests."""
    lowered = message.lower()
    if code == OVERLOADED:
        return ProtocolProblem(
            Code.SERVER_OVERLOADED,
            f"The app server is overloaded and rejected {method}.",
            seen=message,
            next_step="Try again in a while.",
        )
    if lowered.startswith("failed to load configuration"):
        return config_broken(message)
    if "no rollout found" in lowered or "thread not found" in lowered or "invalid thread id" in lowered:
        return _thread_missing(message)
    if "invalid session id" in lowered or "thread not loaded" in lowered:
        return _thread_missing(message)
    kind = UnknownMethod if code == METHOD_NOT_FOUND or "unknown variant" in lowered else ProtocolProblem
    return kind(
        Code.REQUEST_REFUSED,
        f"The app server refused {method} (code {code}).",
        seen=message,
        next_step="Check the value named above; if the server is too old, update codex on the host.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadSettings:
    """What a thread shall run with; what is `None` is left to the host's configuration.

    `trust` says of folders whether they are trusted in this thread (:func:`.repository.with_trust`).
    """

    folder: str | None = None
    model: str | None = None
    effort: str | None = None
    sandbox: SandboxMode | None = None
    approval_policy: str | Mapping[str, Any] | None = None
    approvals_reviewer: str | None = None
    trust: Mapping[str, Any] | None = None

    @property
    def params(self) -> dict[str, Any]:
        """As members of ``thread/start`` or ``thread/resume``. Effort and trust are configuration there."""
        config = {"model_reasoning_effort": self.effort, "projects": self.trust}
        members = {
            "cwd": self.folder,
            "model": self.model,
            "sandbox": self.sandbox,
            "approvalPolicy": self.approval_policy,
            "approvalsReviewer": self.approvals_reviewer,
            "config": {name: value for name, value in config.items() if value is not None} or None,
        }
        return {name: value for name, value in members.items() if value is not None}


def thread_start(settings: ThreadSettings) -> dict[str, Any]:
    """Parameters of ``thread/start``."""
    return {**settings.params, **_WHOLE_HISTORY}


def thread_resume(thread_id: str, settings: ThreadSettings, *, exclude_turns: bool) -> dict[str, Any]:
    """Parameters of ``thread/resume``. Servers that cannot exclude the turns ignore the wish."""
    body = {"threadId": thread_id, **settings.params, **_WHOLE_HISTORY}
    return {**body, "excludeTurns": True} if exclude_turns else body


def threads_list(*, limit: int, cursor: Any = None) -> dict[str, Any]:
    """Parameters of ``thread/list``, newest first, whoever started them and with whatever model provider."""
    body = {"limit": limit, "sourceKinds": ["cli", "vscode", "exec", "appServer"], "modelProviders": []}
    return body if cursor is None else {**body, "cursor": cursor}


def turns_list(thread_id: str, *, limit: int, cursor: str | None = None, items: bool = True) -> dict[str, Any]:
    """Parameters of ``thread/turns/list``, newest first."""
    view = "full" if items else "notLoaded"
    body = {"threadId": thread_id, "limit": limit, "sortDirection": "desc", "itemsView": view}
    return body if cursor is None else {**body, "cursor": cursor}


def items_list(thread_id: str, turn_id: str | None, *, limit: int, cursor: Any = None) -> dict[str, Any]:
    """Parameters of ``thread/items/list`` for one turn, or for all, oldest first."""
    body: dict[str, Any] = {"threadId": thread_id, "limit": limit, "sortDirection": "asc"}
    if turn_id is not None:
        body["turnId"] = turn_id
    return body if cursor is None else {**body, "cursor": cursor}


def turn_start(
    thread_id: str,
    inputs: Sequence[Mapping[str, Any]],
    *,
    message_id: str,
    safety: Mapping[str, Any],
    effort: str | None = None,
) -> dict[str, Any]:
    """Parameters of ``turn/start``. `message_id` is how the message is found again after a break.

    `safety` is what the agent may do: :attr:`remora.wire.appserver.safety.Terms.params`.
    """
    body = {"threadId": thread_id, "input": list(inputs), "clientUserMessageId": message_id, **safety}
    return body if effort is None else {**body, "effort": effort}


def turn_interrupt(thread_id: str, turn_id: str) -> dict[str, Any]:
    """Parameters of ``turn/interrupt``."""
    return {"threadId": thread_id, "turnId": turn_id}


def turn_steer(thread_id: str, turn_id: str, sentence: str) -> dict[str, Any]:
    """Parameters of ``turn/steer``: one more message for a turn that runs."""
    return {"threadId": thread_id, "expectedTurnId": turn_id, "input": [text_input(sentence)]}


def account_read() -> dict[str, Any]:
    """Parameters of ``account/read``, without refreshing anything."""
    return {"refreshToken": False}


def text_input(sentence: str) -> dict[str, Any]:
    """A piece of a prompt."""
    return {"type": "text", "text": sentence}


def image_input(url: str) -> dict[str, Any]:
    """An image as a URL, usually a data URL: the file lies here, the server is elsewhere."""
    return {"type": "image", "url": url}


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadState:
    """An open thread as ``thread/start`` or ``thread/resume`` reports it."""

    thread_id: str
    folder: str
    model: str | None
    effort: str | None
    active: bool
    waiting: bool
    """It asks for a decision, or for an answer."""
    paginated: bool
    """History is read in pages and item ids in it are those of the live stream."""
    turns: tuple[Mapping[str, Any], ...]


_WAITING: Final = ("waitingOnApproval", "waitingOnUserInput")


def read_thread_name(thread: Mapping[str, Any]) -> ThreadName:
    """Read one row of ``thread/list``."""
    return ThreadName(text(thread.get("id")) or "", text(thread.get("name")), text(thread.get("preview")) or "")


def read_thread(answer: Any) -> ThreadState:
    """Read the answer to ``thread/start`` or ``thread/resume``."""
    body = mapping(answer)
    thread = mapping(body.get("thread"))
    thread_id = text(thread.get("id"))
    if thread_id is None:
        raise ProtocolProblem(
            Code.PROTOCOL_VIOLATION,
            "The app server opened a thread without an id.",
            seen=str(answer)[:SEEN_LIMIT],
            next_step="Update codex on the host, or report this.",
        )
    status = mapping(thread.get("status"))
    return ThreadState(
        thread_id=thread_id,
        folder=text(body.get("cwd")) or text(thread.get("cwd")) or "",
        model=text(body.get("model")),
        effort=text(body.get("reasoningEffort")),
        active=status.get("type") == "active",
        waiting=any(flag in _WAITING for flag in sequence(status.get("activeFlags"))),
        paginated=thread.get("historyMode") == "paginated",
        turns=tuple(mapping(turn) for turn in sequence(thread.get("turns"))),
    )


def mapping(value: Any) -> Mapping[str, Any]:
    """`value` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> Sequence[Any]:
    """`value` if it is an array, else an empty one."""
    return value if isinstance(value, list) else ()


def text(value: Any) -> str | None:
    """`value` if it is a text."""
    return value if isinstance(value, str) else None


def number(value: Any) -> int | None:
    """`value` if it is a whole number."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _thread_missing(message: str) -> ProtocolProblem:
    return ProtocolProblem(
        Code.THREAD_MISSING,
        "The app server on the host has no such thread.",
        seen=message,
        next_step="Check the thread's id, and that it was started on this host and account.",
    )
