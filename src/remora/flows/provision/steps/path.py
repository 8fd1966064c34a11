"""codex visible to the login shell that will launch it."""

from typing import Final

from remora.core.devbox.path_lines import path_line
from remora.core.devbox.provision_step import Finding, StepScript, StepState
from remora.core.errors import AppServerProblem, Code, ProvisionProblem, RemoraError
from remora.core.server.account_facts import AccountFacts
from remora.core.server.answers import Answers
from remora.flows.provision.steps.alone import AloneStep, AloneTerms
from remora.flows.provision.steps.step import Tell, Workbench
from remora.wire.manifest.document import CodexTable, PathChange, PathTable

_READ: Final = "codex_places codex_found path_read"


class PathStep:
    """The codex of `codex` is the one that a login shell finds: by a link in a folder on its PATH, or by one marked
    line in its start-up file where `table` allows that. Nothing foreign is replaced.
    """

    name = "path"
    title = "codex on the PATH"

    def __init__(self, codex: CodexTable, table: PathTable) -> None:
        self._codex = codex
        self._table = table

    def reading(self) -> StepScript:
        """See :class:`~remora.flows.provision.steps.step.Step`."""
        variables = {
            "remora_location": self._codex.location,
            "remora_managed": "1" if self._codex.is_ours else "",
            "remora_wished": self._table.folder or "",
        }
        return StepScript(_READ, variables)

    async def judge(self, answers: Answers, facts: AccountFacts) -> Finding:
        """See :class:`Step`. What counts is the file in the end, whatever leads to it."""
        first, target = answers.one("first"), answers.one("target")
        real = answers.one("target.real")
        managed = self._codex.is_ours
        if first and (not managed or (real and answers.one("first.real") == real)):
            others = answers.all("found")[1:]
            behind = f"; behind it: {', '.join(others)}" if others else ""
            return Finding(state=StepState.SAME, detail=f"the login shell finds {first}{behind}", answers=answers)
        if not target:
            return Finding(state=StepState.LATER, detail="codex is not installed yet", answers=answers)
        place, line = answers.one("place"), self._line(answers)
        if self._table.how is PathChange.LINK and place:
            made = " in a new folder" if answers.one("place.missing") else ""
            detail = f"{place}/codex becomes a link to {target}{made}"
            return Finding(state=StepState.DIFFERENT, detail=detail, answers=answers)
        if self._table.allow_shell_edit and line is not None and line != answers.one("line"):
            detail = f"{answers.one('file')} gets a line: {line}"
            return Finding(state=StepState.DIFFERENT, detail=detail, answers=answers)
        if managed and not real and line is not None and line == answers.one("line"):
            # Somebody removed our installs. What the line does is known when one is there again.
            detail = f"{answers.one('file')} already has the line; its codex is not installed"
            return Finding(state=StepState.LATER, detail=detail, answers=answers)
        if managed and self._table.how is PathChange.LINK and (hidden := answers.one("hidden")):
            return _judge_hidden(hidden, answers)
        error = _not_on_path(answers, self._table, facts)
        return Finding.blocked(error, answers)

    async def apply(self, finding: Finding, bench: Workbench, tell: Tell) -> None:
        """See :class:`Step`. The next reading is that of a new login shell."""
        await self._make(finding.answers, bench)
        if finding.answers.one("place.missing"):  # that a start-up file would put it on the PATH was only a hope
            again = await self.judge(
                await bench.ask(self.reading(), limit=bench.world.limits.provision_step), bench.facts
            )
            if again.state is StepState.DIFFERENT:
                await self._make(again.answers, bench)

    def alone(self, terms: AloneTerms) -> AloneStep:
        """See :class:`~remora.flows.provision.steps.step.Step`."""
        variables = {
            **self.reading().variables,
            "remora_by": self._table.how.value,
            "remora_edit": "1" if self._table.allow_shell_edit else "",
        }
        scripts = (_READ, "codex_places path_link", "codex_places path_line")
        return AloneStep(kind="path", name=self.name, title=self.title, scripts=scripts, variables=variables)

    async def _make(self, answers: Answers, bench: Workbench) -> None:
        variables = {
            "remora_location": self._codex.location,
            "remora_target": answers.one("target") or "",
            "remora_place": answers.one("place") or self._hidden(answers),
            "remora_file": answers.one("file") or "",
            "remora_line": self._line(answers) or "",
        }
        how = "path_link" if self._table.how is PathChange.LINK and variables["remora_place"] else "path_line"
        await bench.ask(StepScript(f"codex_places {how}", variables), limit=bench.world.limits.provision_step)
        await bench.release()

    def _hidden(self, answers: Answers) -> str:
        """The folder that only remora looks into, unless a line makes codex visible."""
        lined = self._table.allow_shell_edit and self._line(answers) is not None
        return "" if lined else answers.one("hidden") or ""

    def _line(self, answers: Answers) -> str | None:
        target = answers.one("target") or ""
        return path_line(answers.one("shell") or "", target.rpartition("/")[0])


def _judge_hidden(folder: str, answers: Answers) -> Finding:
    """No folder on the PATH takes a link: codex lies where remora looks for it all the same."""
    link, real = f"{folder}/codex", answers.one("target.real")
    notice = (
        f"remora finds codex at {link}, but the login shell does not: its PATH has no folder for a link. To change "
        "that, allow a line in"
        f" {answers.one('file')}: --allow-shell-edit, or allow_shell_edit in [path]."
    )
    if real and answers.one("hidden.real") == real:
        return Finding(state=StepState.SAME, detail=f"remora finds {link}", notices=(notice,), answers=answers)
    detail = f"{link} becomes a link to {answers.one('target')}, where remora finds it"
    return Finding(state=StepState.DIFFERENT, detail=detail, notices=(notice,), answers=answers)


def _not_on_path(answers: Answers, table: PathTable, facts: AccountFacts) -> RemoraError:
    closed = answers.one("closed")
    if closed and not table.folder:
        return ProvisionProblem(
            Code.PLACE_UNUSABLE,
            f"{facts.home} cannot be written, so codex cannot be put on the PATH of the login shell.",
            seen=closed,
            next_step='Make it writable; or name another codex.location, say how = "none" in [path], and use --codex.',
        )
    shadow, foreign, elsewhere = answers.one("shadow"), answers.one("foreign"), answers.one("elsewhere")
    edit = "allow a line in a start-up file: allow_shell_edit = true in [path], or --allow-shell-edit with --codex"
    if foreign:
        message = f"{foreign} already exists and is not a link made by remora."
        next_step = f"Move it away, name another folder in [path], or {edit}."
    elif shadow:
        message = f"The login shell finds {shadow} first, and no folder before it on the PATH takes a link."
        next_step = f"Remove that codex, put a folder of the account before it on the PATH, or {edit}."
    elif elsewhere:
        message = f"{elsewhere} is not on the PATH of the login shell."
        next_step = f"Name a folder on that PATH, or {edit}."
    elif table.how is PathChange.LINE or answers.one("line"):
        message = f"A line in {answers.one('file')} does not put codex on the PATH of the login shell."
        next_step = "Check how that file and later start-up files set PATH, and allow a line (allow_shell_edit)."
    elif hidden := answers.one("hidden.foreign"):
        message = f"{hidden} already exists and is not a link made by remora."
        next_step = f"Move it away, or {edit}."
    elif hidden := answers.one("hidden.closed"):
        message = f"{hidden} is not a writable folder of this account, so no link can be made there."
        next_step = f"Make it a writable folder, or {edit}."
    else:
        message = "No folder on the PATH of the login shell allows a link of this account."
        next_step = f"Put ~/.local/bin on its PATH, or {edit}."
    return AppServerProblem(Code.NOT_ON_PATH, message, seen=f"PATH={facts.path}", next_step=next_step)
