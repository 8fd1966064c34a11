"""What the app server and all that it runs may use, from its next start on."""

from remora.core.devbox.provision_step import Finding, StepScript, StepState
from remora.core.server.account_facts import AccountFacts
from remora.core.server.answers import Answers
from remora.core.server.server_limits import make_limits, read_limits
from remora.flows.provision.steps.alone import AloneStep, AloneTerms
from remora.flows.provision.steps.step import Tell, Workbench
from remora.wire.manifest.document import ServerTable


class LimitsStep:
    """The limits of `table` stand where every launch finds them: ours, a later ``connect`` or ``run``, the service.

    What really holds is the kernel's word about the server that runs; :class:`~.server.ServerStep` says it.
    """

    name = "limits"
    title = "limits of the app server"

    def __init__(self, table: ServerTable) -> None:
        self._wish = make_limits(table.memory, table.cpu, table.processes)

    def reading(self) -> StepScript:
        """See :class:`~remora.flows.provision.steps.step.Step`."""
        return StepScript("manager limits_read")

    async def judge(self, answers: Answers, facts: AccountFacts) -> Finding:
        """See :class:`~remora.flows.provision.steps.step.Step`."""
        there = read_limits(answers.one("file") or "")
        if there != self._wish:
            detail = f"{there.describe()} becomes {self._wish.describe()}"
            return Finding(state=StepState.DIFFERENT, detail=detail, answers=answers)
        notices = (_confined_to_login(facts),) if answers.one("linger") == "no" else ()
        return Finding(state=StepState.SAME, detail=self._wish.describe(), notices=notices, answers=answers)

    async def apply(self, finding: Finding, bench: Workbench, tell: Tell) -> None:
        """See :class:`~remora.flows.provision.steps.step.Step`."""
        script = StepScript("manager limits_apply", {"remora_wish": self._wish.text()})
        await bench.ask(script, limit=bench.world.limits.provision_step)

    def alone(self, terms: AloneTerms) -> AloneStep:
        """See :class:`~remora.flows.provision.steps.step.Step`."""
        variables = {"remora_wish": self._wish.text()}
        scripts = ("manager limits_read", "manager limits_apply")
        return AloneStep(kind="limits", name=self.name, title=self.title, scripts=scripts, variables=variables)


def _confined_to_login(facts: AccountFacts) -> str:
    return (
        "The limits apply to each process alone, because the account's service manager ends at logout. An "
        "administrator can change that with:"
        " "
        f"loginctl enable-linger {facts.account}"
    )
