"""The codex program on a host: an install of ours, the host's own installer's, or whatever is there."""

import shlex
from typing import Final

from remora.core.devbox.provision_step import Finding, StepScript, StepState
from remora.core.errors import AppServerProblem, Code, RemoraError
from remora.core.server.account_facts import AccountFacts
from remora.core.server.answers import Answers, whole_number
from remora.core.server.platforms import codex_build
from remora.flows.provision.steps.alone import AloneStep, AloneTerms, host_program
from remora.flows.provision.steps.codex_install import (
    VERSION_LIMIT,
    Install,
    install_name,
    install_variables,
    package_variables,
)
from remora.flows.provision.steps.step import Tell, Workbench
from remora.ports import Package, Packages, Platform
from remora.wire.manifest.document import INSTALLED, CodexSource, CodexTable

_FOUND: Final = "codex_found codex_version"
_READ: Final = "codex_places codex_read"
_INSTALL: Final = (
    "codex_transfer codex_prepare",
    "codex_transfer alone/part",
    "codex_transfer codex_take codex_install",
    "codex_transfer codex_switch",
)
"""What installs a package on a host alone."""


class CodexStep:
    """codex as `table` says. Installs of ours lie side by side; the newest that is proven becomes the current one in
    one moment, and no server is restarted for it.
    """

    name = "codex"

    def __init__(self, table: CodexTable, packages: Packages) -> None:
        self._table = table
        self._packages = packages

    @property
    def title(self) -> str:
        """See :class:`~remora.flows.provision.steps.step.Step`."""
        if self._table.source is CodexSource.NONE:
            return "codex as installed"
        return "the installed codex" if self._table.version == INSTALLED else f"codex {self._table.version}"

    def reading(self) -> StepScript:
        """See :class:`~remora.flows.provision.steps.step.Step`."""
        if not self._table.is_ours:
            return StepScript(_FOUND, {"remora_limit": VERSION_LIMIT})
        return StepScript(_READ, {"remora_location": self._table.location})

    async def judge(self, answers: Answers, facts: AccountFacts) -> Finding:
        """See :class:`Step`. Fetches the package unless the host has that version."""
        if not self._table.is_ours:
            return self._judge_found(answers)
        try:
            codex_build(facts.os, facts.architecture)
            version = await self._version(facts)
            if _is_same(answers, self._table, version):
                return _same(answers)
            package = await self._fetch(version, facts)
        except RemoraError as error:
            return Finding.blocked(error, answers)
        if answers.one("state") == "intact" and answers.one("content") == package.content:
            return _same(answers)
        return _different(answers, package)

    async def apply(self, finding: Finding, bench: Workbench, tell: Tell) -> None:
        """See :class:`~remora.flows.provision.steps.step.Step`."""
        table = self._table
        if table.installer:
            script = StepScript("codex_command", {"remora_command": table.installer})
            await bench.run(script, limit=bench.world.limits.setup)
            await bench.release()  # what the installer did to the PATH shows in the next login shell
            return
        package = await self._fetch(await self._version(bench.facts), bench.facts)
        await Install(package, self._packages, install_variables(table)).make(bench)

    def alone(self, terms: AloneTerms) -> AloneStep:
        """See :class:`~remora.flows.provision.steps.step.Step`."""
        table = self._table
        if not table.is_ours:
            return AloneStep(
                kind="found",
                name=self.name,
                title=self.title,
                scripts=(_FOUND, "codex_command", "run"),
                variables={
                    "remora_wished_version": table.number,
                    "remora_command": table.installer,
                    "remora_left_alone": "1" if table.source is CodexSource.NONE else "",
                    "remora_limit": VERSION_LIMIT,
                    "remora_long": terms.long,
                },
            )
        cases = "".join(_package_case(package, terms.fetched(package)) for package in terms.shipments)
        versions = sorted({package.version for package in terms.shipments})
        return AloneStep(
            kind="codex",
            name=self.name,
            title=f"codex {', '.join(versions)}",
            scripts=(_READ, *(f"codex_places {rest}" for rest in _INSTALL)),
            functions=("config",),
            variables={**install_variables(table), "remora_fetcher": host_program("codex_fetch")},
            setting=f"remora_package() {{\ncase $1 in\n{cases}*) return 1 ;;\nesac\n}}\n",
            brings_archive=True,
        )

    async def _version(self, facts: AccountFacts) -> str:
        table = self._table
        if table.source is CodexSource.FILE:
            return table.version  # the file says itself what it is
        return await self._packages.find_version(table.source.value, table.version, _platform(facts))

    async def _fetch(self, version: str, facts: AccountFacts) -> Package:
        table = self._table
        return await self._packages.fetch(
            table.source.value, version, _platform(facts), file=table.file, digest=table.digest
        )

    def _judge_found(self, answers: Answers) -> Finding:
        table = self._table
        first, said = answers.one("first"), answers.one("first.version") or ""
        if table.source is CodexSource.NONE:
            return Finding(state=StepState.SAME, detail=f"unchanged; {_found(answers)}", answers=answers)
        if first and answers.one("first.status") == "0" and (not table.number or table.number in said.split()):
            return Finding(state=StepState.SAME, detail=_found(answers), answers=answers)
        if table.installer:
            detail = f"the host's own installer runs; {_found(answers)}"
            return Finding(state=StepState.DIFFERENT, detail=detail, answers=answers)
        error = _nothing_usable(answers)
        return Finding.blocked(error, answers)


def _platform(facts: AccountFacts) -> Platform:
    return Platform(os=facts.os, architecture=facts.architecture)


def _is_same(answers: Answers, table: CodexTable, version: str) -> bool:
    """Whether the host has it for certain, without the package at hand; a file may have changed under its name."""
    return (
        table.source is not CodexSource.FILE
        and answers.one("state") == "intact"
        and answers.one("version") == version
        and answers.one("source") == table.source
        and (table.digest is None or answers.one("pin") == table.digest)
    )


def _same(answers: Answers) -> Finding:
    current = answers.one("folder")
    notices = tuple(
        f"A running program still uses codex {_version_in(name, answers)}. It continues; new programs use"
        f" {answers.one('version')}."
        for name in answers.all("used")
        if name != current
    )
    detail = f"{answers.one('version')} at {answers.one('current')}"
    return Finding(state=StepState.SAME, detail=detail, notices=notices, answers=answers)


def _different(answers: Answers, package: Package) -> Finding:
    before, state = answers.one("version"), answers.one("state")
    if state == "damaged":
        detail = f"{before} is damaged; {package.version} replaces it"
    elif before is None:
        detail = f"{package.version} is new"
    else:
        detail = f"{before} becomes {package.version}"
    arrived = 0
    for part in answers.all("part"):
        name, _, size = part.partition(" ")
        if name.startswith(package.digest[:12]):
            arrived = min(whole_number(size) or 0, package.size)
    is_kept = state != "damaged" and install_name(package) in answers.all("install")
    sends = 0 if is_kept else package.packed * (package.size - arrived) // package.size
    if arrived and not is_kept:
        detail += f"; {arrived} of {package.size} bytes are already on the host"
    return Finding(state=StepState.DIFFERENT, detail=detail, sends=sends, answers=answers)


def _version_in(name: str, answers: Answers) -> str:
    return name.partition(f"-{answers.one('kind')}-")[0]


def _found(answers: Answers) -> str:
    """What the login shell finds, and what else is there: the wrong one of several is a usual trouble."""
    first, others = answers.one("first"), answers.all("found")[1:]
    if first is None:
        return "none is on the PATH"
    said = answers.one("first.version") or "no version"
    also = f"; behind it on the PATH: {', '.join(others)}" if others else ""
    return f"{said} at {first}{also}"


def _nothing_usable(answers: Answers) -> RemoraError:
    first = answers.one("first")
    if first is not None:
        return AppServerProblem(
            Code.CODEX_UNUSABLE,
            f"{first} does not run: codex --version ended with status {answers.one('first.status')}.",
            seen=answers.one("first.version") or "",
            next_step="Repair it on the host, or name a version in [codex] to install.",
        )
    unusable = answers.all("unusable")
    return AppServerProblem(
        Code.CODEX_MISSING,
        "codex is not on the PATH of the login shell, and the manifest names no version to install.",
        seen="\n".join(f"{path} is there but cannot be run" for path in unusable),
        next_step="Install codex on the host, or name a version in [codex] to install.",
    )


def _package_case(package: Package, fetched: str) -> str:
    values = {**package_variables(package), "remora_fetch": fetched}
    lines = "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
    return f"{package.platform.name})\n{lines};;\n"
