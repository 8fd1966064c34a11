"""What only the app server can tell for the scorecard: what it loads, and what agents may do through it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from remora.core.errors import Code, Denied, ProtocolProblem, RemoraError, TimeLimit
from remora.core.score import judges, permissions
from remora.core.score.scorecard import Item, unknown
from remora.flows.server.rpc import RpcClient
from remora.flows.thread.thread_open import account_config
from remora.flows.trust.judge import Judged, TrustRules, judge, refuse_changed, summary
from remora.wire.appserver import scored_server as words
from remora.wire.appserver.calls import UnknownMethod

_TRIAL: Final = 20.0
"""Seconds that one confined command may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredFolder:
    """What the server is asked about: the folder, the `top` of its repository, `places` (by name) where the sandbox is
    tried, with a file of that name which nobody has. Without `run` nothing that the repository brings may be in force;
    with it, what `trust` says.
    """

    folder: str
    top: str
    places: Mapping[str, str]
    file: str
    run: bool = True
    trust: TrustRules = field(default_factory=TrustRules)

    @property
    def items(self) -> tuple[Item, Item, Item, Item]:
        """What :func:`measure_server` measures, in its order, not measured yet."""
        return (
            judges.loaded_item(self.folder),
            permissions.sandbox_item(self.places),
            permissions.approvals_item(self.folder),
            judges.review_item(),
        )


async def measure_server(
    scored: ScoredFolder, rpc: RpcClient, version: str | None, note: Callable[[str], None]
) -> AsyncIterator[Item]:
    """The items that the server at `rpc` can tell, as they are measured; what it refuses to tell is unknown.

    `note` hears what of the repository was in force. Nothing is left behind: the thread for it is ephemeral, what
    confined commands could write they remove.
    """
    loaded, sandbox, approvals, review = scored.items
    measures: tuple[tuple[Item, Callable[[], Awaitable[Item]]], ...] = (
        (loaded, partial(_loaded, loaded, scored, rpc, version, note)),
        (sandbox, partial(_sandbox, sandbox, scored, rpc)),
        (approvals, partial(_approvals, approvals, scored, rpc)),
        (review, partial(_review, rpc)),
    )
    for item, measure in measures:
        try:
            measured = await measure()
        except (ProtocolProblem, TimeLimit, Denied) as error:
            if rpc.failure is not None:
                raise
            measured = not_measured(item, error)
        yield measured


def not_measured(item: Item, error: RemoraError) -> Item:
    """`item`, which `error` kept from being measured."""
    return unknown(item, f"{error.message}\n{error.seen}", error.next_step)


async def _loaded(
    item: Item, scored: ScoredFolder, rpc: RpcClient, version: str | None, note: Callable[[str], None]
) -> Item:
    """With nothing of the repository in force that nobody trusts, as in a run."""
    judged = await judge(rpc, scored.folder, await account_config(rpc), scored.trust)
    if judged is not None and not scored.run:
        judged = replace(judged, by=None)
    if judged is not None and judged.by is None and judged.host_trusts:  # codex called untrusted reads no AGENTS.md
        return unknown(item, *_why_not_loaded(judged, run=scored.run))
    if judged is not None and judged.by is not None:
        note(" ".join(judged.notices))
    trust = None if judged is None else judged.words
    answer = await rpc.request("thread/start", words.look_at_folder(scored.folder, trust))
    await refuse_changed(rpc, judged)
    return judges.judge_loaded(item, words.read_sources(answer), scored.top, version)


def _why_not_loaded(judged: Judged, *, run: bool) -> tuple[str, str]:
    brings = f"codex on the host trusts this folder and would use what it brings: {summary(judged.repository)}"
    if not run:
        return f"{brings}; no command of the project may run", "Run it without --no-run."
    return (
        f"{brings}; it differs from what was trusted, or you declined it",
        "Read it, answer the trust question in remora run, then measure again.",
    )


async def _sandbox(item: Item, scored: ScoredFolder, rpc: RpcClient) -> Item:
    if not scored.places:
        return unknown(item, "no folder is writable", "Give the account a writable home folder.")
    folder = scored.places.get(permissions.INSIDE) or scored.folder
    files = {name: f"{place}/{scored.file}" for name, place in scored.places.items()}

    async def tried(name: str, policy: Mapping[str, Any] | None) -> permissions.Trial:
        body = words.try_writing(files, folder, policy, limit=_TRIAL)
        try:
            return words.read_trial(name, await rpc.request("command/exec", body))
        except ProtocolProblem as error:
            if not _is_refusal(error):
                raise
            return permissions.Trial(policy=name, wrote=None, said=error.seen)

    return permissions.judge_sandbox(
        await tried("readOnly", words.READ_ONLY),
        await tried("workspaceWrite", words.workspace_of(folder)),
        await tried("as configured", None),
        scored.places,
    )


async def _approvals(item: Item, scored: ScoredFolder, rpc: RpcClient) -> Item:
    config = await rpc.request("config/read", {"cwd": scored.folder})
    requirements: Any = None
    with suppress(UnknownMethod):
        requirements = await rpc.request("configRequirements/read")
    return permissions.judge_approvals(item, words.read_config(config), words.read_requirements(requirements))


async def _review(rpc: RpcClient) -> Item:
    try:
        await rpc.request("review/start", {})
    except UnknownMethod as error:
        return judges.judge_review(known=False, said=error.seen)
    except ProtocolProblem as error:
        if not _is_refusal(error):
            raise
        return judges.judge_review(known=True, said=error.seen)
    return judges.judge_review(known=True, said="")


def _is_refusal(error: ProtocolProblem) -> bool:
    """The server knows the request, and what it says to it is the measurement."""
    return error.code is Code.REQUEST_REFUSED and not isinstance(error, UnknownMethod)
