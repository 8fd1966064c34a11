"""One file of a host, by content and mode."""

from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Final

from remora.core.devbox.provision_step import Finding, StepScript, StepState
from remora.core.errors import Code, ProvisionProblem
from remora.core.server.account_facts import AccountFacts
from remora.core.server.answers import Answers
from remora.flows.provision.steps.alone import AloneStep, AloneTerms
from remora.flows.provision.steps.step import Tell, Workbench
from remora.wire.manifest.document import FileTable

_IN_SCRIPT: Final = 32 * 1024
"""Bytes that travel inside the script, without waiting for the host to say go."""
_PIECE: Final = 64 * 1024


class FileStep:
    """The file at `path` has this content and mode; a path that is neither absolute nor in ~/ lies below CODEX_HOME.

    A symbolic link stays one: what it leads to is written.
    """

    def __init__(
        self, path: str, content: bytes, mode: str, *, name: str | None = None, title: str | None = None
    ) -> None:
        self._path = path
        self._content = content
        self._mode = mode
        self._digest = sha256(content).hexdigest()
        self.name = name or f"file:{path}"
        self.title = title or f"file {path}"

    def reading(self) -> StepScript:
        """See :class:`~remora.flows.provision.steps.step.Step`."""
        return StepScript("file_read", {"remora_path_wished": self._path})

    async def judge(self, answers: Answers, facts: AccountFacts) -> Finding:
        """See :class:`~remora.flows.provision.steps.step.Step`. Nothing travels when the digests are equal."""
        kind, mode = answers.one("kind"), answers.one("mode") or ""
        place = answers.one("file") or self._path
        if kind not in ("file", "absent"):
            return Finding(
                state=StepState.BLOCKED,
                detail=f"{place} is a {'folder' if kind == 'folder' else 'special file'}",
                error=_in_the_way(place),
                answers=answers,
            )
        same = kind == "file" and answers.one("digest") == self._digest
        if same and _bits(mode) == _bits(self._mode):
            return Finding(state=StepState.SAME, detail=f"{place} is up to date", answers=answers)
        if same:
            detail = f"{place}: mode {mode or 'unknown'} becomes {self._mode}"
            return Finding(state=StepState.DIFFERENT, detail=detail, answers=answers)
        detail = f"{place}: {'new' if kind == 'absent' else 'other content'}, {len(self._content)} B"
        return Finding(state=StepState.DIFFERENT, detail=detail, sends=len(self._content), answers=answers)

    async def apply(self, finding: Finding, bench: Workbench, tell: Tell) -> None:
        """See :class:`~remora.flows.provision.steps.step.Step`. The file is replaced in one moment."""
        answers, limit = finding.answers, bench.world.limits.provision_step
        variables = {
            "remora_file": answers.one("file") or "",
            "remora_mode_wished": self._mode.removeprefix("0"),
        }
        text = _plain(self._content)
        if not finding.sends and answers.one("digest") == self._digest:
            await bench.ask(StepScript("file_apply", {**variables, "remora_how": "mode"}), limit=limit)
        elif text is not None:
            written = StepScript("file_apply", {**variables, "remora_how": "here", "remora_content": text})
            await bench.ask(written, limit=limit)
            tell(len(self._content), len(self._content), "")
        else:
            script = StepScript("file_apply", {**variables, "remora_how": "sent"})
            await bench.send(script, _pieces(self._content), size=len(self._content))

    def alone(self, terms: AloneTerms) -> AloneStep:
        """See :class:`~remora.flows.provision.steps.step.Step`."""
        content = self._content.decode()
        return AloneStep(
            kind="file",
            name=self.name,
            title=self.title,
            scripts=("file_read", "file_apply"),
            variables={
                "remora_path_wished": self._path,
                "remora_mode_wished": self._mode.removeprefix("0"),
                "remora_digest_wished": self._digest,
                "remora_content": content,
            },
            file=FileTable(path=self._path, content=content, mode=self._mode),
        )


def _plain(content: bytes) -> str | None:
    """`content` as text that a shell's variable holds unchanged; `None` for what has to be sent by itself."""
    if len(content) > _IN_SCRIPT or b"\0" in content:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), _PIECE):
        yield content[start : start + _PIECE]


def _bits(mode: str) -> int | None:
    try:
        return int(mode, 8)
    except ValueError:
        return None


def _in_the_way(place: str) -> ProvisionProblem:
    return ProvisionProblem(
        Code.PLACE_UNUSABLE,
        f"{place} on the host is not a regular file, so it cannot be written.",
        next_step="Move it away, or name another path in the manifest.",
    )
