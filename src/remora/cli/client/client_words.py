"""Which settings of a thread the words for the terminal client say themselves."""

from collections.abc import Sequence
from typing import Final

_SANDBOX: Final = frozenset({"sandbox"})
_POLICY: Final = frozenset({"approvalPolicy"})
_REVIEWER: Final = frozenset({"approvalsReviewer"})
_OPTIONS: Final = {
    "-s": _SANDBOX,
    "--sandbox": _SANDBOX,
    "-a": _POLICY,
    "--ask-for-approval": _POLICY,
    "--approve-for-me": _POLICY | _REVIEWER,
    "--full-auto": _SANDBOX | _POLICY,
    "--dangerously-bypass-approvals-and-sandbox": _SANDBOX | _POLICY,
    "--yolo": _SANDBOX | _POLICY,
}
_KEYS: Final = {
    "sandbox_mode": _SANDBOX,
    "default_permissions": _SANDBOX | {"permissions"},
    "approval_policy": _POLICY,
    "approvals_reviewer": _REVIEWER,
}
_CONFIG: Final = ("-c", "--config")


def said_terms(words: Sequence[str]) -> frozenset[str]:
    """The members of a thread's terms that `words` set.

    What a profile (``--profile``) sets is a setting of this machine like any other, and not among them.
    """
    said: frozenset[str] = frozenset()
    before = ""
    for word in words:
        if word == "--":
            break
        name, _, value = word.partition("=")
        if before in _CONFIG:
            said |= _KEYS.get(name.strip(), frozenset())
        elif name == "--config":
            said |= _KEYS.get(value.partition("=")[0].strip(), frozenset())
        elif word.startswith("-c") and word != "-c":
            said |= _KEYS.get(word[2:].lstrip("=").partition("=")[0].strip(), frozenset())
        else:
            said |= _OPTIONS.get(name if word.startswith("--") else word[:2], frozenset())
        before = word
    return said
