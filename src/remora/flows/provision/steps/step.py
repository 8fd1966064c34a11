"""What one step of provisioning is, and the bench it works at."""

from collections.abc import AsyncIterator, Callable
from typing import Protocol

from remora.core.devbox.provision_step import Finding, StepScript
from remora.core.secrets import Secret
from remora.core.server.account_facts import AccountFacts
from remora.core.server.answers import Answers
from remora.flows.provision.steps.alone import AloneStep, AloneTerms
from remora.ports import RemoteHost, World

Tell = Callable[[int, int, str], None]
"""Progress within a step: bytes sent, bytes in all, a line that a script wrote (raw)."""


class Workbench(Protocol):
    """One host's shell, in the environment of its login shell, over the one SSH session that the run needs.

    All methods raise what a lost connection raises, ``time-limit`` when the host is not done in `limit` seconds
    (and then nothing of it runs on there), and ``provision-failed`` when a script says ``failed=REASON``.
    """

    @property
    def facts(self) -> AccountFacts: ...

    @property
    def world(self) -> World: ...

    @property
    def host(self) -> RemoteHost:
        """The connection, for what the shell cannot do; a host with ``MaxSessions 1`` refuses more sessions on it."""
        ...

    async def ask(self, script: StepScript, *, limit: float) -> Answers:
        """Run a script that ends soon, and give its answers."""
        ...

    async def run(self, script: StepScript, *, limit: float, secret: Secret | None = None) -> Answers:
        """Run something of the user's, which may take long and write much: its lines are progress, the tail is kept
        as `Answers.one("tail")`, the whole as a log in the host's state folder. `secret` is what it reads on standard
        input. It has no terminal, runs in a process group of its own, and is ended with it at the limit.
        """
        ...

    async def send(self, script: StepScript, data: AsyncIterator[bytes], *, size: int) -> Answers:
        """Run a script that takes exactly `size` bytes from its standard input once it has said ``go``.

        Counts as progress. Gives up when no byte moves for ``limits.provision_stall``.
        """
        ...

    async def release(self) -> None:
        """Let go of the shell, for a host that has one session only; the next call opens another one."""
        ...


class Step(Protocol):
    """One thing that is to be true of a host.

    A step knows its wish and nothing else; it keeps no state between calls. Reading never changes anything, and all
    readings of a host travel in one flight. After :meth:`apply` the engine reads again: what is then not SAME failed.
    """

    @property
    def name(self) -> str:
        """Stable and unique within a host, for scripts: ``codex``, ``path``, ``config``, ``project:~/src/app``."""
        ...

    @property
    def title(self) -> str:
        """What it is for people, a few words: ``codex 0.163.0``, ``sign in with an API key``."""
        ...

    def reading(self) -> StepScript:
        """What to ask the host; changes nothing there."""
        ...

    async def judge(self, answers: Answers, facts: AccountFacts) -> Finding:
        """Compare. `answers` are those of :meth:`reading` alone, without the step's prefix.

        Asks this machine at most (which version is the latest, how large a package is), never the host.
        """
        ...

    async def apply(self, finding: Finding, bench: Workbench, tell: Tell) -> None:
        """Make it true, atomically: on any failure the old state is untouched or finished by the next run."""
        ...

    def alone(self, terms: AloneTerms) -> AloneStep:
        """The same for an engine that is not remora. Raises what no host could carry out."""
        ...
