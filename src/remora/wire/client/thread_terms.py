"""The folder of a client's threads and commands, and their terms: requests of a client, changed where they must be.

Only the members that are named here are touched; all others stay the bytes that they were.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from remora.wire.appserver.calls import mapping, sequence, text
from remora.wire.appserver.jsonrpc import RequestId, encode_error

THREAD_START: Final = "thread/start"
_OPENS_THREAD: Final = frozenset({THREAD_START, "thread/resume", "thread/fork"})
_IN_THREAD: Final = frozenset({"turn/start", "thread/settings/update"})
_HAS_FOLDER: Final = frozenset({*_OPENS_THREAD, *_IN_THREAD, "command/exec"})
_NEEDS_FOLDER: Final = frozenset({THREAD_START, "command/exec"})
CHANGED: Final = _HAS_FOLDER
"""Methods whose parameters may have to be changed."""
UNSEEN: Final = frozenset({"turn/start"})
"""Those of them that may pass without a look, because images make them long."""
TERMS: Final = frozenset({"sandbox", "permissions", "approvalPolicy", "approvalsReviewer"})
"""The members that say what a thread may do and who is asked."""
_TERMS_OF_CONFIG: Final = ("projects", "sandbox", "permissions", "default_permissions", "profile")
_INVALID_PARAMS: Final = -32602
_READ_ONLY: Final = "read-only"


@dataclass(slots=True)
class ClientRequest:
    """One request of a client, open for changes."""

    id: RequestId
    method: str
    _members: dict[str, msgspec.Raw]
    _params: dict[str, msgspec.Raw]

    @property
    def folder(self) -> str | None:
        """The folder that it names."""
        return self._value("cwd") or None

    @property
    def needs_folder(self) -> bool:
        """Whether it works in the home folder unless it names one."""
        return self.method in _NEEDS_FOLDER

    @property
    def thread(self) -> str | None:
        """The thread that it names."""
        return text(self._value("threadId"))

    @property
    def starts_thread(self) -> bool:
        """Whether the app server may come to trust a folder by it."""
        return self.method == THREAD_START

    @property
    def opens_thread(self) -> bool:
        """Whether it says under which terms a thread works."""
        return self.method in _OPENS_THREAD

    @property
    def worked_in(self) -> str | None:
        """The thread that a person works in from now on: one that is taken up, or that gets a message typed here."""
        if self.method == "thread/resume" or self._value("clientUserMessageId") is not None:
            return self.thread
        return None

    @property
    def may_write(self) -> bool:
        """Whether it leaves the thread, or the command, more than reading."""
        if self.method == "command/exec" or self.method in _IN_THREAD:
            return mapping(self._value("sandboxPolicy")).get("type") != "readOnly"
        return bool(self._value("sandbox") != _READ_ONLY)

    @property
    def sandbox(self) -> str | None:
        """The sandbox mode that it names."""
        return text(self._value("sandbox"))

    @property
    def configures_terms(self) -> bool:
        """Whether it says in another way than by a sandbox mode what may be written, or what is trusted."""
        return self._value("permissions") is not None or any(
            name.startswith(_TERMS_OF_CONFIG) for name in mapping(self._value("config"))
        )

    @property
    def says_sandbox(self) -> bool:
        """Whether the client has chosen what may be written."""
        chosen = ("sandbox", "permissions", "sandboxPolicy", "permissionProfile")
        return any(self._value(name) is not None for name in chosen)

    def work_in(self, folder: str) -> None:
        """Name this folder."""
        self._set("cwd", folder)

    def only_read(self) -> None:
        """Let it change nothing."""
        if self.method == "command/exec":
            self._set("sandboxPolicy", {"type": "readOnly"})
        else:
            self._set("sandbox", _READ_ONLY)

    def keep_terms(self, said: frozenset[str]) -> None:
        """Leave out the members that say what a thread may do, all but those in `said`.

        A thread of the client's own, which nobody sees and which only reads, goes on to do so.
        """
        for name in TERMS - said:
            if name == "sandbox" and self._value("ephemeral") is True and self._value(name) == _READ_ONLY:
                continue
            self._params.pop(name, None)

    def distrust(self, folder: str) -> None:
        """Have the server take `folder` for one that is not trusted, in this thread; it writes no trust then."""
        config = self._value("config")
        config = config if isinstance(config, dict) else {}
        projects = config.get("projects", {})
        if isinstance(projects, dict):
            self._set("config", {**config, "projects": {folder: {"trust_level": "untrusted"}, **projects}})

    def encode(self) -> bytes:
        """The message as it is now."""
        return msgspec.json.encode({**self._members, "params": self._params})

    def refusal(self, message: str) -> bytes:
        """The answer that says why it is not passed on."""
        return encode_error(self.id, _INVALID_PARAMS, message)

    def _value(self, name: str) -> Any:
        raw = self._params.get(name)
        return None if raw is None else msgspec.json.decode(raw)

    def _set(self, name: str, value: Any) -> None:
        self._params[name] = msgspec.Raw(msgspec.json.encode(value))


_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def read_request(message: bytes, request_id: RequestId, method: str) -> ClientRequest | None:
    """The request in `message`; `None` where its parameters are nothing that a server would take."""
    try:
        members = _members.decode(message)
        params = _members.decode(members.get("params", b"{}"))
        return ClientRequest(request_id, method, members, params)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def started_thread(answer: bytes) -> str | None:
    """The thread that the answer to a start tells of; `None` for a refusal."""
    try:
        result = mapping(msgspec.json.decode(answer)).get("result")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return text(mapping(mapping(result).get("thread")).get("id"))


def with_sandbox(answer: bytes, sandbox: Mapping[str, Any]) -> bytes:
    """The same answer, which tells of this sandbox."""
    members = _members.decode(answer)
    result = _members.decode(members["result"])
    told = msgspec.Raw(msgspec.json.encode(sandbox))
    return msgspec.json.encode({**members, "result": {**result, "sandbox": told}})


def trust_question(folder: str) -> dict[str, Any]:
    """Parameters of ``config/read`` whose answer says whether the host trusts `folder`."""
    return {"includeLayers": True, "cwd": folder}


def says_trusted(answer: Any, folder: str) -> bool:
    """Whether the configuration of the host, as it stands for `folder`, trusts it."""
    layers = sequence(mapping(answer).get("layers"))
    for layer in layers:
        kind = mapping(mapping(layer).get("name")).get("type")
        if kind == "project" and mapping(layer).get("disabledReason") is None:
            return True
        if kind != "project" and _names_trusted(mapping(mapping(layer).get("config")).get("projects"), folder):
            return True
    return False


def _names_trusted(projects: Any, folder: str) -> bool:
    named = mapping(projects)
    while folder:
        if (entry := named.get(folder)) is not None:
            return mapping(entry).get("trust_level") == "trusted"
        folder = folder.rpartition("/")[0]
    return False
