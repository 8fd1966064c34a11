"""What an agent may do without asking, and which of two such settings is looser."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_SANDBOXES: Final = {"read-only": 0, "workspace-write": 1}
_LOOSEST_SANDBOX: Final = 2
_POLICIES: Final = {"untrusted": 0, "on-request": 1, "on-failure": 1, "granular": 1}
_LOOSEST_POLICY: Final = 2
PERSON: Final = "user"
"""The reviewer that is no program: requests for approval come to whoever runs the thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """What commands may touch. `mode` is one of codex's names; one that is unknown here counts as the loosest.

    `roots` are folders beside the thread's own that may be written. `profile` is the permission profile in force.
    """

    mode: str
    network: bool = False
    roots: frozenset[str] = frozenset()
    profile: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Safety:
    """The sandbox, when the agent asks, and who answers: `reviewer` is ``user`` or the name of an automatic one."""

    sandbox: Sandbox
    approval_policy: str
    reviewer: str = PERSON


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyConfig:
    """What an account's own configuration says of it, without that of any repository; `None`: it does not say.

    `approval_policy` is a name, or an object with one member whose name it is. `trusted` are the folders that the
    account's configuration trusts, `distrusted` those that it names as not to be trusted.
    """

    sandbox: str | None = None
    profile: str | None = None
    network: bool = False
    roots: tuple[str, ...] = ()
    exclude_temporary: bool = False
    exclude_slash_tmp: bool = False
    approval_policy: str | Mapping[str, Any] | None = None
    reviewer: str | None = None
    trusted: frozenset[str] = frozenset()
    distrusted: frozenset[str] = frozenset()

    def sandbox_of(self, mode: str | None, *, trusted: bool) -> Sandbox:
        """The sandbox of a thread for which `mode` was asked; codex lets a trusted folder be written by default."""
        if mode is None and self.profile is not None:
            return Sandbox(mode=self.profile, profile=self.profile)
        mode = mode or self.sandbox or ("workspace-write" if trusted else "read-only")
        if mode != "workspace-write":
            return Sandbox(mode=mode)
        return Sandbox(mode=mode, network=self.network, roots=frozenset(self.roots))

    def policy_of(self, policy: str | None, *, distrusted: bool = False) -> str | Mapping[str, Any]:
        """When the agent asks in a thread for which `policy` was asked."""
        return policy or self.approval_policy or ("untrusted" if distrusted else "on-request")


def policy_name(policy: str | Mapping[str, Any]) -> str:
    """The name of an approval policy."""
    return policy if isinstance(policy, str) else next(iter(policy), "unknown")


def looser(found: Safety, allowed: Safety) -> tuple[str, ...]:
    """In which ways `found` permits more than `allowed`, each in words."""
    ways = list(_looser_sandbox(found.sandbox, allowed.sandbox))
    if _rank(_POLICIES, found.approval_policy, _LOOSEST_POLICY) > _rank(
        _POLICIES, allowed.approval_policy, _LOOSEST_POLICY
    ):
        ways.append(f"approvals {found.approval_policy} (allowed: {allowed.approval_policy})")
    if found.reviewer not in {PERSON, allowed.reviewer}:
        ways.append(f"approvals answered by {found.reviewer} (allowed: {allowed.reviewer})")
    return tuple(ways)


def _looser_sandbox(found: Sandbox, allowed: Sandbox) -> tuple[str, ...]:
    if allowed.profile is not None and found.mode != "read-only":
        return () if found.profile == allowed.profile else (f"sandbox {found.mode} (allowed: {allowed.profile})",)
    if _rank(_SANDBOXES, found.mode, _LOOSEST_SANDBOX) > _rank(_SANDBOXES, allowed.mode, _LOOSEST_SANDBOX):
        return (f"sandbox {found.mode} (allowed: {allowed.mode})",)
    if _rank(_SANDBOXES, allowed.mode, _LOOSEST_SANDBOX) == _LOOSEST_SANDBOX:
        return ()
    ways = []
    if found.network and not allowed.network:
        ways.append("network access for commands")
    if more := sorted(found.roots - allowed.roots):
        ways.append(f"writable folders {', '.join(more)}")
    return tuple(ways)


def _rank(ranks: Mapping[str, int], name: str, unknown: int) -> int:
    return ranks.get(name, unknown)
