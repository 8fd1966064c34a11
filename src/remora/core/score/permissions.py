"""What agents may do on a host, as it was measured: the sandbox, approvals, and secrets that others can read."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from remora.core.score.scorecard import Group, Item, Result, blank, judged, unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One command run through the server: which of the places it could write to; `None` when it did not run at all."""

    policy: str
    wrote: frozenset[str] | None
    said: str = ""


INSIDE: Final = "inside"
OUTSIDE: Final = "outside"


def sandbox_item(places: Mapping[str, str]) -> Item:
    """The sandbox, not tried yet."""
    where = " ".join(f"{place}/.FILE" for place in places.values())
    command = f"app server: command/exec touch {where}, with readOnly, with workspaceWrite, and as configured"
    return blank("sandbox", Group.PERMISSIONS, "the sandbox confines commands", command)


def judge_sandbox(read_only: Trial, workspace: Trial, configured: Trial, places: Mapping[str, str]) -> Item:
    """Whether commands that the server runs write where they may, and nowhere else."""
    item = sandbox_item(places)
    seen = "\n".join(_trial_line(trial, places) for trial in (read_only, workspace, configured))
    if read_only.wrote is None or workspace.wrote is None:
        step = "Read the evidence; on Linux the sandbox needs user namespaces: remora check ALIAS"
        return judged(item, Result.FAIL, seen, step)
    if read_only.wrote:
        step = "Update codex, and let no agent work here before the sandbox confines commands."
        return judged(item, Result.FAIL, seen, step)
    if OUTSIDE not in places:
        return unknown(item, f"{seen}\nno folder outside of the home is writable", "")
    if OUTSIDE in workspace.wrote:
        step = "The server's own folder counts as its workspace: start it in a smaller one."
        return judged(item, Result.PARTIAL, seen, step)
    if configured.wrote and OUTSIDE in configured.wrote:
        step = "Set sandbox_mode in config.toml on the host to workspace-write or read-only."
        return judged(item, Result.FAIL, seen, step)
    if INSIDE in places and INSIDE not in workspace.wrote:
        return judged(item, Result.PARTIAL, seen, "Find out what keeps confined commands from writing in their folder.")
    return judged(item, Result.PASS, seen)


def _trial_line(trial: Trial, places: Mapping[str, str]) -> str:
    if trial.wrote is None:
        return f"{trial.policy}: did not run: {trial.said}"
    could = [f"wrote {places[name]}" if name in trial.wrote else f"{places[name]} refused" for name in places]
    return f"{trial.policy}: {', '.join(could)}"


def approvals_item(folder: str) -> Item:
    """The effective configuration, not read yet."""
    command = f'app server: config/read {{"cwd": "{folder}"}}, configRequirements/read'
    return blank("approvals", Group.PERMISSIONS, "approvals are not bypassed", command)


def judge_approvals(item: Item, config: Mapping[str, Any], requirements: Mapping[str, Any]) -> Item:
    """Whether the effective configuration leaves anything to ask, and confines what is not asked."""
    policy, sandbox = config.get("approval_policy"), config.get("sandbox_mode")
    profile = config.get("default_permissions")
    rows = {"approval_policy": policy, "sandbox_mode": sandbox, "default_permissions": profile}
    required = {
        key: value for key in ("allowedApprovalPolicies", "allowedSandboxModes") if (value := requirements.get(key))
    }
    seen = "\n".join(f"{key} = {_value(value)}" for key, value in {**rows, **required}.items() if value is not None)
    seen = seen or "neither approval_policy nor sandbox_mode is set: codex's own defaults hold"
    free = sandbox == "danger-full-access" or profile == ":danger-full-access"
    if free:
        return judged(item, Result.FAIL, seen, "Set sandbox_mode in config.toml on the host to workspace-write.")
    if policy == "never":
        step = "Set approval_policy in config.toml to on-request, unless this host works without approvals."
        return judged(item, Result.PARTIAL, seen, step)
    return judged(item, Result.PASS, seen)


_STATES: Final = {
    "open": "any account can read it",
    "shut-off": "a private parent folder protects it",
    "closed": "closed",
}


def judge_secrets(kind: str, said: Sequence[str], folder: str) -> Item:
    """Whether others on the host can read secrets; each of `said` is ``STATE MODE PATH``."""
    if kind == "account":
        title = "other accounts cannot read the account's secrets"
        command = "stat -c '%a %n' ~/.codex/auth.json ~/.ssh/* ~/.netrc ~/.aws/credentials"
    else:
        title = "other accounts cannot read secrets in the repository"
        names = "-name .env -o -name '.env.*' -o -name '*.pem' -o -name '*.key' -o -name 'id_*'"
        command = f"find {shlex.quote(folder)} -maxdepth 4 -type f '(' {names} ')' -exec stat -c '%a %n' {{}} +"
    item = blank(f"{kind}-secrets", Group.PERMISSIONS, title, command)
    rows = [line.split(" ", 2) for line in said if line.count(" ") >= 2]
    seen = "\n".join(f"{mode} {path}: {_STATES.get(state, state)}" for state, mode, path in rows)
    opened = [path for state, _, path in rows if state == "open"]
    if opened:
        return judged(item, Result.FAIL, seen, f"On the host: chmod 600 {opened[0]}")
    loose = [path for state, _, path in rows if state == "shut-off"]
    if loose:
        return judged(item, Result.PARTIAL, seen, f"On the host: chmod 600 {loose[0]}")
    return judged(item, Result.PASS, seen or "none found")


def _value(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
