"""What an agent may do, in the words of the app server: how it is said, and how its answers are read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from remora.core.trust.safety import PERSON, Safety, SafetyConfig, Sandbox, policy_name
from remora.wire.appserver.calls import SandboxMode, mapping, sequence, text

_SANDBOX_NAMES: Final = {
    "readOnly": SandboxMode.READ_ONLY.value,
    "workspaceWrite": SandboxMode.WORKSPACE_WRITE.value,
    "dangerFullAccess": SandboxMode.DANGER_FULL_ACCESS.value,
    "externalSandbox": "external",
}
_SANDBOX_TYPES: Final = {name: word for word, name in _SANDBOX_NAMES.items()}


def read_account() -> dict[str, Any]:
    """Parameters of ``config/read`` for what the account itself configured: no repository is at the root."""
    return {"cwd": "/"}


def read_safety_config(answer: Any) -> SafetyConfig:
    """What the answer to ``config/read`` says of safety."""
    config = mapping(mapping(answer).get("config"))
    workspace = mapping(config.get("sandbox_workspace_write"))
    policy = config.get("approval_policy")
    projects = {
        folder: mapping(project).get("trust_level") for folder, project in mapping(config.get("projects")).items()
    }
    return SafetyConfig(
        sandbox=text(config.get("sandbox_mode")),
        profile=text(config.get("default_permissions")),
        network=workspace.get("network_access") is True,
        roots=tuple(root for root in map(text, sequence(workspace.get("writable_roots"))) if root),
        exclude_temporary=workspace.get("exclude_tmpdir_env_var") is True,
        exclude_slash_tmp=workspace.get("exclude_slash_tmp") is True,
        approval_policy=policy if isinstance(policy, str | dict) and policy else None,
        reviewer=text(config.get("approvals_reviewer")),
        trusted=frozenset(folder for folder, level in projects.items() if level == "trusted"),
        distrusted=frozenset(folder for folder, level in projects.items() if level == "untrusted"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the agent may do, and the words for it: `sandbox_words` is the member of ``turn/start`` for the sandbox."""

    sandbox: Sandbox
    sandbox_words: Mapping[str, Any]
    approval_policy: str | Mapping[str, Any]
    reviewer: str

    @property
    def safety(self) -> Safety:
        """What is compared."""
        return Safety(sandbox=self.sandbox, approval_policy=policy_name(self.approval_policy), reviewer=self.reviewer)

    @property
    def params(self) -> dict[str, Any]:
        """Members of ``turn/start``; they hold for later turns, too."""
        return {**self.sandbox_words, "approvalPolicy": self.approval_policy, "approvalsReviewer": self.reviewer}


def own_terms(
    config: SafetyConfig, sandbox: str | None, policy: str | None, *, trusted: bool, distrusted: bool
) -> Terms:
    """The terms that were asked for; what is `None` is as the account's own configuration says.

    A folder that is `trusted` may be written by default; in one that the configuration says is `distrusted`, the agent
    asks before nearly everything.
    """
    found = config.sandbox_of(sandbox, trusted=trusted)
    return Terms(
        sandbox=found,
        sandbox_words=_sandbox_words(found, config),
        approval_policy=config.policy_of(policy, distrusted=distrusted),
        reviewer=config.reviewer or PERSON,
    )


def read_terms(answer: Any, sandbox: str = "sandbox") -> Terms | None:
    """The terms that an answer says are in force; `None` where it does not say them.

    `sandbox` is the name of the member with the sandbox.
    """
    body = mapping(answer)
    policy = body.get("approvalPolicy")
    found = read_sandbox(body.get(sandbox), body.get("activePermissionProfile"))
    if found is None or not isinstance(policy, str | dict) or not policy:
        return None
    profile = found.profile
    return Terms(
        sandbox=found,
        sandbox_words={"sandboxPolicy": body[sandbox]} if profile is None else {"permissions": profile},
        approval_policy=policy,
        reviewer=text(body.get("approvalsReviewer")) or PERSON,
    )


def _sandbox_words(sandbox: Sandbox, config: SafetyConfig) -> dict[str, Any]:
    if sandbox.profile is not None:
        return {"permissions": sandbox.profile}
    kind = _SANDBOX_TYPES.get(sandbox.mode, "readOnly")
    if kind != "workspaceWrite":
        return {"sandboxPolicy": {"type": kind}}
    return {
        "sandboxPolicy": {
            "type": kind,
            "writableRoots": sorted(sandbox.roots),
            "networkAccess": sandbox.network,
            "excludeTmpdirEnvVar": config.exclude_temporary,
            "excludeSlashTmp": config.exclude_slash_tmp,
        },
    }


def read_sandbox(value: Any, profile: Any = None) -> Sandbox | None:
    """One sandbox; `None` where none is told."""
    body = mapping(value)
    kind = text(body.get("type")) or text(value)
    if kind is None:
        return None
    return Sandbox(
        mode=_SANDBOX_NAMES.get(kind, kind),
        network=body.get("networkAccess") not in (None, False, "restricted"),
        roots=frozenset(root for root in map(text, sequence(body.get("writableRoots"))) if root),
        profile=text(mapping(profile).get("id")),
    )
