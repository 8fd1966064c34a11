"""How a thread is opened: nothing is trusted by it, and nothing looser than what was asked is in force afterwards.

codex writes into its configuration that it trusts a folder, and reads the configuration of the repository there, when
``thread/start`` names or implies a sandbox that may write; in every generation, and at no other request. So a thread
begins with ``read-only``, and what its commands may do is said with each prompt.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from remora.core.errors import Code, Denied, ProtocolProblem, TimeLimit
from remora.core.server.probes import FolderFacts
from remora.core.thread.threads import is_whole_id
from remora.core.trust.safety import Safety, SafetyConfig, Sandbox, looser
from remora.flows.kit.unattended import UnattendedTrust
from remora.flows.server.rpc import Asked, RpcClient
from remora.flows.server.thread_client import ThreadClient, resume_request, start_request
from remora.flows.thread.run_request import RunRequest
from remora.flows.trust.judge import Judged, TrustRules, ask_layers, judge, look_again, refuse_changed
from remora.wire.appserver import safety as words
from remora.wire.appserver.calls import SandboxMode, ThreadSettings, ThreadState, read_thread
from remora.wire.appserver.safety import Terms

_READ_ONLY: Final = Sandbox(mode=SandboxMode.READ_ONLY.value)
_STILL_LOADED: Final = "A thread that uses it keeps it while the app server on the host has that thread loaded."
_IN_THE_HOME: Final = (
    "No folder was named, so the thread works in the home folder, read-only. Name a folder (ALIAS:DIR), or set "
    "--sandbox."
)
_ACCOUNT: Final[Asked] = ("config/read", words.read_account())


@dataclass(frozen=True, slots=True)
class OpenedThread:
    """A thread that is open on a connection, the terms of its next turn, and what its repository brings."""

    thread: ThreadState
    terms: Terms
    judged: Judged | None
    notices: tuple[str, ...] = ()


class Opening:
    """Opens the thread of one request, once for each connection that needs it."""

    def __init__(self, request: RunRequest, rules: TrustRules | None = None) -> None:
        self._request = request
        self._rules = rules or TrustRules()
        self._opened: tuple[RpcClient, OpenedThread] | None = None

    def ahead(self, folder: FolderFacts) -> list[Asked]:
        """What can be asked in one flight with ``initialize``.

        A thread is not among it where something is to be known first: its id, or what its repository brings now.
        """
        thread = self._request.thread
        if thread is None:
            first = [_ACCOUNT, ask_layers(folder.path)]
            looks_first = folder.brings or self._looks_first(folder.path)
            return first if looks_first else [*first, self._begin(folder.path)]
        known = is_whole_id(thread) and not self._looks_first("/")
        return [_ACCOUNT, self._resume(thread, folder.path)] if known else [_ACCOUNT]

    async def open(self, rpc: RpcClient, folder: str | None) -> OpenedThread:
        """The thread of the request, opened on this connection, once.

        Raises ``looser-than-asked`` when the server puts more in force than was asked or the account configured,
        ``thread-missing``, and as :func:`remora.flows.trust.judge.judge`.
        """
        if self._opened is None or self._opened[0] is not rpc:
            opened = await (self._start if self._request.thread is None else self._take_up)(rpc, folder)
            self._opened = (rpc, opened)
        return self._opened[1]

    async def reopen(self, rpc: RpcClient, thread: ThreadState) -> ThreadState:
        """The thread on a later connection. A server that was started again meanwhile reads its repository again, so
        what is not trusted as it is now is kept out of force again.
        """
        judged = None if self._opened is None else self._opened[1].judged
        if judged is not None and judged.by is not None and not await look_again(rpc, judged.repository):
            judged = replace(judged, by=None)
        settings = ThreadSettings(trust=None if judged is None else judged.words)
        return await ThreadClient(rpc).resume(thread.thread_id, settings, exclude_turns=thread.paginated)

    def _looks_first(self, folder: str) -> bool:
        """Whether the thread waits for what was found there: it was something the last time, or has to be it now."""
        return self._rules.option is not None or self._rules.memory.knows(folder)

    def _begin(self, folder: str | None, terms: Terms | None = None, trust: Mapping[str, Any] | None = None) -> Asked:
        """The request that starts the thread; with `terms` it says them, whatever a repository says."""
        request = self._request
        settings = ThreadSettings(
            folder=folder,
            model=request.model,
            effort=request.effort,
            sandbox=SandboxMode.READ_ONLY,
            approval_policy=request.approval_policy if terms is None else terms.approval_policy,
            approvals_reviewer=None if terms is None else terms.reviewer,
            trust=trust,
        )
        return start_request(settings)

    def _resume(
        self, thread_id: str, folder: str | None, terms: Terms | None = None, trust: Mapping[str, Any] | None = None
    ) -> Asked:
        """The request that opens it again. A thread keeps its folder unless the user named one, its terms unless
        `terms` are said, because a repository would say others.
        """
        settings = replace(self._request.settings(folder if self._request.folder is not None else None), trust=trust)
        if terms is not None:
            settings = replace(settings, approval_policy=terms.approval_policy, approvals_reviewer=terms.reviewer)
        return resume_request(thread_id, settings)

    async def _start(self, rpc: RpcClient, folder: str | None) -> OpenedThread:
        """Begin the thread. The server does not check that the folder exists; that is proven before."""
        config = await account_config(rpc)
        judged = None if folder is None else await judge(rpc, folder, config, self._rules)
        in_force = judged is not None and judged.by is not None
        terms = self._terms(config, {folder or ""}, trusted=in_force)
        notices: tuple[str, ...] = ()
        if self._request.works_in_home and terms.sandbox.mode != SandboxMode.READ_ONLY:
            terms = self._terms(config, {folder or ""}, trusted=in_force, sandbox=SandboxMode.READ_ONLY)
            notices = (_IN_THE_HOME,)
        asked = self._begin(folder) if judged is None else self._begin(folder, terms, judged.words)
        answer = await rpc.request(*asked)
        thread = read_thread(answer)
        found = words.read_terms(answer)
        if found is not None:
            refuse_looser(found.safety, replace(terms.safety, sandbox=_READ_ONLY), rpc.server.codex_home)
            if judged is None and self._request.approval_policy is None:
                terms = replace(terms, approval_policy=found.approval_policy)
        await refuse_changed(rpc, judged)
        return OpenedThread(thread, terms, judged, notices)

    async def _take_up(self, rpc: RpcClient, folder: str | None) -> OpenedThread:
        """Open the request's thread again. Its own terms go on, unless the request says others."""
        request = self._request
        thread_id = await ThreadClient(rpc).find(request.thread or "")
        config = await account_config(rpc)
        judged: Judged | None = None
        said: Terms | None = None
        looks_first = self._looks_first("/")
        if looks_first:
            place = await ThreadClient(rpc).folder(thread_id) if request.folder is None else folder
            judged = await judge(rpc, place or "/", config, self._rules)
            if judged is not None and judged.by is not None:
                said = self._terms(config, {place or "/"}, trusted=True)
        trust = None if judged is None else judged.words
        answer = await rpc.request(*self._resume(thread_id, folder, said, trust))
        thread = read_thread(answer)
        if not looks_first:  # nobody ever said yes to anything, so nothing but the host's own trust can be in force
            judged = await judge(rpc, thread.folder, config, replace(self._rules, handler=UnattendedTrust()))
        await refuse_changed(rpc, judged)
        if judged is not None and judged.by is None:
            judged = replace(judged, notices=(*judged.notices, _STILL_LOADED))
        terms = said or self._terms(config, {thread.folder}, trusted=judged is not None and judged.by is not None)
        found = words.read_terms(answer)
        if found is None:
            return OpenedThread(thread, terms, judged)
        if request.sandbox is not None:
            found = replace(found, sandbox=terms.sandbox, sandbox_words=terms.sandbox_words)
        if request.approval_policy is not None:
            found = replace(found, approval_policy=terms.approval_policy)
        refuse_looser(found.safety, terms.safety, rpc.server.codex_home)
        return OpenedThread(thread, found, judged)

    def _terms(
        self, config: SafetyConfig, places: set[str], *, trusted: bool, sandbox: SandboxMode | None = None
    ) -> Terms:
        request = self._request
        return words.own_terms(
            config,
            sandbox or request.sandbox,
            request.approval_policy,
            trusted=trusted or not places.isdisjoint(config.trusted),
            distrusted=not places.isdisjoint(config.distrusted),
        )


async def account_config(rpc: RpcClient) -> SafetyConfig:
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
            f"The thread would permit more than the command or the account's configuration allows: {'; '.join(ways)}.",
            next_step="Set --sandbox and --approval-policy; nothing was sent to the agent.",
        )


def _with_memories(safety: Safety, codex_home: str | None) -> Safety:
    """Older servers let every sandbox that may write also write their notes."""
    sandbox = safety.sandbox
    if sandbox.mode != SandboxMode.WORKSPACE_WRITE or codex_home is None:
        return safety
    return replace(safety, sandbox=replace(sandbox, roots=sandbox.roots | {f"{codex_home}/memories"}))
