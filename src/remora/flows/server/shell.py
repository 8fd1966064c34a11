"""A conversation with one /bin/sh on the host, in the environment of the account's login shell."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from importlib.resources import files
from typing import Any, Final

from remora.core.errors import Code, RemoraError, ShellProblem, TimeLimit
from remora.core.server import scripts, shell_faults
from remora.core.server.answers import AnswerReader, Answers, without_escapes
from remora.core.server.probes import HostFacts, read_facts
from remora.core.server.shell_faults import Silence
from remora.core.settings import Limits
from remora.core.text import decode
from remora.flows.kit.handover import Handover
from remora.flows.kit.timeout import dismiss, within_or_none
from remora.ports import ByteStream, Clock, RemoteHost, RemoteProcess

_GRACE: Final = 2.0
"""Seconds that a stuck shell gets to show that the end of its input moves it."""
_LAST_GRACE: Final = 5.0
"""Seconds that a script gets to end what it runs for a user, once its input has ended."""
_PROBE: Final = ("places", "account", "lock", "sockets", "service", "provision/marker", "probe")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeRequest:
    """What the probe looks for beyond the usual: the folder of the work and the codex to use, as typed.

    With `relay` it looks for a Python that can run the relay, with `prove` it has codex read its configuration, too.
    """

    folder: str | None = None
    codex: str | None = None
    relay: bool = False
    prove: bool = False


class _Halt(Enum):
    """Why collecting answers stopped."""

    ANSWERED = auto()
    ENDED = auto()
    SILENT = auto()
    LATE = auto()


class RemoteShell:
    """One exec channel: it answers the probe, takes follow-up scripts, and may become the byte path itself."""

    def __init__(self, host: RemoteHost, process: RemoteProcess, nonce: str, *, clock: Clock, limits: Limits) -> None:
        self._host = host
        self._process = process
        self._nonce = nonce
        self._clock = clock
        self._limits = limits
        self._reader = AnswerReader(nonce, noise_limit=limits.noise)
        self._noise_came = asyncio.Event()
        self._finished = False
        self._handed_over = False

    async def probe(self, request: ProbeRequest) -> HostFacts:
        """Prove the shell, enter the login shell's environment, and read the facts. First, and once.

        Raises, classified: ``shell-replaced``, ``shell-waits-for-input``, ``shell-never-ends``,
        ``shell-failed``, ``unsupported-remote-os``, ``time-limit``.
        """
        variables = {
            "remora_folder": request.folder or "",
            "remora_codex": request.codex or "",
            "remora_relay": "1" if request.relay else "",
            "remora_prove": "1" if request.prove else "",
            "remora_limit": str(max(math.ceil(self._limits.probe / 4), 1)),
        }
        answers = await self.enter("probe", variables, [shipped(name) for name in _PROBE], limit=self._limits.probe)
        return read_facts(answers)

    async def enter(self, name: str, variables: Mapping[str, str], texts: Sequence[str], *, limit: float) -> Answers:
        """Prove the shell, enter the login shell's environment and run `texts` there, in one flight. First, and once.

        A host that never answered as a shell is said hello to before: a menu or a device is sent nothing else. They are
        to be done `limit` seconds after the login shell is. Raises as :meth:`probe` does.
        """
        limits = self._limits
        texts = [shipped("prelude"), shipped("entry"), *texts]
        opening, halt = scripts.opening_lines(), _Halt.ANSWERED
        if self._is_unknown():
            halt = await self._introduce(opening)
            opening = ""
        if halt is _Halt.ANSWERED:
            await self._send(opening + scripts.first_script(self._nonce, variables, texts))
            halt = await self._collect(silence=limits.shell_silence, total=limits.shell_total, until="env")
        if halt is _Halt.ANSWERED and self._reader.ended is None:
            halt = await self._collect(silence=limit, total=limit, until="end")
        answers = self._reader.answers
        problem: RemoraError | None = shell_faults.entry_problem(answers, self.noise)
        if problem is None and halt is not _Halt.ANSWERED:
            problem = await self._stuck(halt, name, limit)
        if problem is not None:
            raise shell_faults.too_many_processes(self._reader.answers, self.noise) or problem
        if (shells := self._host.facts.shells) is not None:
            shells.note(self._host.facts)
        return answers

    def _is_unknown(self) -> bool:
        """Whether it may be another program than a shell that reads there."""
        facts = self._host.facts
        return facts.shells is not None and not facts.shells.knows(facts)

    async def _introduce(self, opening: str) -> _Halt:
        """Send the opening lines, and see that a shell reads them."""
        limits = self._limits
        await self._send(opening + scripts.hello(self._nonce))
        return await self._collect(silence=limits.shell_silence, total=limits.shell_total, until="hello")

    async def ask(self, name: str, variables: Mapping[str, str], *, limit: float, uses: Sequence[str] = ()) -> Answers:
        """Run one of our scripts, after those that it `uses`, in the shell that probed, and give its answers.

        Raises ``shell-failed`` when the shell ends instead, ``time-limit`` after `limit` seconds.
        """
        await self.begin(scripts.script(variables, [shipped(part) for part in (*uses, name)]))
        return await self.answer(name, limit=limit)

    async def begin(self, text: str, *, listen: Callable[[bytes], None] | None = None) -> None:
        """Give the shell that was entered a script; `listen` hears what is no answer as it comes."""
        self._reader.begin(listen)
        await self._send(text)

    async def answer(self, name: str, *, limit: float, until: str = "end") -> Answers:
        """Wait until the script that was begun has ended, or has given the answer `until`; all answers so far.

        Raises as :meth:`ask` does.
        """
        halt = await self._collect(silence=limit, total=limit, until=until)
        if halt is _Halt.ANSWERED:
            return self._reader.answers
        if halt is _Halt.ENDED:
            raise shell_faults.too_many_processes(self._reader.answers, self.noise) or ShellProblem(
                Code.SHELL_FAILED,
                f"The shell on the host ended while it ran the {_spoken(name)} script.",
                seen=self.noise,
                next_step="Try again; if it fails again, find out what ends processes on the host.",
            )
        raise TimeLimit(
            Code.TIME_LIMIT,
            f"The host did not finish the {_spoken(name)} script within {limit:g} seconds.",
            seen=self.noise,
            next_step="Try again, or raise --timeout.",
        )

    async def write(self, data: bytes) -> None:
        """Send what the script that was begun reads from its standard input."""
        await self._process.write(data)

    async def end_input(self) -> None:
        """Nothing more comes; what the shell still says is read as before."""
        await _offer(self._process, b"", end=True)

    async def cut(self) -> None:
        """End the shell in the middle of a script: the end of its input, a moment for that to work, then by force."""
        self._finished = True
        with suppress(RemoraError):  # the connection may be what ended it
            await self._end(_LAST_GRACE)
        await self._process.kill()

    async def become(self, words: Sequence[str]) -> ByteStream:
        """Turn this very channel into the program `words`: its standard input and output, nothing before it."""
        self._reader.begin()
        await self._send(scripts.becoming(words))
        halt = await self._collect(silence=self._limits.channel, total=self._limits.channel, until="end")
        if halt is not _Halt.ANSWERED:
            raise ShellProblem(
                Code.SHELL_FAILED,
                "The shell on the host did not start the connection to the app server.",
                seen=self.noise,
                next_step="Try again.",
            )
        self._finished = True
        self._handed_over = True
        return Handover(self._reader.rest(), self._process, self.end_input)

    async def finish(self) -> None:
        """End the shell and wait until the host says that it is gone; what it started detached goes on.

        A shell that stays is no error: it is cut off in the end. Raises what a lost connection raises.
        """
        if not self._finished:
            self._finished = True
            await self._end(self._limits.channel)

    async def close(self) -> None:
        """Let go of the channel. What it became gets the end of its input and a moment to end by itself."""
        if self._handed_over:
            with suppress(RemoraError):  # closing is what follows in any case
                await self._end(_GRACE)
        await self._process.close()

    async def _end(self, seconds: float) -> None:
        await _offer(self._process, b"", end=True)
        ending = asyncio.ensure_future(self._process.wait())
        draining = asyncio.ensure_future(self._drain_output())
        alarm = asyncio.ensure_future(self._clock.sleep(seconds))
        waiting: tuple[asyncio.Future[Any], ...] = (ending, alarm)
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if ending.done():
                ending.result()
        finally:
            await dismiss(ending, draining, alarm)

    async def drain_errors(self) -> None:
        """Keep standard error flowing into the noise. Run by :func:`open_shell`."""
        try:
            while data := await self._process.read_error():
                self._reader.add_noise(data)
                self._noise_came.set()
        except RemoraError:
            pass  # whoever reads standard output learns the same

    async def _send(self, text: str) -> None:
        await _offer(self._process, text.encode("utf-8", "surrogateescape"))

    @property
    def nonce(self) -> str:
        """The word that answers begin with."""
        return self._nonce

    @property
    def noise(self) -> str:
        """The newest of what was no answer."""
        return without_escapes(decode(self._reader.noise))

    async def _drain_output(self) -> None:
        while await self._process.read():
            pass

    async def _collect(self, *, silence: float, total: float, until: str) -> _Halt:
        """Feed the reader until the answer `until` (or the end) is there; bytes of any kind reset `silence`."""
        deadline = self._clock.monotonic() + total
        reading: asyncio.Future[bytes] | None = None
        noise: asyncio.Future[bool] | None = None
        try:
            while not self._has(until):
                reading = reading or asyncio.ensure_future(self._process.read())
                noise = noise or asyncio.ensure_future(self._noise_came.wait())
                left = deadline - self._clock.monotonic()
                alarm = asyncio.ensure_future(self._clock.sleep(max(min(silence, left), 0)))
                try:
                    waiting: tuple[asyncio.Future[Any], ...] = (reading, noise, alarm)
                    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    await dismiss(alarm)
                moved = False
                if noise.done():
                    self._noise_came.clear()
                    noise, moved = None, True
                if reading.done():
                    data = reading.result()
                    if not data:
                        return _Halt.ENDED
                    self._reader.feed(data)
                    reading, moved = None, True
                if self._clock.monotonic() >= deadline and not self._has(until):
                    return _Halt.LATE if moved else _Halt.SILENT
                if not moved:
                    return _Halt.SILENT
            return _Halt.ANSWERED
        finally:
            await dismiss(*(task for task in (reading, noise) if task is not None))
            # Who waits here may be sent away in the very moment in which an answer has come.
            if reading is not None and not reading.cancelled() and reading.exception() is None:
                self._reader.feed(reading.result())

    def _has(self, key: str) -> bool:
        return self._reader.ended is not None or self._reader.answers.one(key) is not None

    async def _stuck(self, halt: _Halt, name: str, limit: float) -> RemoraError:
        """Find out why the shell did not come to the end of our script. Leaves nothing running."""
        answers = self._reader.answers
        if answers.one("env") is not None:
            return TimeLimit(
                Code.TIME_LIMIT,
                f"The {name} on the host did not end within {limit:g} seconds.",
                seen=self.noise,
                next_step="Find out what hangs on the host (file systems, codex --version), or raise --timeout.",
            )
        if answers.one("entry.ready") is not None:
            # Our script stands behind the login shell, ready to end it when our input ends.
            await _offer(self._process, b"stop\n", end=True)
            await self._collect(silence=_GRACE, total=_GRACE, until="end")
            problem = shell_faults.entry_problem(self._reader.answers, self.noise)
            return problem or shell_faults.talked_on(self.noise)
        if halt is _Halt.LATE:
            await self._process.kill()
            return shell_faults.talked_on(self.noise)
        if halt is _Halt.SILENT:
            await _offer(self._process, b"", end=True)
            grace = min(_GRACE, self._limits.shell_silence)
            after = await self._collect(silence=grace, total=grace, until="end")
            await self._process.kill()
            silence = Silence.MOVED if after in {_Halt.ENDED, _Halt.ANSWERED} else Silence.STAYED
            suspects = await self._suspects() if silence is Silence.MOVED else ()
            return shell_faults.went_silent(silence, suspects, self.noise)
        status = (await self._process.wait()).status
        await self._process.close()
        return shell_faults.ended_without_answer(status, await self._suspects(), self.noise)

    async def _suspects(self) -> tuple[str, ...]:
        """Ask once more, in a way that survives a shell in the wrong place: any shell reads this command."""
        limit = min(_GRACE, self._limits.shell_silence)
        try:
            process = await self._host.start(("/bin/sh", "-c", shell_faults.RC_LINES))
        except RemoraError:
            return ()
        try:
            return await within_or_none(self._clock, limit, _read_suspects(process)) or ()
        except RemoraError:
            return ()
        finally:
            await process.kill()


@asynccontextmanager
async def open_shell(
    host: RemoteHost, *, clock: Clock, limits: Limits, nonce: Callable[[], str]
) -> AsyncIterator[RemoteShell]:
    """One exec for everything: /bin/sh reading our scripts from standard input.

    `nonce` gives a random word of hexadecimal digits. On leaving, the channel is closed. Raises what
    :meth:`RemoteHost.start` raises.
    """
    word = nonce()
    process = await host.start(("exec", "/bin/sh", "-s", word))
    shell = RemoteShell(host, process, word, clock=clock, limits=limits)
    draining = asyncio.ensure_future(shell.drain_errors())
    try:
        yield shell
    finally:
        await shell.close()
        await dismiss(draining)


@cache
def shipped(name: str) -> str:
    """The text of one of our scripts, such as ``probe`` or ``provision/common``."""
    return files("remora.remote").joinpath(f"{name}.sh").read_text("utf-8")


def _spoken(name: str) -> str:
    """The script itself, without those that it needs."""
    return name.rpartition(" ")[2]


async def _offer(process: RemoteProcess, data: bytes, *, end: bool = False) -> None:
    """Write to a process that may have ended already; reading from it then tells how, and whether the link is lost."""
    with suppress(RemoraError):
        await process.write(data)
        if end:
            await process.write_eof()


async def _read_suspects(process: RemoteProcess) -> tuple[str, ...]:
    await _offer(process, shell_faults.RC_LINES.encode() + b"\n", end=True)
    output = b""
    while data := await process.read():
        output = (output + data)[-65536:]
    return shell_faults.suspects_in(decode(output))
