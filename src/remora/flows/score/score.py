"""The readiness scorecard of one host and one folder: measured over one connection, judged here."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from remora.core.devbox.provision_step import StepScript
from remora.core.errors import (
    Code,
    ProvisionProblem,
    RemoraError,
    ShellProblem,
    TaskFailed,
    TimeLimit,
    Unreachable,
)
from remora.core.host.hosts import Notice
from remora.core.score import judges, permissions
from remora.core.score.project_commands import (
    LOOKED_INTO,
    READ_FILES,
    Chore,
    ProjectCommand,
    find_commands,
    read_documents,
    read_project,
)
from remora.core.score.scorecard import Item, Result, percent, unknown
from remora.core.server.answers import Answers
from remora.core.server.launch_plan import LaunchRequest
from remora.flows.host.dial import connect_host
from remora.flows.provision.bench import Bench, open_bench
from remora.flows.score.score_server import ScoredFolder, measure_server, not_measured
from remora.flows.server.launch import AppServer, open_app_server
from remora.flows.trust.judge import TrustRules
from remora.ports import Dialogue, RemoteHost, World
from remora.wire.reports import error_body, notice_bodies
from remora.wire.reports.score import ScoreReport, group_bodies, rounded, unknown_names

_CLEANING: Final = 60.0
_NOT_RUN: Final = "not run, as requested"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRequest:
    """What to measure. `given` are commands that count more than those found; without `run` nothing of the project's
    is executed. Each of its commands may take `limit` seconds. `minimum`: a score below it fails. `trust`: who says
    whether what the repository brings is in force.
    """

    folder: str
    codex: str | None = None
    given: Mapping[Chore, str] = field(default_factory=dict)
    run: bool = True
    limit: float
    minimum: float | None = None
    trust: TrustRules = field(default_factory=TrustRules)


async def score_host(
    alias: str, request: ScoreRequest, world: World, dialogue: Dialogue, *, tell: Callable[[str], None]
) -> ScoreReport:
    """Measure, and judge what was measured. Nothing of the folder is changed, and the scratch folder is gone after it.

    `tell` hears what is being measured. Raises what keeps the host out of reach, and ``folder-missing``.
    """
    began = world.clock.monotonic()
    async with connect_host(alias, world, dialogue, lend_agent=False) as host:  # code of the repository runs there
        async with open_bench(host, world) as bench:
            card = _Card(request, bench, tell)
            await card.measure_folder()
            account = bench.facts.account
            await bench.release()  # the host may allow one session at a time
        server = await card.measure_server(host)
        return _report(alias, request, card, host, server, account=account, seconds=world.clock.monotonic() - began)


class _Card:
    """The items of one run, as they are measured."""

    def __init__(self, request: ScoreRequest, bench: Bench, tell: Callable[[str], None]) -> None:
        self._request = request
        self._bench = bench
        self._world = bench.world
        self._tell = tell
        self._seen = Answers(())
        self._scratch = f"scorecard-{self._world.nonce()[:12]}"
        self.items: list[Item] = []
        self.notices: list[Notice] = []

    @property
    def folder(self) -> str:
        """The folder as the host calls it."""
        return self._seen.one("folder.path") or ""

    @property
    def commit(self) -> str | None:
        """What HEAD is there."""
        return self._seen.one("commit") or None

    async def measure_folder(self) -> None:
        """All that needs no server."""
        self._tell(f"looking at {self._request.folder}")
        reading = StepScript("git score_read", {**self._git, **_names()})
        (self._seen,) = await self._bench.survey([reading])
        if self._seen.one("folder.state") != "ok":
            raise _no_folder(self.folder or self._request.folder, self._seen)
        guides = read_documents(self._seen.all("guide"))
        project = read_project(self._seen.one("files") or "", self._seen.all("project"))
        commands = find_commands(project, self._request.given)
        tests = await self._environment(commands)
        self.items += [judges.judge_guides(guides, self.folder), judges.judge_named(guides, commands, self.folder)]
        self.items += [
            permissions.judge_secrets(kind, self._seen.all(f"secret.{kind}"), self.folder)
            for kind in ("account", "repository")
        ]
        self.items += [judges.judge_tests(tests), *self._review()]

    # -- environment

    async def _environment(self, commands: Mapping[Chore, ProjectCommand]) -> Item:
        """The project's own commands on a clean checkout; the item of its tests."""
        checkout = judges.checkout_item(self.folder)
        chores = [judges.chore_item(chore, commands.get(chore)) for chore in Chore]
        why = self._no_checkout() if self._request.run else (_NOT_RUN, "Run it without --no-run.")
        if why is not None:
            chores = [unknown(item, *why) for item in chores]
            self.items += [unknown(checkout, *why), *chores]
            return chores[-1]
        try:
            checkout = await self._check_out(checkout)
            for index, chore in enumerate(Chore):
                chores[index] = await self._chore(chores[index], commands.get(chore), checkout)
        finally:
            await self._clean()
        self.items += [checkout, *chores]
        return chores[-1]

    def _no_checkout(self) -> tuple[str, str] | None:
        state = self._seen.one("git")
        if state == "missing":
            return "git is not installed on the host", "Install git on the host."
        if state == "none":
            return self._seen.one("git.detail") or "not a git repository", "Make it a git repository with a commit."
        return None if self.commit else ("the repository has no commit yet", "Commit the project.")

    async def _check_out(self, item: Item) -> Item:
        try:
            await self._bench.ask(StepScript("score_scratch", self._place), limit=self._world.limits.provision_step)
        except ProvisionProblem as error:
            return not_measured(item, error)
        return await self._run(item, StepScript("git score_checkout", {**self._git, **self._place}))

    async def _chore(self, item: Item, command: ProjectCommand | None, checkout: Item) -> Item:
        if checkout.result is not Result.PASS:
            return unknown(item, "the clean checkout failed", "")
        if command is None:
            return judges.judge_missing(item)
        variables = {**self._place, "remora_command": command.line, "remora_work": self._seen.one("prefix") or "."}
        return await self._run(item, StepScript("score_command", variables))

    async def _run(self, item: Item, script: StepScript) -> Item:
        """Run what may take long, and judge how it ended."""
        clock, limit = self._world.clock, self._request.limit
        self._tell(f"{item.name}: {item.command}")
        self._bench.attend(item.title, f"score-{item.name}", lambda sent, total, line: None)
        began = clock.monotonic()
        try:
            answers = await self._bench.run(script, limit=limit)
        except TimeLimit as error:
            return judges.judge_run(item, status=None, said=error.seen, seconds=clock.monotonic() - began, limit=limit)
        except ProvisionProblem as error:
            return not_measured(item, error)
        code = answers.one("code") or answers.one("status") or ""
        status = int(code) if code.isdecimal() else 1
        said = (answers.one("tail") or "").strip()
        if status and (log := answers.one("log")) not in (None, "/dev/null"):
            said = f"{said}\nthe whole output on the host: {log}".strip()
        return judges.judge_run(item, status=status, said=said, seconds=clock.monotonic() - began, limit=limit)

    async def _clean(self) -> None:
        """Also when this is cancelled; where the connection is gone, the guard on the host does it."""
        with suppress(RemoraError):
            answers = await self._bench.ask(StepScript("score_clean", self._place), limit=_CLEANING)
            if (left := answers.one("left")) is not None:
                message = f"The scratch folder cannot be removed by this account; remove it on the host: {left}"
                self.notices.append(Notice("scratch-left", message))

    # -- review

    def _review(self) -> list[Item]:
        seen, folder = self._seen, self.folder
        changes = judges.judge_changes(
            seen.one("changes") or "", seen.one("size") or "", seen.one("largest") or "", folder
        )
        base = judges.judge_base(
            seen.one("base"),
            seen.one("base.commit") or "",
            seen.one("base.size") or "",
            folder,
            remote=seen.one("base.remote") is not None,
        )
        why = self._no_checkout()
        if why is None:
            return [changes, base]
        if seen.one("git") == "missing":
            return [unknown(item, *why) for item in (changes, base)]
        return [judges.no_repository(item, why[0]) for item in (changes, base)]

    # -- what the server says

    async def measure_server(self, host: RemoteHost) -> AppServer | None:
        """The items that only the app server can tell; unknown where there is none."""
        self._tell("asking the app server")
        world, scored = self._world, self._scored
        launch = LaunchRequest(folder=self.folder, codex=self._request.codex)
        try:
            async with open_app_server(
                host, launch, clock=world.clock, limits=world.limits, nonce=world.nonce
            ) as server:
                async for item in measure_server(scored, server.rpc, server.version, self._note_trust):
                    self.items.append(item)
                return server
        except Unreachable:
            raise
        except RemoraError as error:
            had = {item.name for item in self.items}
            self.items += [not_measured(item, error) for item in scored.items if item.name not in had]
            return None

    def _note_trust(self, sentence: str) -> None:
        self.notices.append(Notice("repository-in-force", sentence))

    @property
    def _scored(self) -> ScoredFolder:
        seen = self._seen
        found = {name: seen.one(f"sandbox.{name}") for name in (permissions.INSIDE, permissions.OUTSIDE)}
        return ScoredFolder(
            folder=self.folder,
            top=seen.one("top") or self.folder,
            places={name: place for name, place in found.items() if place is not None},
            file=f".{self._scratch}",
            run=self._request.run,
            trust=self._request.trust,
        )

    # -- what scripts are given

    @property
    def _git(self) -> dict[str, str]:
        seen = self._seen
        return {
            "remora_folder": seen.one("folder.path") or self._request.folder,
            "remora_patience": "",
            "remora_lend": "",
            "remora_top": seen.one("top") or "",
            "remora_commit": seen.one("commit") or "",
        }

    @property
    def _place(self) -> dict[str, str]:
        return {"remora_scratch": self._scratch}


def _names() -> dict[str, str]:
    return {
        "remora_read_files": " ".join(READ_FILES),
        "remora_folders": " ".join(LOOKED_INTO),
        "remora_guides": " ".join(judges.GUIDES),
    }


def _report(
    alias: str,
    request: ScoreRequest,
    card: _Card,
    host: RemoteHost,
    server: AppServer | None,
    *,
    account: str,
    seconds: float,
) -> ScoreReport:
    score, minimum = percent(card.items), request.minimum
    error = _below(alias, score, minimum) if minimum is not None and (score is None or score < minimum) else None
    missing = unknown_names(card.items)
    return ScoreReport(
        ok=error is None,
        exit_code=int(error.exit_code) if error is not None else 0,
        alias=alias,
        hostname=host.facts.hostname,
        account=account,
        folder=card.folder,
        commit=card.commit,
        codex=server.version if server is not None else None,
        score=rounded(score),
        minimum=minimum,
        known=len(card.items) - len(missing),
        count=len(card.items),
        seconds=round(seconds, 2),
        groups=group_bodies(card.items),
        unknown=missing,
        error=error_body(error) if error is not None else None,
        notices=notice_bodies((*(server.notices if server is not None else host.facts.notices), *card.notices)),
    )


def _below(alias: str, score: float | None, minimum: float) -> RemoraError:
    measured = "No item could be measured" if score is None else f"The score is {rounded(score):g} of 100"
    return TaskFailed(
        Code.SCORE_BELOW,
        f"{measured}, and the minimum is {minimum:g}.",
        next_step="Follow the next steps of the incomplete items, then measure again.",
        host=alias,
    )


def _no_folder(path: str, answers: Answers) -> RemoraError:
    words = {"file": "is not a folder", "closed": "cannot be read by this account"}
    what = words.get(answers.one("folder.state") or "", "does not exist")
    return ShellProblem(
        Code.FOLDER_MISSING,
        f"The folder {path} on the host {what}.",
        next_step="Name the folder of the project: remora score ALIAS:DIR",
    )
