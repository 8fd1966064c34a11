"""Keys of codex's own config.toml, merged into what its owner wrote there."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from remora.core.devbox.provision_step import Finding, StepScript, StepState
from remora.core.errors import Code, ProvisionProblem
from remora.core.server.account_facts import AccountFacts
from remora.core.server.answers import Answers
from remora.flows.provision.steps.alone import AloneStep, AloneTerms, host_program
from remora.flows.provision.steps.step import Tell, Workbench
from remora.wire.manifest.config_merge import changed_keys, merge_config

CAP: Final = 256 * 1024
"""Bytes of a config.toml that are read: a hundred times the largest one that makes sense."""
_TRIES: Final = 3
_SHOWN: Final = 6


class ConfigStep:
    """config.toml says `keys`; everything else in it stays byte for byte. It is merged on this machine."""

    name = "config"

    def __init__(self, keys: Mapping[str, Any]) -> None:
        self._keys = keys
        self.title = "codex config.toml"

    def reading(self) -> StepScript:
        """See :class:`~remora.flows.provision.steps.step.Step`."""
        return StepScript("config_read", {"remora_cap": str(CAP)})

    async def judge(self, answers: Answers, facts: AccountFacts) -> Finding:
        """See :class:`Step`. A file that is no valid TOML blocks, and stays as it is."""
        place = answers.one("file") or "config.toml"
        try:
            before = _content(answers, place)
            merged = merge_config(before or b"", self._keys)
            changes = changed_keys(before or b"", self._keys)
        except ProvisionProblem as error:
            return Finding.blocked(error, answers)
        if merged == before or (before is None and not changes):
            return Finding(state=StepState.SAME, detail=f"{place} already has these values", answers=answers)
        shown = ", ".join(changes[:_SHOWN]) + (f" and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else "")
        detail = f"{place}: {'new, ' if before is None else ''}{shown}"
        return Finding(state=StepState.DIFFERENT, detail=detail, sends=len(merged), answers=answers)

    async def apply(self, finding: Finding, bench: Workbench, tell: Tell) -> None:
        """See :class:`Step`. Never over what somebody else wrote meanwhile."""
        limit = bench.world.limits.provision_step
        for _ in range(_TRIES):
            if finding.state is not StepState.DIFFERENT:
                break
            place = finding.answers.one("file") or ""
            before = _content(finding.answers, place)
            merged = merge_config(before or b"", self._keys)
            variables = {
                "remora_file": place,
                "remora_content": merged.decode(),
                "remora_before": "" if before is None else sha256(before).hexdigest(),
            }
            said = await bench.ask(StepScript("config_apply", variables), limit=limit)
            if said.one("outdated") is None:
                tell(len(merged), len(merged), "")
                return
            finding = await self.judge(await bench.ask(self.reading(), limit=limit), bench.facts)
        if finding.error is not None:
            raise finding.error
        if finding.state is StepState.DIFFERENT:
            raise _contended(finding.answers.one("file") or "config.toml")

    def alone(self, terms: AloneTerms) -> AloneStep:
        """See :class:`~remora.flows.provision.steps.step.Step`."""
        variables = {
            "remora_cap": str(CAP),
            "remora_keys": merge_config(b"", self._keys).decode(),
            "remora_merger": host_program("config_merge"),
        }
        scripts = ("config_read", "config_apply")
        return AloneStep(kind="config", name=self.name, title=self.title, scripts=scripts, variables=variables)


def _content(answers: Answers, place: str) -> bytes | None:
    """What the file holds; `None` without a file."""
    kind = answers.one("kind")
    if kind == "absent":
        return None
    text = answers.one("content")
    try:
        content = bytes.fromhex(text) if text is not None else None
    except ValueError:
        content = None
    if kind != "file" or content is None or str(len(content)) != answers.one("size"):
        raise ProvisionProblem(
            Code.PLACE_UNUSABLE,
            f"{place} on the host cannot be read, or is larger than {CAP // 1024} KiB.",
            seen=f"kind {kind}, size {answers.one('size')}",
            next_step="Check that file on the host, or move it away.",
        )
    return content


def _contended(place: str) -> ProvisionProblem:
    return ProvisionProblem(
        Code.STEP_UNPROVEN,
        f"Another program changed {place} during each attempt to write it.",
        next_step="Find out what writes that file on the host, then provision again.",
    )
