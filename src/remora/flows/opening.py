"""How a thread is opened: nothing is trusted by it, and nothing looser than what was asked is in force afterwards.

codex writes into its configuration that it trusts a folder, and reads the configuration of the repository there, when
``thread/start`` names or implies a sandbox that may write; in every generation, and at no other request. So a thread
begins with ``read-only``, and what its commands may do is said with each prompt.
"""

from dataclasses import dataclass, replace
from typing import Final

from remora.core.errors import Code, Denied, ProtocolProblem, TimeLimit
from remora.core.threads import is_whole_id
from remora.core.trust.safety import Safety, SafetyConfig, Sandbox, looser
from remora.flows.rpc import Asked, RpcClient
from remora.flows.run_request import RunRequest
from remora.flows.threads import ThreadClient, resume_request, start_request
from remora.wire import safety as words
from remora.wire.appserver import SandboxMode, ThreadSettings, ThreadState, read_thread
from remora.wire.safety import Terms

_READ_ONLY: Final = Sandbox(mode=SandboxMode.READ_ONLY.value)
_ACCOUNT: Final[Asked] = ("config/read", words.read_account())


@dataclass(frozen=True, slots=True)
class OpenedThread:
    """A thread that is open on a connection, and the terms of its next turn."""

    thread: ThreadState
    terms: Terms
    config: SafetyConfig


class Opening:
    """Opens the thread of one request, once for each connection that needs it."""

    def __init__(self, request: RunRequest) -> None:
        self._request = request
        self._opened: tuple[RpcClient, OpenedThread] | None = None

    def ahead(self, folder: str) -> list[Asked]:
        """What can be asked in one flight with ``initialize``: all but a thread whose id is to be found first."""
        thread = self._request.thread
        if thread is None:
            return [_ACCOUNT, self.begin(folder)]
        return [_ACCOUNT, self.resume(thread, folder)] if is_whole_id(thread) else [_ACCOUNT]

    def begin(self, folder: str | None) -> Asked:
        """The request that starts the thread in `folder`."""
        request = self._request
        settings = ThreadSettings(
            folder=folder,
            model=request.model,
            effort=request.effort,
            sandbox=SandboxMode.READ_ONLY,
            approval_policy=request.approval_policy,
        )
        return start_request(settings)

    def resume(self, thread_id: str, folder: str | None) -> Asked:
        """The request that opens a thread again, which keeps its folder unless the user named one."""
        return resume_request(thread_id, self._request.settings(folder if self._request.folder is not None else None))

    async def open(self, rpc: RpcClient, folder: str | None) -> OpenedThread:
        """The thread of the request, opened on this connection, once; raises as :meth:`start` and :meth:`take_up`."""
        if self._opened is None or self._opened[0] is not rpc:
            opened = await (self.start if self._request.thread is None else self.take_up)(rpc, folder)
            self._opened = (rpc, opened)
        return self._opened[1]

    async def start(self, rpc: RpcClient, folder: str | None) -> OpenedThread:
        """Begin the thread. The server does not check that the folder exists; that is proven before.

        Raises ``looser-than-asked`` when the server puts more in force than was asked.
        """
        config = await _account(rpc)
        answer = await rpc.request(*self.begin(folder))
        thread = read_thread(answer)
        terms = self._terms(config, {folder or "", thread.folder})
        found = words.read_terms(answer)
        if found is not None:
            refuse_looser(found.safety, replace(terms.safety, sandbox=_READ_ONLY), rpc.server.codex_home)
            if self._request.approval_policy is None:
                terms = replace(terms, approval_policy=found.approval_policy)
        return OpenedThread(thread, terms, config)

    async def take_up(self, rpc: RpcClient, folder: str | None) -> OpenedThread:
        """Open the request's thread again. Its own terms go on, unless the request says others.

        Raises ``thread-missing``, and ``looser-than-asked`` when its terms are looser than the account's own.
        """
        request = self._request
        thread_id = await ThreadClient(rpc).find(request.thread or "")
        config = await _account(rpc)
        answer = await rpc.request(*self.resume(thread_id, folder))
        thread = read_thread(answer)
        terms = self._terms(config, {thread.folder})
        found = words.read_terms(answer)
        if found is None:
            return OpenedThread(thread, terms, config)
        if request.sandbox is not None:
            found = replace(found, sandbox=terms.sandbox, sandbox_words=terms.sandbox_words)
        if request.approval_policy is not None:
            found = replace(found, approval_policy=terms.approval_policy)
        refuse_looser(found.safety, terms.safety, rpc.server.codex_home)
        return OpenedThread(thread, found, config)

    def _terms(self, config: SafetyConfig, places: set[str]) -> Terms:
        request = self._request
        return words.own_terms(
            config,
            request.sandbox,
            request.approval_policy,
            trusted=not places.isdisjoint(config.trusted),
            distrusted=not places.isdisjoint(config.distrusted),
        )


async def _account(rpc: RpcClient) -> SafetyConfig:
    """What the account's own configuration says; where nobody can tell, nothing, which is codex's strictest."""
    try:
        answer = await rpc.request(*_ACCOUNT)
    except (ProtocolProblem, TimeLimit):
        if rpc.failure is not None:
            raise
        return SafetyConfig()
    return words.read_safety_config(answer)


def refuse_looser(found: Safety, allowed: Safety, codex_home: str | None) -> None:
    """Raise ``looser-than-asked`` when `found` permits more than `allowed` on a server with that home."""
    ways = looser(found, _with_memories(allowed, codex_home))
    if ways:
        raise Denied(
            Code.LOOSER_THAN_ASKED,
            f"The thread would permit more than was asked or this account's configuration says: {'; '.join(ways)}.",
            next_step="Say what is to hold with --sandbox and --approval-policy; nothing was sent to the agent.",
        )


def _with_memories(safety: Safety, codex_home: str | None) -> Safety:
    """Older servers let every sandbox that may write also write their notes."""
    sandbox = safety.sandbox
    if sandbox.mode != SandboxMode.WORKSPACE_WRITE or codex_home is None:
        return safety
    return replace(safety, sandbox=replace(sandbox, roots=sandbox.roots | {f"{codex_home}/memories"}))
