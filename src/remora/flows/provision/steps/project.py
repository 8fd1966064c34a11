"""A project's set-up script and smoke test: run once for each commit, script and environment."""

import re
import shlex
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

import msgspec

from remora.core.devbox.provision_step import Finding, StepScript, StepState
from remora.core.errors import Code, ConfigProblem
from remora.core.secrets import Secret
from remora.core.server.account_facts import AccountFacts
from remora.core.server.answers import Answers
from remora.flows.provision.steps.alone import AloneStep, AloneTerms
from remora.flows.provision.steps.repository import git_variables
from remora.flows.provision.steps.step import Tell, Workbench
from remora.ports import SecretReader
from remora.wire.manifest.document import ProjectTable, SecretSource

_READ: Final = "git project_read"
_RUN: Final = "git project_run"
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class _ScriptStep:
    """Shell text that has succeeded in the project's folder at the commit that is there; a record on the host says so.

    It runs in the environment of the login shell, in the folder, with ``/bin/sh -e`` or what its first line names.
    """

    def __init__(self, project: ProjectTable, kind: str, *, script: str, limit: float | None) -> None:
        self._project = project
        self._script = script
        self._limit = limit
        folder = sha256(project.folder.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        self._record = f"{kind}-{folder}"

    def reading(self) -> StepScript:
        """See :class:`~remora.flows.provision.steps.step.Step`."""
        return StepScript(_READ, {**git_variables(self._project), "remora_record": self._record})

    async def judge(self, answers: Answers, facts: AccountFacts) -> Finding:
        """See :class:`~remora.flows.provision.steps.step.Step`. Before there is a folder nobody can tell."""
        commit = answers.one("commit")
        if not commit:
            detail = "runs after the repository is cloned"
            return Finding(state=StepState.LATER, detail=detail, answers=answers)
        done = answers.one("done")
        if done == self._digest(commit):
            return Finding(state=StepState.SAME, detail=f"succeeded at {commit[:10]}", answers=answers)
        detail = f"runs at {commit[:10]}" + (": the commit, script or environment changed" if done else "")
        return Finding(state=StepState.DIFFERENT, detail=detail, answers=answers)

    async def _run(self, finding: Finding, bench: Workbench, secret: Secret | None) -> None:
        commit = finding.answers.one("commit") or ""
        variables = {
            **git_variables(self._project),
            "remora_record": self._record,
            "remora_commit": commit,
            "remora_digest_wished": self._digest(commit),
            "remora_environment": assignments(self._project.environment),
            "remora_script": self._script,
        }
        limit = self._limit or bench.world.limits.setup
        await bench.run(StepScript(_RUN, variables), limit=limit, secret=secret)

    def _alone(self, name: str, title: str, terms: AloneTerms, secrets: Mapping[str, SecretSource]) -> AloneStep:
        project = self._project
        before, after = self._digested
        assignments(dict.fromkeys(secrets, ""))
        return AloneStep(
            kind="project",
            name=name,
            title=title,
            scripts=(_READ, _RUN, "run"),
            variables={
                **git_variables(project),
                **terms.run_variables(name, self._limit),
                "remora_record": self._record,
                "remora_digest_head": before.decode(),
                "remora_digest_tail": after.decode(),
                "remora_environment": assignments(project.environment),
                "remora_script": self._script,
                "remora_secret_names": " ".join(secrets),
            },
            secrets=secrets,
        )

    @property
    def _digested(self) -> tuple[bytes, bytes]:
        """What the digest in the record is over, before and after the commit."""
        project = self._project
        before = msgspec.json.encode((self._record, self._script, project.setup))[:-1]
        after = msgspec.json.encode((sorted(project.environment.items()), sorted(project.secrets)))[1:]
        return before + b',"', b'",' + after

    def _digest(self, commit: str) -> str:
        """Of all that decides how the script ends; of secrets only the names, since a new token changes nothing."""
        before, after = self._digested
        return sha256(before + commit.encode() + after).hexdigest()


class SetupStep(_ScriptStep):
    """The project's set-up script. Its secrets are in its environment, and nowhere else on the host."""

    def __init__(self, project: ProjectTable, secrets: SecretReader) -> None:
        super().__init__(project, "setup", script=project.setup or "", limit=project.setup_limit)
        self._secrets = secrets
        self.name = f"setup:{project.folder}"
        self.title = f"the set-up of {project.folder}"

    async def apply(self, finding: Finding, bench: Workbench, tell: Tell) -> None:
        """See :class:`~remora.flows.provision.steps.step.Step`."""
        values = {name: await self._read(name, source) for name, source in self._project.secrets.items()}
        revealed = {name: value.reveal() for name, value in values.items()}
        await self._run(finding, bench, Secret(assignments(revealed)) if revealed else None)

    def alone(self, terms: AloneTerms) -> AloneStep:
        """See :class:`~remora.flows.provision.steps.step.Step`."""
        return self._alone(self.name, self.title, terms, self._project.secrets)

    async def _read(self, name: str, source: SecretSource) -> Secret:
        if not _NAME.fullmatch(name):
            raise _no_variable(name)
        return await self._secrets.read(environment=source.environment, file=source.file, command=source.command)


class SmokeStep(_ScriptStep):
    """The project's smoke test, which has to pass. It sees no secrets."""

    def __init__(self, project: ProjectTable) -> None:
        super().__init__(project, "smoke", script=project.smoke or "", limit=project.smoke_limit)
        self.name = f"smoke:{project.folder}"
        self.title = f"the smoke test of {project.folder}"

    async def apply(self, finding: Finding, bench: Workbench, tell: Tell) -> None:
        """See :class:`~remora.flows.provision.steps.step.Step`."""
        await self._run(finding, bench, None)

    def alone(self, terms: AloneTerms) -> AloneStep:
        """See :class:`~remora.flows.provision.steps.step.Step`."""
        return self._alone(self.name, self.title, terms, {})


def assignments(values: Mapping[str, str]) -> str:
    """Shell text that exports `values`. Raises ``manifest-invalid`` for a name that no variable can have."""
    for name in values:
        if not _NAME.fullmatch(name):
            raise _no_variable(name)
    return "".join(f"{name}={shlex.quote(value)}\nexport {name}\n" for name, value in values.items())


def _no_variable(name: str) -> ConfigProblem:
    return ConfigProblem(
        Code.MANIFEST_INVALID,
        f"{name!r} cannot be the name of a variable in the environment of a project.",
        next_step="Use letters, digits and underscores.",
    )
