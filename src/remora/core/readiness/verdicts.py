"""What the facts of a probe say about the stages of the proof; nothing here asks the host again."""

from dataclasses import dataclass
from typing import Final

from remora.core.errors import AppServerProblem, Code, RemoraError, Stage
from remora.core.readiness.checks import NOT_REACHED, Outcome, StageResult
from remora.core.server.launch_plan import LaunchPlan
from remora.core.server.markers import Marker, Readiness, describe_marker, provision_failed
from remora.core.server.probes import HostFacts
from remora.core.server.request_faults import config_broken

_LOGINS: Final = {
    "auth-file": "auth.json is in CODEX_HOME",
    "key-variable": "an API key is in the environment",
    "provider": "config.toml names a model provider of its own",
}
_SOURCES: Final = {
    "asked": "named with --codex",
    "path": "the first usable one on the login shell's PATH",
    "extra": "none on the PATH is usable; found where installers put it",
}


_PROVISIONED: Final = {Readiness.READY: Outcome.OK, Readiness.NEVER: Outcome.SKIPPED}


@dataclass(frozen=True, slots=True)
class Account:
    """What a running server says of its login. `kind` is its word for the account, `None` without one."""

    kind: str | None
    required: bool


def judge_shell(facts: HostFacts, seconds: float) -> StageResult:
    """The login shell ran our probe."""
    detail = f"{facts.login_shell} of {facts.account} on {facts.os} {facts.architecture}"
    return StageResult(stage=Stage.SHELL, outcome=Outcome.OK, detail=detail, seconds=seconds)


def judge_provision(marker: Marker) -> StageResult:
    """What the ready marker says: to answer SSH is not to be ready."""
    detail = describe_marker(marker)
    problem = provision_failed(marker)
    if problem is not None:
        return StageResult(stage=Stage.PROVISION, outcome=Outcome.FAILED, detail=detail, error=problem)
    if marker.readiness is Readiness.INTERRUPTED:
        detail += "; run remora provision for this host again to continue"
    outcome = _PROVISIONED.get(marker.readiness, Outcome.WARNING)
    return StageResult(stage=Stage.PROVISION, outcome=outcome, detail=detail)


def judge_path(facts: HostFacts) -> StageResult:
    """The PATH in which codex is looked for and started."""
    if facts.codex is not None and facts.codex.source == "extra":
        detail = f"codex is outside of it, at {facts.codex.path}; PATH is {facts.path}"
        return StageResult(stage=Stage.PATH, outcome=Outcome.WARNING, detail=detail)
    return StageResult(stage=Stage.PATH, outcome=Outcome.OK, detail=facts.path)


def judge_codex(facts: HostFacts, plan: LaunchPlan | RemoraError) -> StageResult:
    """Which codex would be used, and why."""
    if isinstance(plan, RemoraError) and plan.stage is Stage.CODEX:
        return _failed(plan, Stage.CODEX)
    chosen = facts.codex
    if chosen is None:
        detail = "no usable codex; only a server that already runs can be used"
        return StageResult(stage=Stage.CODEX, outcome=Outcome.WARNING, detail=detail)
    if chosen.config_problem is not None:
        return _failed(config_broken(chosen.config_problem), Stage.CODEX)
    detail = f"{chosen.version or 'unknown version'} at {chosen.path}: {_SOURCES.get(chosen.source, chosen.source)}"
    return StageResult(stage=Stage.CODEX, outcome=Outcome.OK, detail=detail)


def judge_login(facts: HostFacts, account: Account | None) -> StageResult:
    """Whether the agent can reach a model: by the running server's own word, else by what lies on the host.

    A configuration that codex cannot use may be what names the login: without another one nothing can be said.
    """
    broken = facts.codex is not None and facts.codex.config_problem is not None
    if account is not None:
        found = [f"the running server uses {account.kind}"] if account.kind else []
        found = found or ([] if account.required else ["the running server needs no login for its model provider"])
    else:
        lying = facts.login - {"provider"} if broken else facts.login
        found = [words for name, words in _LOGINS.items() if name in lying]
        if broken and not found:
            return StageResult(stage=Stage.LOGIN, outcome=Outcome.SKIPPED, detail="codex cannot use its configuration")
    if found:
        return StageResult(stage=Stage.LOGIN, outcome=Outcome.OK, detail="; ".join(found))
    problem = AppServerProblem(
        Code.LOGIN_MISSING,
        f"codex is not signed in for {facts.account} on the host.",
        seen=f"no login in {facts.codex_home}",
        next_step="Sign in there with: remora login ALIAS",
    )
    return _failed(problem, Stage.LOGIN)


def judge_sandbox(facts: HostFacts) -> StageResult:
    """Whether the agent's commands can be confined."""
    if facts.sandbox == "ok":
        return StageResult(stage=Stage.SANDBOX, outcome=Outcome.OK, detail="user namespaces are available")
    if facts.sandbox != "refused":
        detail = "not tested: the host has no unshare program"
        return StageResult(stage=Stage.SANDBOX, outcome=Outcome.WARNING, detail=detail)
    problem = AppServerProblem(
        Code.SANDBOX_UNUSABLE,
        "The host forbids user namespaces, which the sandbox of codex needs; sandboxed commands will fail.",
        seen=facts.sandbox_detail,
        next_step="Allow unprivileged user namespaces on the host (in a container: seccomp=unconfined), or use "
        "--sandbox danger-full-access if the host itself is the sandbox.",
    )
    return _failed(problem, Stage.SANDBOX)


def judge_launch(plan: LaunchPlan | RemoraError) -> StageResult:
    """What a run would do to come to an app server."""
    if isinstance(plan, RemoraError):
        if plan.stage is Stage.CODEX:
            return StageResult(stage=Stage.LAUNCH, outcome=Outcome.SKIPPED, detail=NOT_REACHED)
        return _failed(plan, Stage.LAUNCH)
    outcome = Outcome.WARNING if plan.start is None and plan.adopt is None else Outcome.OK
    return StageResult(stage=Stage.LAUNCH, outcome=outcome, detail=plan.steps[0].describe())


def _failed(error: RemoraError, stage: Stage) -> StageResult:
    return StageResult(stage=stage, outcome=Outcome.FAILED, detail=error.message, error=error)
