"""What the app server and all that it runs may use, from its next start on."""

from remora.core.account_facts import AccountFacts
from remora.core.answers import Answers
from remora.core.provisioning import Finding, Script, StepState
from remora.core.server_limits import enforcement_notices, make_limits, read_limits
from remora.flows.provision.step import Tell, Workbench
from remora.wire.manifest import ServerTable


class LimitsStep:
    """The limits of `table` stand where every launch finds them: ours, a later ``connect`` or ``run``, the service.

    What really holds is the kernel's word about the server that runs; :class:`~.server.ServerStep` says it when it
    starts one.
    """

    name = "limits"
    title = "limits of the app server"

    def __init__(self, table: ServerTable) -> None:
        self._wish = make_limits(table.memory, table.cpu, table.processes)
        self._told_later = table.start

    def reading(self) -> Script:
        """See :class:`~remora.flows.provision.step.Step`."""
        return Script("server_find limits_enforced limits_read")

    async def judge(self, answers: Answers, facts: AccountFacts) -> Finding:
        """See :class:`~remora.flows.provision.step.Step`."""
        there = read_limits(answers.one("file") or "")
        if there != self._wish:
            detail = f"{there.describe()} becomes {self._wish.describe()}"
            return Finding(state=StepState.DIFFERENT, detail=detail, answers=answers)
        running = answers.one("pid") is not None and not self._told_later
        notices = enforcement_notices(self._wish, answers) if running else ()
        return Finding(state=StepState.SAME, detail=self._wish.describe(), notices=notices, answers=answers)

    async def apply(self, finding: Finding, bench: Workbench, tell: Tell) -> None:
        """See :class:`~remora.flows.provision.step.Step`."""
        script = Script("limits_apply", {"remora_wish": self._wish.text()})
        await bench.ask(script, limit=bench.world.limits.provision_step)
