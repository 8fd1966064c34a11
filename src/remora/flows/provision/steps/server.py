"""The app server: started, and brought back after a reboot or not."""

import math
import re
from typing import Final

from remora.core.devbox.provision_step import Finding, StepScript, StepState
from remora.core.errors import Code, RemoraError
from remora.core.server.account_facts import AccountFacts
from remora.core.server.answers import Answers
from remora.core.server.launch_plan import LaunchRequest
from remora.core.server.server_limits import START_ANEW, enforcement_notices, read_limits
from remora.flows.provision.steps.alone import LAUNCH, AloneStep, AloneTerms
from remora.flows.provision.steps.codex_install import VERSION_LIMIT
from remora.flows.provision.steps.step import Tell, Workbench
from remora.wire.manifest.document import ServerTable

_READING: Final = "codex_program server_find limits_enforced manager server_unit server_read"
_APPLYING: Final = "codex_program manager server_unit server_unit_apply"
_VERSION: Final = re.compile(r"\d+\.\d+\.\d+\S*")
_ASKING: Final = 5
"""Seconds for one ``codex --version``."""


class ServerStep:
    """An app server runs, whoever started it; the user's service manager starts it at boot where `table` says so.

    Where it does not, a service that an earlier manifest has set up is taken away. What runs is never ended or
    replaced: a server of an older codex, with an earlier login or other limits is only told of.
    """

    name = "server"

    def __init__(self, table: ServerTable) -> None:
        self._start = table.start
        self._survive = table.survive_reboot
        at_boot = "starts at boot" if table.survive_reboot else "does not start at boot"
        self.title = "the app server runs" if table.start else f"the app server {at_boot}"

    def reading(self) -> StepScript:
        """See :class:`~remora.flows.provision.steps.step.Step`."""
        variables = {"remora_survive": "1" if self._survive else "", "remora_limit": str(math.ceil(_ASKING))}
        return StepScript(_READING, variables)

    async def judge(self, answers: Answers, facts: AccountFacts) -> Finding:
        """See :class:`~remora.flows.provision.steps.step.Step`."""
        pid = answers.one("pid")
        if not answers.one("codex") and pid is None and (self._start or self._survive):
            return Finding(state=StepState.LATER, detail="codex must be installed first", answers=answers)
        changes = ["it is started"] if self._start and pid is None else []
        if self._service_differs(answers):
            changes.append(f"the service that starts it at boot is {'set up' if self._survive else 'taken away'}")
        notices = (*self._boot_notices(answers, facts), *_server_notices(answers), *_sandbox_notices(answers))
        if changes:
            detail = "; ".join(changes)
            return Finding(state=StepState.DIFFERENT, detail=detail, notices=notices, answers=answers)
        whose = "started by remora" if answers.one("ours") == "1" else "started by another program"
        detail = f"process {pid}, {whose}" if pid else "it does not run, as configured"
        return Finding(state=StepState.SAME, detail=detail, notices=notices, answers=answers)

    async def apply(self, finding: Finding, bench: Workbench, tell: Tell) -> None:
        """See :class:`~remora.flows.provision.steps.step.Step`. A start is proven by a handshake."""
        answers = finding.answers
        if self._service_differs(answers):
            variables = {"remora_survive": "1" if self._survive else ""}
            script = StepScript(_APPLYING, variables)
            await bench.ask(script, limit=bench.world.limits.provision_step)
        if self._start and answers.one("pid") is None:
            await _start(bench)

    def alone(self, terms: AloneTerms) -> AloneStep:
        """See :class:`~remora.flows.provision.steps.step.Step`."""
        variables = {
            "remora_start_it": "1" if self._start else "",
            "remora_survive": "1" if self._survive else "",
            "remora_limit": VERSION_LIMIT,
        }
        scripts = (_READING, _APPLYING, LAUNCH)
        return AloneStep(kind="server", name=self.name, title=self.title, scripts=scripts, variables=variables)

    def _service_differs(self, answers: Answers) -> bool:
        if not self._survive:
            return answers.one("unit") == "unwanted"
        return answers.one("manager") == "1" and not _has_service(answers)

    def _boot_notices(self, answers: Answers, facts: AccountFacts) -> tuple[str, ...]:
        notice = ""
        if not self._survive:
            return ()
        if answers.one("manager") != "1":
            notice = (
                "The app server does not start after a reboot: this account has no service manager (systemd --user). "
                "The next connect or run starts it."
            )
        elif _has_service(answers) and answers.one("linger") != "yes":
            notice = (
                "After a reboot the app server starts only when the account logs in. An administrator can change "
                "that with:"
                f" loginctl enable-linger {facts.account}"
            )
        return (notice,) if notice else ()


def _has_service(answers: Answers) -> bool:
    return answers.one("unit") == "same" and answers.one("enabled") == "enabled"


def _server_notices(answers: Answers) -> tuple[str, ...]:
    """What is not as wished about a server that runs, and stays so because nothing that runs is ended."""
    if answers.one("pid") is None:
        return ()
    notices = []
    old, new = (_VERSION.search(answers.one(key) or "") for key in ("version", "version.installed"))
    if old and new and old[0] != new[0]:
        notices.append(
            f"The running app server is codex {old[0]}, and {new[0]} is installed. It was not restarted, because that "
            f"ends turns; {START_ANEW}"
        )
    if answers.one("login") == "newer":
        notices.append(
            "The running app server was started before codex was signed in as it is now, and goes on with the login "
            "of that time until it is restarted."
        )
    return (*notices, *enforcement_notices(read_limits(answers.one("wish") or ""), answers))


def _sandbox_notices(answers: Answers) -> tuple[str, ...]:
    """A server whose commands cannot be confined runs; whoever works with it has to know."""
    if answers.one("sandbox") != "refused":
        return ()
    policy = "; ".join((*answers.all("sandbox.detail"), *answers.all("sandbox.setting")))
    return (f"{Code.SANDBOX_UNUSABLE.value}: the host forbids user namespaces, so sandboxed commands fail ({policy})",)


async def _start(bench: Workbench) -> None:
    """Launch or adopt, as any client does; a server that would end with the connection is no success."""
    try:
        await _launch(bench)
    except RemoraError as error:
        if error.code is not Code.CHANNEL_REFUSED:
            raise
        await bench.release()  # a host with MaxSessions 1: the launch needs the session that the bench has
        await _launch(bench)


async def _launch(bench: Workbench) -> None:
    world = bench.world
    request = LaunchRequest(sees_agent=False)  # what was lent is for git alone, and ends with this connection
    from remora.flows.server.launch import open_app_server  # what it needs takes long to load, and few hosts need it

    opening = open_app_server(
        bench.host, request, clock=world.clock, limits=world.limits, nonce=world.nonce, lasting=True
    )
    async with opening:
        pass  # it has answered the handshake
