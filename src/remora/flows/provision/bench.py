"""The bench that steps work at: one shell on the host for all of them, and what moves is told."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any, Final

from remora.core.devbox.provision_step import StepScript, log_name
from remora.core.devbox.script_failures import script_problem
from remora.core.errors import Code, ProvisionProblem, TimeLimit, own_failure
from remora.core.secrets import Secret
from remora.core.server import scripts
from remora.core.server.account_facts import AccountFacts
from remora.core.server.answers import Answers, without_escapes
from remora.core.server.markers import Marker, read_marker
from remora.core.server.shell_faults import program_killed
from remora.core.text import decode
from remora.flows.kit.timeout import dismiss
from remora.flows.provision import texts
from remora.flows.provision.steps.step import Tell
from remora.flows.server.shell import RemoteShell, open_shell, shipped
from remora.ports import RemoteHost, World

_MARGIN: Final = 15.0
"""Seconds that a script with a limit of its own on the host gets beyond it, to end what it started and to say so."""
_LONG: Final = 7 * 24 * 3600.0
"""A wait that something else bounds."""
_TAIL: Final = 1800
"""Characters of output that a failure shows: so few that nothing behind us cuts them once more."""
_SHOWN: Final = 2000
"""The longest line that is told whole."""
_LINE: Final = 65536
"""Bytes that may wait for the end of their line."""
_STEP: Final = "it"
"""Prefix of the answers of a script that runs alone."""


class Bench:
    """A :class:`remora.flows.provision.steps.step.Workbench`. One task at a time works at it.

    A shell that cannot be used any more (a transfer broke off in it, a script hung) is replaced by the next call, on
    the same connection. :attr:`generation` counts shells: a lock counts only as long as the shell that took it.
    """

    def __init__(self, host: RemoteHost, world: World) -> None:
        self._host = host
        self._world = world
        self._limits = world.limits
        self._shells = AsyncExitStack()
        self._shell: RemoteShell | None = None
        self._facts: AccountFacts | None = None
        self._what = "the survey"
        self._log_name = "run"
        self._tell: Tell = lambda sent, total, line: None
        self._ahead: list[str] = []
        self.generation = 0
        self.marker: Marker | None = None
        """As the newest survey found it."""

    # -- for steps

    @property
    def facts(self) -> AccountFacts:
        """See :class:`~remora.flows.provision.steps.step.Workbench`; there after the first :meth:`survey`."""
        if self._facts is None:
            raise RuntimeError("the bench was used before its first survey")
        return self._facts

    @property
    def world(self) -> World:
        """See :class:`~remora.flows.provision.steps.step.Workbench`."""
        return self._world

    @property
    def host(self) -> RemoteHost:
        """See :class:`~remora.flows.provision.steps.step.Workbench`."""
        return self._host

    async def ask(self, script: StepScript, *, limit: float) -> Answers:
        """See :class:`~remora.flows.provision.steps.step.Workbench`."""
        answers = await self._fly(texts.watched(texts.part(_STEP, script)), name=script.name, limit=limit)
        return self._judged(answers.under(_STEP))

    async def run(self, script: StepScript, *, limit: float, secret: Secret | None = None) -> Answers:
        """See :class:`Workbench`. ``status`` is how the script ended, ``log`` its log."""
        data = secret.reveal().encode() if secret is not None else b""
        shell = await self._entered()
        variables = {
            "remora_text": texts.alone(_STEP, script, self.facts, shell.nonce),
            "remora_name": self._log_name,
            "remora_limit": str(max(math.ceil(limit), 1)),
            "remora_size": str(len(data)),
        }
        lines = _Lines(lambda line: self._tell(0, 0, line))
        await shell.begin(
            self._script(texts.part(_STEP, StepScript("run", variables), channel=True), script.name), listen=lines.take
        )
        try:
            if data:
                answers = await shell.answer(script.name, limit=self._limits.provision_step, until=f"{_STEP}.go")
                if answers.one("end") is None:
                    await shell.write(data)
            answers = (await shell.answer(script.name, limit=limit + _MARGIN)).under(_STEP)
        except BaseException:
            await self._drop(shell)
            raise
        lines.finish()
        answers = answers.with_pair("tail", lines.tail)
        if answers.one("limited") is not None:
            raise TimeLimit(
                Code.TIME_LIMIT,
                f"{self._what} did not end within {limit:g} seconds on the host, so remora ended it.",
                seen=_with_log(answers),
                next_step="Raise its time limit in the manifest, or find out what hangs.",
            )
        judged = self._judged(answers)
        if judged.one("status") is None:
            raise program_killed(self._what, seen=_with_log(answers))
        return judged

    async def send(self, script: StepScript, data: AsyncIterator[bytes], *, size: int) -> Answers:
        """See :class:`~remora.flows.provision.steps.step.Workbench`."""
        shell = await self._entered()
        sized = replace(script, variables={**script.variables, "remora_size": str(size)})
        await shell.begin(self._script(texts.part(_STEP, sized, channel=True), script.name))
        try:
            answers = await shell.answer(script.name, limit=self._limits.provision_step, until=f"{_STEP}.go")
            if answers.one("end") is None and not await self._feed(shell, script.name, data, size):
                await shell.end_input()  # the host wants no more of it, and what comes next must not be the rest
                self._shell = None
            answers = await shell.answer(script.name, limit=self._limits.provision_step)
        except BaseException:
            await self._drop(shell)
            raise
        return self._judged(answers.under(_STEP))

    async def release(self) -> None:
        """See :class:`~remora.flows.provision.steps.step.Workbench`."""
        if self._shell is not None:
            await self._shell.finish()
        await self.close()

    # -- for the engine

    def attend(self, what: str, name: str, tell: Tell) -> None:
        """From now on the bench works for the step with the title `what`, and progress goes to `tell`."""
        self._what, self._tell = what, tell
        self._log_name = log_name(name)

    def queue(self, script: StepScript) -> None:
        """Let `script`, whose answers nobody awaits, run before the next one, in the same flight."""
        self._ahead.append(texts.part("ahead", script))

    async def survey(
        self, readings: Sequence[StepScript], *, first: Sequence[StepScript] = (), wait: float = 0.0
    ) -> tuple[Answers, ...]:
        """In one flight run `first`, then all `readings`, and look at the marker; the answers of each, in order.

        `wait` is how long `first` may take more than the usual. The first survey of a host learns its :attr:`facts`,
        too. A reading that fails raises nothing: its answers have ``failed``.
        """
        parts = [texts.part(f"s{index}", script) for index, script in enumerate((*first, *readings))]
        told_at_once = texts.gathered("".join((*parts[len(first) :], "remora_emit_marker\n")))
        text = texts.watched("".join((*parts[: len(first)], told_at_once)))
        answers = await self._fly(text, name="survey", limit=self._limits.provision_step + wait)
        self.marker = read_marker(answers)
        return tuple(answers.under(f"s{index}") for index in range(len(parts)))

    async def close(self) -> None:
        """Let go of the shell; what runs in it ends."""
        self._shell = None
        await self._shells.aclose()

    # -- inside

    async def _fly(self, text: str, *, name: str, limit: float) -> Answers:
        """Run `text` in the shell, which is opened when there is none: then all in the same flight."""
        if self._shell is None:
            return await self._enter(text, name=name, limit=limit)
        shell = self._shell
        await shell.begin(self._script(text, name))
        try:
            return await shell.answer(name, limit=limit)
        except BaseException:
            await self._drop(shell)
            raise

    async def _enter(self, text: str, *, name: str, limit: float) -> Answers:
        await self._shells.aclose()
        world = self._world
        opening = open_shell(self._host, clock=world.clock, limits=world.limits, nonce=world.nonce)
        shell = await self._shells.enter_async_context(opening)
        self.generation += 1
        before = ("places", "account", *texts.FUNCTIONS, "provision/agent", "provision/tools")
        first = [shipped(part) for part in before]
        try:
            all_texts = [*first, "remora_emit_account\n", self._with_ahead(text), texts.end(name)]
            answers = await shell.enter(name, {}, all_texts, limit=limit)
            if missing := answers.all("tool.missing"):
                raise _lacks(missing)
        except BaseException:
            await self._drop(shell)
            raise
        self._facts = AccountFacts.read(answers)
        self._shell = shell
        return answers

    async def _entered(self) -> RemoteShell:
        if self._shell is not None:
            return self._shell
        await self._enter("", name="survey", limit=self._limits.provision_step)
        return await self._entered()

    async def _drop(self, shell: RemoteShell) -> None:
        """Whatever runs in this shell is ended; the next call opens another one."""
        self._shell = None
        await shell.cut()

    def _script(self, text: str, name: str) -> str:
        return scripts.script({}, [self._with_ahead(text), texts.end(name)])

    def _with_ahead(self, text: str) -> str:
        ahead, self._ahead = "".join(self._ahead), []
        return ahead + text

    async def _feed(self, shell: RemoteShell, name: str, data: AsyncIterator[bytes], size: int) -> bool:
        """Send `data`; false when the host said, before all was sent, that it wants no more."""
        moved = asyncio.Event()
        sending: asyncio.Future[Any] = asyncio.ensure_future(self._pump(shell, data, size, moved))
        # What the script says while bytes travel is either that it has ended early, or for later.
        hearing = asyncio.ensure_future(shell.answer(name, limit=_LONG, until=f"{_STEP}.ended"))
        try:
            while True:
                moved.clear()
                alarm = asyncio.ensure_future(self._world.clock.sleep(self._limits.provision_stall))
                moving = asyncio.ensure_future(moved.wait())
                try:
                    await asyncio.wait({sending, hearing, alarm, moving}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    await dismiss(alarm, moving)
                if sending.done():
                    sending.result()
                    return True
                if hearing.done():
                    hearing.result()
                    return False
                if not moved.is_set():
                    raise _stalled(self._what, self._limits.provision_stall)
        finally:
            await dismiss(sending, hearing)

    async def _pump(self, shell: RemoteShell, data: AsyncIterator[bytes], size: int, moved: asyncio.Event) -> None:
        sent = 0
        async for piece in data:
            sent += len(piece)
            if sent > size:
                break
            await shell.write(piece)
            moved.set()
            self._tell(sent, size, "")
        if sent != size:
            error = ValueError(f"{sent} bytes instead of {size}")
            raise own_failure("remora's transfer", error, next_step="Report it in remora's issue tracker.")

    def _judged(self, answers: Answers) -> Answers:
        seen = _with_log(answers)
        problem = script_problem(answers, what=self._what, seen=seen)
        if problem is not None:
            raise problem
        return answers


@asynccontextmanager
async def open_bench(host: RemoteHost, world: World) -> AsyncIterator[Bench]:
    """A bench at `host`; the one exec channel is opened by its first call and closed on leaving."""
    bench = Bench(host, world)
    try:
        yield bench
    finally:
        await bench.close()


class _Lines:
    """Output as it comes: whole lines for `tell`, the newest of them as :attr:`tail`.

    A line is never cut in the middle of a word, since nobody knows half a secret as one.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._begun = b""
        self._told = ""

    @property
    def tail(self) -> str:
        """The newest of the lines that have been told."""
        if len(self._told) <= _TAIL:
            return self._told
        newest = self._told[-_TAIL:]
        return newest.partition("\n")[2] or newest.partition(" ")[2]

    def take(self, data: bytes) -> None:
        """The next piece, wherever it was cut; an empty one ends the line."""
        if not data:
            self.finish()
            return
        self._begun += data
        end = max(self._begun.rfind(b"\n"), self._begun.rfind(b"\r")) + 1
        self._pass_on(end if len(self._begun) - end < _LINE else len(self._begun))

    def finish(self) -> None:
        """What has come is a whole line."""
        self._pass_on(len(self._begun))

    def _pass_on(self, end: int) -> None:
        text, self._begun = without_escapes(decode(self._begun[:end])), self._begun[end:]
        self._told = (self._told + text)[-2 * _TAIL :]
        for line in text.splitlines():
            if line.strip():
                self._tell(line if len(line) <= _SHOWN else f"{line[:_SHOWN].rpartition(' ')[0]} …")


def _lacks(tools: Sequence[str]) -> ProvisionProblem:
    return ProvisionProblem(
        Code.TOOL_MISSING,
        f"The host lacks programs that every provisioning needs: {', '.join(tools)}.",
        next_step="Install them there (coreutils, grep, sed, mawk, findutils; or busybox), then run it again.",
    )


def _with_log(answers: Answers) -> str:
    log = answers.one("log")
    whole = f"\nThe whole log on the host: {log}" if log and log != "/dev/null" else ""
    return (answers.one("tail") or "").rstrip("\n") + whole


def _stalled(what: str, seconds: float) -> TimeLimit:
    return TimeLimit(
        Code.TIME_LIMIT,
        f"The host read no data for {seconds:g} seconds during the transfer for {what}; the host keeps the received "
        "part.",
        next_step="Run it again; it continues where it stopped.",
    )
