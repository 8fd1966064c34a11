"""Whether what a repository brings is put in force: looks at it, asks who may decide, remembers the answer."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from remora.core.errors import Code, Denied, ProtocolProblem, TimeLimit
from remora.core.text import SEEN_LIMIT, escape_breaks
from remora.core.trust.repository import Repository
from remora.core.trust.safety import SafetyConfig
from remora.core.trust.verdict import TrustedBy, TrustRecord, TrustVerdict, judge_repository
from remora.flows.kit.unattended import NoTrustMemory, UnattendedTrust
from remora.flows.server.rpc import Asked, RpcClient
from remora.flows.server.shell import shipped
from remora.flows.trust.look import look_at, machine_of
from remora.ports import TrustHandler, TrustMemory, TrustQuestion
from remora.wire.appserver import repository as words
from remora.wire.reports.run import BroughtBody, TrustBody

_NAMED: Final = 6
_NAME: Final = 60
_SEPARATES: Final = (0, 133)
"""From this version on codex says truly whether a folder without a config.toml is trusted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustRules:
    """Who decides about repositories: `option` is the hash that the command line names, then `handler`, by `memory`."""

    alias: str = ""
    option: str | None = None
    handler: TrustHandler = field(default_factory=UnattendedTrust)
    memory: TrustMemory = field(default_factory=NoTrustMemory)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A repository that brings something, and whether it is in force. `host_trusts`: codex would do so by itself."""

    repository: Repository
    by: TrustedBy | None
    host_trusts: bool
    notices: tuple[str, ...] = ()

    @property
    def body(self) -> TrustBody:
        """What is told of it."""
        return TrustBody(
            trusted_by=None if self.by is None else self.by.value,
            hash=self.repository.digest,
            folder=self.repository.top,
            brings=[BroughtBody(what=each.kind, name=each.name, detail=each.detail) for each in self.repository.brings],
            problem=self.repository.problem,
        )

    @property
    def words(self) -> Mapping[str, Any] | None:
        """What is said of trust for one thread alone; `None` where codex by itself does what holds."""
        if (self.by is not None) is self.host_trusts:
            return None
        return words.with_trust(self.repository, trusted=self.by is not None)


def ask_layers(folder: str) -> Asked:
    """The request that tells which ``.codex`` folders codex reads for `folder`."""
    return "config/read", words.read_layers(folder)


async def judge(rpc: RpcClient, folder: str, config: SafetyConfig, rules: TrustRules) -> Judged | None:
    """What holds for the repository in `folder`; `None` where it brings nothing that depends on trust.

    Order: nothing more is asked of the server where there is no ``.codex`` folder. Raises ``trust-mismatch`` when
    `rules` name the hash of other content, ``repository-inseparable`` when this codex obeys it all the same.
    """
    try:
        layers = words.project_layers(await rpc.request(*ask_layers(folder)))
    except (ProtocolProblem, TimeLimit):
        if rpc.failure is not None:
            raise
        layers = ()  # it cannot read them, so it can put none in force
    repository = await look(rpc, [layer.folder for layer in layers], folder) if layers else None
    if repository is None or not repository.acts:
        if rules.option is not None:
            raise _mismatch(rules.option, None)
        return None
    host_trusts = _host_trusts(rpc, folder, layers, repository.places, config)
    judged = await _decide(rpc, folder, repository, rules, host_trusts=host_trusts)
    obeyed = {layer.folder for layer in layers if layer.in_force and not host_trusts}
    rules_obeyed = any(file.folder in obeyed and file.path.startswith("rules/") for file in repository.files)
    if judged.by is None and rules_obeyed:
        raise _inseparable(rpc, repository)
    return judged


async def look(rpc: RpcClient, folders: Sequence[str], working: str) -> Repository:
    """What lies in these ``.codex`` folders now, and in the files that they name, through the app server itself."""

    async def run(named: Sequence[str]) -> str | None:
        try:
            answer = await rpc.request("command/exec", words.look(shipped("look"), folders, named))
        except (ProtocolProblem, TimeLimit):
            if rpc.failure is not None:
                raise
            return None
        return words.said(answer)

    return await look_at(run, folders, working)


async def refuse_changed(rpc: RpcClient, judged: Judged | None) -> None:
    """Raise ``trust-mismatch`` for a repository in force that changed since the look, even if it is again as it was."""
    if judged is None or judged.by is None or await look_again(rpc, judged.repository):
        return
    raise Denied(
        Code.TRUST_MISMATCH,
        f"The repository in {judged.repository.top} changed while the thread was started with it.",
        next_step="Find out what changes .codex on the host, then try again; nothing was sent to the agent.",
    )


async def look_again(rpc: RpcClient, before: Repository) -> bool:
    """Whether a repository is as it was at that look, and was so all the time."""
    named = sorted(before.may_name)
    answer = await rpc.request("command/exec", words.look(shipped("look"), before.folders, named))
    now = words.read_repository(words.said(answer), before.folders, before.working, named)
    return (now.digest, now.stamp) == (before.digest, before.stamp) and now.digest is not None


async def _decide(
    rpc: RpcClient, folder: str, repository: Repository, rules: TrustRules, *, host_trusts: bool
) -> Judged:
    digest = repository.digest
    if rules.option is not None:
        if rules.option != digest:
            raise _mismatch(rules.option, repository)
        return Judged(repository=repository, by=TrustedBy.OPTION, host_trusts=host_trusts)
    machine = machine_of(repository, rpc.server.codex_home or "")
    digests = repository.digests
    found = {place: rules.memory.recall(machine, place) for place in digests or repository.places}
    records = {place: record for place, record in found.items() if record is not None}
    verdict = judge_repository(digests, records, host_trusts=host_trusts)
    if digest is not None and verdict.ask and rules.memory.expects(repository.machine, repository.working, digest):
        verdict = TrustVerdict(by=TrustedBy.MANIFEST)
    by, news = verdict.by, (digests or {}).keys() - records.keys() if verdict.note else frozenset()
    if verdict.ask and digest is not None:
        question = TrustQuestion(
            alias=rules.alias, folder=folder, repository=repository, digest=digest, changed=verdict.changed
        )
        answer = await rules.handler.trust_repository(question)
        if answer is not None:
            by, news = TrustedBy.ANSWER if answer else None, (digests or {}).keys()
    for place, part in (digests or {}).items():
        if place in news:
            rules.memory.remember(machine, place, TrustRecord(digest=part, by=by, alias=rules.alias))
    notice = _notice(repository, by, changed=verdict.changed, host_trusts=host_trusts)
    return Judged(repository=repository, by=by, host_trusts=host_trusts, notices=(notice,))


def _host_trusts(
    rpc: RpcClient, folder: str, layers: Sequence[words.ProjectLayer], places: Sequence[str], config: SafetyConfig
) -> bool:
    if not any(layer.in_force for layer in layers):
        return False
    version = re.match(r"(\d+)\.(\d+)", rpc.server.version or "")
    if version is not None and (int(version[1]), int(version[2])) >= _SEPARATES:
        return True
    named = {folder, *places, *(layer.folder.rpartition("/")[0] for layer in layers)}
    return not named.isdisjoint(config.trusted)


def _notice(repository: Repository, by: TrustedBy | None, *, changed: bool, host_trusts: bool) -> str:
    what = f"The repository in {repository.top} brings {summary(repository)}."
    if by is TrustedBy.CODEX:
        return f"{what} It is in use: codex on the host trusts this folder."
    if by is TrustedBy.MANIFEST:
        return f"{what} It is in use: the manifest that provisioned it names its hash."
    if by is not None:
        return f"{what} It is in use: you trusted this version."
    before = " It has changed since it was first read." if changed and host_trusts else ""
    before = " It has changed since it was last answered." if changed and not host_trusts else before
    if repository.digest is None:
        return f"{what}{before} None of it is in use, and it cannot be trusted: {repository.problem}."
    return f"{what}{before} None of it is in use; to use it: --trust-folder {repository.digest}"


def summary(repository: Repository) -> str:
    """What it brings, in a few words."""
    named = [f"{each.kind} {escape_breaks(each.name, limit=_NAME)}" for each in repository.brings]
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return ", ".join(named[:_NAMED]) + more or "content that cannot be read"


def _mismatch(option: str, repository: Repository | None) -> Denied:
    if repository is None:
        return Denied(
            Code.TRUST_MISMATCH,
            "The repository brings nothing that needs trust, so it has no hash.",
            next_step="Omit --trust-folder.",
        )
    seen = "\n".join(f"{each.kind} {each.name} {each.detail}" for each in repository.brings)
    if repository.digest is None:
        return Denied(
            Code.TRUST_MISMATCH,
            f"The repository in {repository.top} cannot be trusted: {repository.problem}.",
            seen=seen,
            next_step="Omit --trust-folder; then remora uses nothing of the repository.",
        )
    where = "everything that it brings (trust in the --json report)" if len(seen) > SEEN_LIMIT else "what it brings"
    return Denied(
        Code.TRUST_MISMATCH,
        f"The repository in {repository.top} does not match --trust-folder: its hash is {repository.digest}.",
        seen=f"named: {option}\n{seen}",
        next_step=f"Read {where}, then use: --trust-folder {repository.digest}",
    )


def _inseparable(rpc: RpcClient, repository: Repository) -> Denied:
    return Denied(
        Code.REPOSITORY_INSEPARABLE,
        f"codex {rpc.server.version} applies the rules of the repository in {repository.top} even without trust.",
        seen="\n".join(f"{each.kind} {each.name} {each.detail}" for each in repository.brings),
        next_step=f"Update codex on the host, or trust the repository with: --trust-folder {repository.digest}",
    )
