"""What passes from a client of this machine to the app server of a host, and how it is changed on the way.

A client speaks to that server as to one of its own machine: it names no folder and means the one it was started in; it
says this machine's settings and means that one's. So a request that opens a thread is looked at before it is passed on.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from remora.core.errors import Code, ProtocolProblem, RemoraError
from remora.core.text import decode
from remora.flows.client.client_host import Standing
from remora.wire.appserver.jsonrpc import RequestId, encode_error
from remora.wire.client.conversation import Conversation
from remora.wire.client.envelope import Envelope, guess_envelope, read_envelope
from remora.wire.client.frames import ClientFrames
from remora.wire.client.messages import Beginning, MessageGatherer, Rest, Whole
from remora.wire.client.thread_terms import (
    CHANGED,
    TERMS,
    UNSEEN,
    ClientRequest,
    read_request,
    started_thread,
    with_sandbox,
)
from remora.wire.socket.socket_pieces import Piece

_TOO_LONG: Final = -32600
_HOME: Final = "the home folder"
_UNTOLD: Final = "a folder that the server does not report"

SetSandbox = Callable[[str, Mapping[str, Any]], Awaitable[bool]]
"""Gives a thread, by its id, a sandbox; whether that was done."""


@dataclass(frozen=True, slots=True)
class Folders:
    """For a client that does not know the host: `default` is the folder of what names none, `find` makes an absolute
    path of a name, as the host's shell would, and `of_thread` tells where a thread works; `None` where nobody knows.
    """

    find: Callable[[str], Awaitable[str]]
    of_thread: Callable[[str], Awaitable[str | None]]
    default: str | None = None


@dataclass(frozen=True, slots=True)
class ClientTerms:
    """Under which terms a client works.

    `folders` is `None` for a client that names them itself. `said` are the members of a thread's terms that are the
    client's to say; the others are left to the host.
    """

    folders: Folders | None = None
    said: frozenset[str] = TERMS


@dataclass(slots=True)
class Passed:
    """What came of the client's pieces: what the server gets, and what the client gets back at once."""

    pieces: list[Piece] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)


class ClientGuard:
    """Looks at what one client says, message by message.

    `conversation` hears what the server says; with it, an answer passes only to what this client was asked. `worked`
    hears in which thread a person works. With `set_sandbox` a thread in a folder that is not trusted begins read-only,
    and gets its sandbox before the client hears of it: :meth:`hear` has to see what the server says. Without, the
    server is told that the folder is not to be trusted, and then leaves out AGENTS.md, too.
    """

    def __init__(
        self,
        terms: ClientTerms,
        standing: Callable[[str], Awaitable[Standing]],
        *,
        set_sandbox: SetSandbox | None = None,
        conversation: Conversation | None = None,
        tell: Callable[[str], None] = lambda sentence: None,
        worked: Callable[[str], None] = lambda thread_id: None,
    ) -> None:
        self._worked = worked
        self._terms = terms
        self._conversation = conversation
        self._standing = standing
        self._set_sandbox = set_sandbox
        self._started: dict[RequestId, Mapping[str, Any]] = {}
        self._told_gatherer = MessageGatherer()
        self._amid = False
        self._tell = tell
        self._gatherer = MessageGatherer()
        self._passes = True
        self._told = False
        self._named: set[str] = set()
        self._elsewhere: set[str] = set()

    async def take(self, piece: Piece) -> Passed:
        """The next piece of the client."""
        passed = Passed()
        match self._gatherer.take(piece):
            case Whole(text):
                await self._judge(text, passed)
            case Beginning(text):
                self._passes = self._judge_long(text, passed)
                if self._passes:
                    passed.pieces.append(Piece(text, last=False))
            case Rest(rest) if self._passes:
                passed.pieces.append(rest)
            case _:
                pass
        return passed

    async def hear(self, piece: Piece) -> list[Piece]:
        """The next piece of the server: what the client gets of it."""
        if self._amid or (self._told_gatherer.is_between and not self._started):
            self._amid = not piece.last
            return [piece]
        match self._told_gatherer.take(piece):
            case Whole(text):
                return [Piece(await self._answered(text), last=True)]
            case Beginning(text):
                return [Piece(text, last=False)]
            case Rest(rest):
                return [rest]
            case None:
                return []

    async def _answered(self, text: bytes) -> bytes:
        """A message of the server. The answer to a thread's start tells of the sandbox that the thread has then."""
        envelope = read_envelope(text)
        if not envelope.is_answer or envelope.id not in self._started:
            return text
        sandbox = self._started.pop(envelope.id)
        thread_id = started_thread(text)
        if thread_id is None or self._set_sandbox is None or not await self._set_sandbox(thread_id, sandbox):
            return text
        return with_sandbox(text, sandbox)

    async def take_frames(self, frames: ClientFrames, data: bytes) -> bytes:
        """The next bytes of a client that speaks WebSocket: what the server gets of them.

        There is no place to answer such a client at. Raises ``request-refused`` where an answer would be a refusal.
        """
        out = bytearray()
        for part in frames.feed(data):
            if isinstance(part, bytes):
                out += part
                continue
            passed = await self.take(part)
            if passed.answers:
                raise _refused(passed.answers[0])
            out += b"".join(map(frames.encode, passed.pieces))
        return bytes(out)

    async def _judge(self, text: bytes, passed: Passed) -> None:
        envelope = read_envelope(text)
        request = None
        if envelope.id is not None and envelope.method in CHANGED:
            request = read_request(text, envelope.id, envelope.method)
        if request is not None:
            try:
                refusal = await self._change(request)
            except RemoraError as error:
                refusal = f"{error.message} {error.next_step}"
            if refusal is not None:
                passed.answers.append(request.refusal(refusal))
                return
            text = request.encode()
        if self._may_say(envelope):
            passed.pieces.append(Piece(text, last=True))

    def _judge_long(self, text: bytes, passed: Passed) -> bool:
        envelope = guess_envelope(text)
        if envelope.method in CHANGED - UNSEEN:
            if envelope.id is not None:
                sentence = f"remora does not forward {envelope.method} above 1 MiB."
                passed.answers.append(encode_error(envelope.id, _TOO_LONG, sentence))
            return False
        return self._may_say(envelope)

    def _may_say(self, envelope: Envelope) -> bool:
        return self._conversation is None or self._conversation.may_say(envelope)

    async def _change(self, request: ClientRequest) -> str | None:
        """Change what has to be changed; why it is refused, if it is."""
        if (thread := request.worked_in) is not None:
            self._worked(thread)
        if request.opens_thread:
            request.keep_terms(self._terms.said)
        if (folders := self._terms.folders) is not None:
            await _name_folder(request, folders)
            if request.folder is not None:
                self._named.add(request.folder)
            elif (place := await self._unnamed_place(request, folders)) is not None:
                return self._keep_unwritten(request, place)
        folder = request.folder if request.starts_thread and request.may_write else None
        if folder is None:
            return None
        parts = [part for part in folder.split("/") if part not in {"", "."}]
        if ".." in parts:
            return f"{request.method} names its folder (cwd) with .. in it. Send the path without it."
        folder = "/" + "/".join(parts)  # as the server looks trust up; for another spelling it would find none
        request.work_in(folder)
        standing = await self._standing(folder)
        if not standing.trusted:
            self._keep_untrusted(request, folder, standing)
        return None

    def _keep_untrusted(self, request: ClientRequest, folder: str, standing: Standing) -> None:
        sandbox = None if request.configures_terms else standing.sandbox(request.sandbox)
        if sandbox is not None and self._set_sandbox is not None:
            request.only_read()
            if sandbox.get("type") != "readOnly":
                self._started[request.id] = sandbox
        elif request.says_sandbox or request.configures_terms or standing.names_sandbox:
            request.distrust(folder)
        else:  # codex lets a folder be written whose trust is known either way
            request.only_read()

    async def _unnamed_place(self, request: ClientRequest, folders: Folders) -> str | None:
        """Where a request that names no folder would let the home folder be written, which this client never named;
        `None` where it would not.
        """
        thread = request.thread
        if request.needs_folder or thread is None:
            return _HOME if request.needs_folder else None
        if thread in self._elsewhere or not (request.opens_thread or (request.says_sandbox and request.may_write)):
            return None
        place = await folders.of_thread(thread)
        if place is None:
            return _UNTOLD
        home = await folders.find("~")
        if place == home and home not in {folders.default, *self._named}:
            return _HOME
        self._elsewhere.add(thread)
        return None

    def _keep_unwritten(self, request: ClientRequest, place: str) -> str | None:
        if not request.says_sandbox:
            request.only_read()
            if not self._told:
                self._tell(f"{request.method} names no folder (cwd), so it works in {place} read-only.")
            self._told = True
        elif request.may_write:
            return (
                f"{request.method} names no folder (cwd), and its sandbox could write in {place}. Name the folder, "
                "or start the bridge with a default folder: remora bridge ALIAS:DIR"
            )
        return None


async def _name_folder(request: ClientRequest, folders: Folders) -> None:
    named, default = request.folder, folders.default
    if named is None:
        if request.needs_folder and default is not None:
            request.work_in(default)
    elif not named.startswith("/"):
        beside = default is not None and not named.startswith("~")
        request.work_in(await folders.find(f"{default}/{named}" if beside else named))


def _refused(answer: bytes) -> ProtocolProblem:
    return ProtocolProblem(
        Code.REQUEST_REFUSED,
        "remora refused a request of the client on this machine.",
        seen=decode(answer),
        next_step="Update the client, or report this.",
    )
