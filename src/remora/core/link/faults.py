"""What is wrong where a link is needed, as errors."""

from typing import Final

from remora.core.errors import Code, LaunchProblem, Unreachable
from remora.core.link.links import HostIdentity

REPORT_LOGGED: Final = "Read the log with: remora hub logs. Report it in remora's issue tracker."
"""The next step after an internal error of remora in a link."""


def link_missing(alias: str, what: str = "does not exist", *, then: str = "") -> LaunchProblem:
    """There is no link to `alias` that could be used; `what` says why, as the end of a sentence. `then` is the command
    that works once there is one.
    """
    return LaunchProblem(
        Code.LINK_MISSING,
        f"The link to {alias} {what}.",
        next_step=f"Make one with: remora connect {alias}" + (f" && {then}" if then else ""),
        host=alias,
    )


def host_changed(alias: str, *, before: HostIdentity, now: HostIdentity) -> Unreachable:
    """What was reached under `alias` before is not what is reached there now; its turns and streams are not here."""
    return Unreachable(
        Code.HOST_CHANGED,
        f"{alias} leads to a different machine than before: {now.describe()} ({_told_apart(before, now)}), not "
        f"{before.describe()}.",
        next_step=f"Connect to the new machine with: remora connect {alias}. Work on {before.describe()} continues: "
        "give "
        "that machine an alias of its own to reach it.",
        host=alias,
    )


def _told_apart(before: HostIdentity, now: HostIdentity) -> str:
    facts = {
        "machine id": (before.machine_id, now.machine_id),
        "account": (before.account, now.account),
        "codex home": (before.codex_home, now.codex_home),
        "name": (before.node, now.node),
        "host key": (before.host_key_fingerprint, now.host_key_fingerprint),
    }
    return "another " + ", ".join(what for what, (one, other) in facts.items() if one != other)
