"""One prompt on a host."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

from remora.core.settings import DEFAULT_SETTINGS, Settings

if TYPE_CHECKING:
    from remora.core.approval.rules import ApprovalRule
    from remora.flows.kit.stop_request import InterruptSwitch
    from remora.flows.thread.run_request import RunRequest as RunRequest
    from remora.ports import ApprovalHandler, Dialogue, TrustHandler
    from remora.wire.reports.run import RunEvent


async def run(
    alias: str,
    request: "RunRequest",
    *,
    codex: str | None = None,
    dialogue: "Dialogue | None" = None,
    approvals: "ApprovalHandler | None" = None,
    approval_rules: "Sequence[ApprovalRule]" = (),
    trust: "TrustHandler | None" = None,
    trust_folder: str | None = None,
    interrupt: "InterruptSwitch | None" = None,
    ssh_config: str | None = None,
    settings: Settings = DEFAULT_SETTINGS,
) -> "AsyncGenerator[RunEvent, None]":
    """Run one prompt on `alias` and tell what happens; the last document is the report.

    A live link of the hub is used when there is one, without another login; else, and whenever that is gone, this
    dials itself. Each reconnect decides anew.

    A request of the agent is answered by the first of `approval_rules` that answers it, else by `approvals`, else it is
    declined with a reason that the agent can read. Without `dialogue` every question while connecting is refused. What
    the repository of the folder brings (MCP servers, hooks, rules, configuration) is in force only where codex on the
    host trusts it, where `trust` says yes to exactly that content, or where `trust_folder` names its hash
    (``trust-mismatch`` for another one); never its sandbox or approval policy.
    `interrupt` stops the turn. Order and failures as in
    :func:`remora.flows.thread.run.run_thread`. Closing it early (``contextlib.aclosing``), or cancelling who
    waits for it, stops the turn as one interrupt does.
    """
    from functools import partial

    from remora import wiring
    from remora.core.server.launch_plan import LaunchRequest
    from remora.flows.approval.chain import ApprovalChain
    from remora.flows.kit.stop_request import InterruptSwitch
    from remora.flows.kit.unattended import UnattendedDialogue, UnattendedTrust
    from remora.flows.thread.run import run_thread
    from remora.flows.thread.thread_open import Opening
    from remora.flows.trust.judge import TrustRules
    from remora.hub_client.access import reach_server

    world = wiring.default_world(ssh_config, settings=settings)
    host = settings.host(alias, codex=codex)
    launch = LaunchRequest(folder=request.folder, codex=host.codex)
    rules = TrustRules(
        alias=alias, option=trust_folder, handler=trust or UnattendedTrust(), memory=wiring.trust_memory()
    )
    events = run_thread(
        partial(reach_server, alias, ssh_config, launch, world, dialogue or UnattendedDialogue(), host=host),
        request,
        alias=alias,
        approvals=ApprovalChain(rules=approval_rules, people=[approvals] if approvals else []),
        interrupt=interrupt or InterruptSwitch(),
        clock=world.clock,
        random=world.random,
        limits=world.limits,
        spool=world.spool,
        opening=Opening(request, rules),
    )
    async with aclosing(events):
        async for event in events:
            yield event


def run_request(
    prompt: str,
    *,
    folder: str | None = None,
    thread: str | None = None,
    model: str | None = None,
    effort: str | None = None,
    sandbox: str | None = None,
    approval_policy: str | None = None,
    images: Sequence[str] = (),
) -> "RunRequest":
    """A prompt for :func:`run`, with a name of its own by which it is found again after a break.

    `sandbox` and `approval_policy` are the usual names; another one, and text that Unicode has no bytes for,
    raises :class:`~remora.core.errors.UsageProblem`. `images` are data URLs or web addresses.
    """
    from uuid import uuid4

    from remora.flows.thread.run_request import read_request

    return read_request(
        prompt,
        message_id=str(uuid4()),
        folder=folder,
        thread=thread,
        model=model,
        effort=effort,
        sandbox=sandbox,
        approval_policy=approval_policy,
        images=images,
    )


def interrupt_switch() -> "InterruptSwitch":
    """What stops a :func:`run`: the first ``interrupt()`` the turn on the host, the second the watching."""
    from remora.flows.kit.stop_request import InterruptSwitch

    return InterruptSwitch()


def is_first_warning(alias: str, message: str) -> bool:
    """Whether a standing warning of the app server on `alias` was never shown on this machine; from now on it was."""
    from remora import wiring

    return wiring.told_warnings().is_news(alias, message)
