"""What a step's script says when it cannot go on: ``failed=REASON``, as an error with its sentence and next step."""

from typing import Final, NamedTuple

from remora.core.errors import Code, ProvisionProblem, RemoraError
from remora.core.server.answers import Answers, without_escapes


class _Words(NamedTuple):
    message: str
    next_step: str


_WORDS: Final[dict[Code, _Words]] = {
    Code.DISK_FULL: _Words(
        "The disk of the host has too little space for {what}.",
        "Free space or inodes on the host (df -h; df -i; quota), then run it again; it continues where it stopped.",
    ),
    Code.PLACE_UNUSABLE: _Words(
        "No usable folder on the host for {what}.",
        "Make that folder writable for the account (for programs, mounted without noexec), or name another in the "
        "manifest.",
    ),
    Code.TOOL_MISSING: _Words("The host lacks a program for {what}.", "Install it there, then run it again."),
    Code.STEP_FAILED: _Words("{what} failed on the host.", "Read the log, correct what failed, then run it again."),
    Code.STEP_UNPROVEN: _Words(
        "Could not verify {what} on the host.", "Correct the problem shown above, then run it again."
    ),
    Code.NOT_ON_PATH: _Words(
        "The login shell on the host does not find {what}.", "Name a folder on its PATH in [path] of the manifest."
    ),
    Code.REPOSITORY_FAILED: _Words(
        "git failed on the host at {what}.", "Try the same git command there, then run it again."
    ),
    Code.REPOSITORY_CHANGED: _Words(
        "{what} would destroy work on the host.", "Commit, push or move it there, then run it again."
    ),
    Code.DIGEST_MISMATCH: _Words(
        "The data received on the host for {what} differs from the data sent.",
        "Run it again; if it fails again, check the disk of the host.",
    ),
    Code.LOGIN_REFUSED: _Words("The sign-in was refused at {what}.", "Check the secret, then run it again."),
    Code.LIMIT_UNENFORCED: _Words(
        "The host does not enforce {what}.",
        "Omit the limit, or let systemd manage the account's processes on the host.",
    ),
    Code.PLATFORM_UNSUPPORTED: _Words("The host cannot run {what}.", "Choose another source or version for it."),
}
_ELSE: Final = _Words("{what} failed on the host.", "Correct the problem shown above, then run it again.")


def script_problem(answers: Answers, *, what: str, seen: str) -> RemoraError | None:
    """The error for ``failed=REASON`` in `answers`; `None` when nothing failed.

    `what` is the step's title, `seen` what the host wrote apart from its answers. A reason that is no code of
    provisioning counts as ``provision-failed``.
    """
    reason = answers.one("failed")
    if reason is None:
        return None
    code = next((code for code in _WORDS if code.value == reason), Code.PROVISION_FAILED)
    words = _WORDS.get(code, _ELSE)
    detail = without_escapes(answers.one("failed.detail") or "")
    said = "\n".join(
        part for part in (detail or (reason if code is Code.PROVISION_FAILED else ""), seen.strip()) if part
    )
    message = words.message.format(what=what)
    return ProvisionProblem(code, message[:1].upper() + message[1:], seen=said, next_step=words.next_step)
