"""What the repository of a project brings is trusted, if it is what the manifest names: noted on this machine alone."""

import shlex
from collections.abc import Sequence
from typing import Final

from remora.core.devbox.provision_step import Finding, StepScript, StepState
from remora.core.errors import Code, ConfigProblem, Denied
from remora.core.server.account_facts import AccountFacts
from remora.core.server.answers import Answers
from remora.core.trust.repository import Repository
from remora.core.trust.verdict import TrustedBy, TrustRecord
from remora.flows.provision.steps.alone import AloneStep, AloneTerms
from remora.flows.provision.steps.repository import git_variables
from remora.flows.provision.steps.step import Tell, Workbench
from remora.flows.server.shell import shipped
from remora.flows.trust.look import look_at
from remora.ports import TrustMemory
from remora.wire.appserver.repository import look_words, read_repository
from remora.wire.manifest.document import ProjectTable

_SECONDS: Final = 30.0


class TrustStep:
    """Runs from this machine put in force what the project's ``.codex`` brings, as long as its hash is that one.

    Nothing of it is written on the host, where an agent could write it, too.
    """

    def __init__(self, project: ProjectTable, memory: TrustMemory, alias: str) -> None:
        self._project = project
        self._digest = project.trust or ""
        self._memory = memory
        self._alias = alias
        self.name = f"trust:{project.folder}"
        self.title = f"trust in what {project.folder} brings"

    def reading(self) -> StepScript:
        """See :class:`~remora.flows.provision.steps.step.Step`."""
        return StepScript("git trust_read", {**git_variables(self._project), "remora_looker": shipped("look")})

    async def judge(self, answers: Answers, facts: AccountFacts) -> Finding:
        """See :class:`Step`. Before there is a folder nobody can tell."""
        folder = answers.one("folder")
        if folder is None:
            return Finding(state=StepState.LATER, detail="is recorded after the repository is cloned", answers=answers)
        if self._memory.expected(_machine(answers), folder) == self._digest:
            detail = f"{self._digest[:10]} is recorded on this machine"
            return Finding(state=StepState.SAME, detail=detail, answers=answers)
        detail = f"note {self._digest[:10]} on this machine, for its runs"
        return Finding(state=StepState.DIFFERENT, detail=detail, answers=answers)

    async def apply(self, finding: Finding, bench: Workbench, tell: Tell) -> None:
        """See :class:`Step`. Raises ``trust-mismatch`` where something else is there."""
        answers = finding.answers
        folder, folders = answers.one("folder") or "", answers.all("holds")

        async def run(named: Sequence[str]) -> str | None:
            variables = {"remora_looker": shipped("look"), "remora_arguments": shlex.join(look_words(folders, named))}
            return (await bench.ask(StepScript("trust_look", variables), limit=_SECONDS)).one("look")

        found = await look_at(run, folders, folder) if folders else None
        if found is None or found.digest != self._digest:
            raise self._mismatch(folder, found)
        record = TrustRecord(digest=self._digest, by=TrustedBy.MANIFEST, alias=self._alias)
        self._memory.expect(_machine(answers), folder, record)

    def alone(self, terms: AloneTerms) -> AloneStep:
        """See :class:`~remora.flows.provision.steps.step.Step`. Raises ``manifest-invalid``: no other engine can."""
        raise ConfigProblem(
            Code.MANIFEST_INVALID,
            f"Trust in {self._project.folder} is recorded on this machine, which only remora provision can do.",
            next_step="Remove trust for this host, or provision it with remora provision.",
        )

    def _mismatch(self, folder: str, found: Repository | None) -> Denied:
        advice = "Read what it brings, then name that hash in trust, or omit trust."
        if found is None or not found.acts:
            message = f"{folder} brings nothing that needs trust, so it has no hash."
            return Denied(Code.TRUST_MISMATCH, message, next_step="Remove trust from the manifest.")
        seen = "\n".join(f"{each.kind} {each.name} {each.detail}" for each in found.brings)
        if found.digest is None:
            message = f"What {folder} brings cannot be trusted: {found.problem}."
            return Denied(Code.TRUST_MISMATCH, message, seen=seen, next_step="Remove trust from the manifest.")
        message = f"What {folder} brings is not what the manifest trusts: its hash is {found.digest}."
        return Denied(Code.TRUST_MISMATCH, message, seen=f"named: {self._digest}\n{seen}", next_step=advice)


def _machine(answers: Answers) -> str:
    return read_repository(answers.one("look") or "", (), "/").machine
