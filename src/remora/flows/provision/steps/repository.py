"""A repository at a ref in a folder of the host; work that was done there is never lost."""

import re
from typing import Final

from remora.core.devbox.provision_step import Finding, StepScript, StepState
from remora.core.errors import Code, ProvisionProblem
from remora.core.server.account_facts import AccountFacts
from remora.core.server.answers import Answers
from remora.flows.provision.steps.alone import AloneStep, AloneTerms
from remora.flows.provision.steps.step import Tell, Workbench
from remora.wire.manifest.document import ProjectTable

_READ: Final = "git repository_read"
_APPLY: Final = "git repository_apply"
_PATIENCE: Final = 20
"""Seconds for asking the origin where a branch is."""
_SAFE_REF: Final = re.compile(r"(?!-)(?!.*\.\.)(?!.*@\{)[^\x00-\x20\x7f~^:?*\[\\]+")


class RepositoryStep:
    """The folder holds the project's repository, at its ref: a branch, a tag or a commit.

    What is there is only moved forward: changes, commits that nobody else has, and folders that are something else
    block the step. A branch that is ahead of its origin holds all that is wished, and is left alone.
    """

    def __init__(self, project: ProjectTable) -> None:
        self._project = project
        self.name = f"project:{project.folder}"
        self.title = f"the repository in {project.folder}"

    def reading(self) -> StepScript:
        """See :class:`Step`. Only a branch needs a word with the origin."""
        return StepScript(_READ, git_variables(self._project, patience=_PATIENCE))

    async def judge(self, answers: Answers, facts: AccountFacts) -> Finding:
        """See :class:`~remora.flows.provision.steps.step.Step`."""
        problem = self.unusable() or self._impossible(answers)
        if problem is not None:
            return Finding.blocked(problem, answers)
        project, state = self._project, answers.one("state")
        if state in ("absent", "empty"):
            detail = f"clone {project.repository} at {project.ref} into {answers.one('folder')}"
            return Finding(state=StepState.DIFFERENT, detail=detail, answers=answers)
        return self._judge_tree(answers)

    async def apply(self, finding: Finding, bench: Workbench, tell: Tell) -> None:
        """See :class:`Step`. A clone appears all at once; an update only goes forward."""
        answers = finding.answers
        variables = {
            **git_variables(self._project),
            "remora_lent_agent": answers.one("agent") or "",
            "remora_wish": answers.one("wish") or "",
            "remora_target": answers.one("target") or "",
            "remora_branch": answers.one("target-branch") or "",
        }
        await bench.run(StepScript(_APPLY, variables), limit=bench.world.limits.setup)

    def alone(self, terms: AloneTerms) -> AloneStep:
        """See :class:`~remora.flows.provision.steps.step.Step`."""
        if (problem := self.unusable()) is not None:
            raise problem
        return AloneStep(
            kind="repository",
            name=self.name,
            title=self.title,
            scripts=(_READ, _APPLY, "run"),
            variables={**git_variables(self._project), **terms.run_variables(self.name)},
            programs=("git",),
        )

    # -- what is there

    def unusable(self) -> ProvisionProblem | None:
        """Why no host can make it true; `None` when one may."""
        project = self._project
        if project.repository.startswith("-") or not _SAFE_REF.fullmatch(project.ref):
            return ProvisionProblem(
                Code.REPOSITORY_FAILED,
                f"{project.ref!r} of {project.repository!r} is not a valid git name.",
                next_step="Name a branch, a tag or a commit in ref.",
            )
        return None

    def _impossible(self, answers: Answers) -> ProvisionProblem | None:
        """What this host has to be rid of first."""
        project, state, folder = self._project, answers.one("state"), answers.one("folder") or self._project.folder
        if state == "no-git":
            return ProvisionProblem(
                Code.TOOL_MISSING,
                f"The host has no git, which {self.title} needs.",
                next_step="Install git there, then run it again.",
            )
        if state not in ("absent", "empty", "repository"):
            return _left_alone(folder, "is not the top folder of a repository", answers.one("detail") or "")
        if state == "repository" and answers.one("origin") != project.repository:
            origin = answers.one("origin") or "no origin"
            return _left_alone(folder, "is another repository", f"its origin: {origin}\nmanifest: {project.repository}")
        if project.forward_agent and not answers.one("agent"):
            return ProvisionProblem(
                Code.REPOSITORY_FAILED,
                "The host has no SSH agent, but the manifest forwards one for this repository.",
                next_step="Start ssh-agent here and load a key (ssh-add -l), and allow agent forwarding on the host.",
            )
        return None

    def _judge_tree(self, answers: Answers) -> Finding:
        folder, ref = answers.one("folder") or self._project.folder, self._project.ref
        target, head = answers.one("target"), answers.one("head") or ""
        if target is None:
            return Finding.blocked(_unanswered(self.title, answers.one("unanswered") or ""), answers)
        branch = answers.one("target-branch") if answers.one("wish") == "branch" else None
        on_branch = branch is None or answers.one("branch") == branch
        if on_branch and head == target:
            notices = ("It has changes that are not committed.",) if answers.one("changed") else ()
            return _same(f"{folder} is at {ref}, {_short(head)}", answers, notices)
        relation = answers.one("relation")
        if branch is not None and on_branch and relation == "ahead":
            notices = (f"{folder} has commits that its origin does not have yet.",)
            return _same(f"{folder} is ahead of {ref}, at {_short(head)}", answers, notices)
        if answers.one("changed"):
            return Finding.blocked(_would_lose(folder, "has changes", answers.one("changed") or ""), answers)
        if answers.one("stray") is not None:
            return Finding.blocked(_would_lose(folder, "is at a commit that no branch holds", _short(head)), answers)
        if branch is not None and on_branch and relation == "apart":
            return Finding.blocked(_would_lose(folder, f"has a {branch} of its own", _short(head)), answers)
        detail = f"{folder}: {ref}, {_short(head) or 'nothing'} becomes {_short(target)}"
        return Finding(state=StepState.DIFFERENT, detail=detail, answers=answers)


def git_variables(project: ProjectTable, *, patience: int | None = None) -> dict[str, str]:
    """What ``git.sh`` needs, and the scripts of a repository with it."""
    return {
        "remora_folder": project.folder,
        "remora_repository": project.repository,
        "remora_ref": project.ref,
        "remora_lend": "1" if project.forward_agent else "",
        "remora_patience": "" if patience is None else str(patience),
    }


def _same(detail: str, answers: Answers, notices: tuple[str, ...]) -> Finding:
    return Finding(state=StepState.SAME, detail=detail, notices=notices, answers=answers)


def _short(commit: str) -> str:
    return commit[:10]


def _left_alone(folder: str, what: str, seen: str) -> ProvisionProblem:
    return ProvisionProblem(
        Code.REPOSITORY_CHANGED,
        f"{folder} on the host {what}, so it was not changed.",
        seen=seen,
        next_step="Move it away on the host, or name another folder in the manifest.",
    )


def _would_lose(folder: str, what: str, seen: str) -> ProvisionProblem:
    return ProvisionProblem(
        Code.REPOSITORY_CHANGED,
        f"{folder} on the host {what}, which an update would lose; it was not changed.",
        seen=seen,
        next_step="Commit and push that work, or move it away, then run it again.",
    )


def _unanswered(title: str, seen: str) -> ProvisionProblem:
    return ProvisionProblem(
        Code.REPOSITORY_FAILED,
        f"The host could not read the branches and tags of the origin of {title}.",
        seen=seen,
        next_step="Run git ls-remote on the host; it needs network access to the origin, its host key and credentials.",
    )
