"""What the app server is asked for the scorecard, and what its answers say."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from remora.core.score.permissions import Trial
from remora.wire.appserver.calls import SandboxMode, ThreadSettings, mapping, number, sequence, text, thread_start

_PROBE: Final = """\
while [ $# -gt 1 ]; do
  if (: >"$2") 2>&1; then
    echo "wrote $1"
    rm -f -- "$2"
  fi
  shift 2
done
echo done"""


def look_at_folder(folder: str, trust: Mapping[str, Any] | None) -> dict[str, Any]:
    """Parameters of ``thread/start`` for a thread that leaves nothing behind; `trust` is as in `ThreadSettings`.

    A sandbox is named because codex writes into its configuration that it trusts the folder when the one that is
    configured may write.
    """
    settings = ThreadSettings(folder=folder, sandbox=SandboxMode.READ_ONLY, trust=trust)
    return {**thread_start(settings), "ephemeral": True}


def read_sources(answer: Any) -> Sequence[str] | None:
    """The files with instructions that a thread has loaded; `None` where the server does not tell."""
    sources = mapping(answer).get("instructionSources")
    return None if sources is None else [path for path in map(text, sequence(sources)) if path is not None]


def read_config(answer: Any) -> Mapping[str, Any]:
    """The effective configuration in an answer to ``config/read``."""
    return mapping(mapping(answer).get("config"))


def read_requirements(answer: Any) -> Mapping[str, Any]:
    """What the administrators of the host require."""
    return mapping(mapping(answer).get("requirements"))


READ_ONLY: Final[Mapping[str, Any]] = {"type": "readOnly"}


def workspace_of(inside: str) -> dict[str, Any]:
    """The policy that may write to `inside`, and to the server's own folder, whatever the command's is."""
    return {
        "type": "workspaceWrite",
        "writableRoots": [inside],
        "networkAccess": False,
        "excludeSlashTmp": True,
        "excludeTmpdirEnvVar": True,
    }


def try_writing(
    files: Mapping[str, str], folder: str, policy: Mapping[str, Any] | None, *, limit: float
) -> dict[str, Any]:
    """Parameters of ``command/exec``: try to write each of `files` (by name), and take away what could be written."""
    words = [word for pair in files.items() for word in pair]
    body = {"command": ["/bin/sh", "-c", _PROBE, "sh", *words], "cwd": folder, "timeoutMs": int(limit * 1000)}
    return body if policy is None else {**body, "sandboxPolicy": dict(policy)}


def read_trial(policy: str, answer: Any) -> Trial:
    """What came of :func:`try_writing`."""
    values = mapping(answer)
    lines = (text(values.get("stdout")) or "").splitlines()
    if "done" not in lines:
        said = text(values.get("stderr")) or f"exit status {number(values.get('exitCode'))}"
        return Trial(policy=policy, wrote=None, said=said)
    return Trial(
        policy=policy, wrote=frozenset(line.removeprefix("wrote ") for line in lines if line.startswith("wrote "))
    )
