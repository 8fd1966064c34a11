"""The library in a few verbs. What a verb needs is imported when it is called: importing this costs nothing."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

from remora.core.settings import DEFAULT_SETTINGS, Settings

if TYPE_CHECKING:
    from pathlib import Path

    from remora.flows.interrupting import InterruptSwitch
    from remora.flows.linked_host import LinkedHost
    from remora.flows.run_request import RunRequest as RunRequest
    from remora.hub.access import HubLink
    from remora.ports import ApprovalHandler, Dialogue
    from remora.wire.reports.check import CheckProgress
    from remora.wire.reports.hosts import HostsReport
    from remora.wire.reports.links import (
        ConnectReport,
        ConnectResult,
        DisconnectReport,
        ForwardReport,
        HubReport,
        StatusReport,
    )
    from remora.wire.reports.plan import LaunchPlanReport
    from remora.wire.reports.run import RunEvent


def load_settings(file: str | None = None) -> Settings:
    """remora's own settings from `file`, or from the usual place; the built-in ones where that is empty.

    Raises :class:`~remora.core.errors.ConfigProblem` (``settings-invalid``).
    """
    from remora import wiring

    return wiring.load_settings(file)


def list_hosts(*, ssh_config: str | None = None) -> "HostsReport":
    """Every concrete alias of the SSH config with its file and line; executes and contacts nothing.

    `ssh_config` is a file to read instead of the usual ones, or ``none`` for no file. Raises
    :class:`~remora.core.errors.ConfigProblem` when that file cannot be read.
    """
    from remora import wiring
    from remora.flows.hosts import report_listing

    return report_listing(wiring.default_config_reader(ssh_config).read())


async def resolve_hosts(
    *,
    tell: Callable[[int, int], None] | None = None,
    ssh_config: str | None = None,
    settings: Settings = DEFAULT_SETTINGS,
) -> "HostsReport":
    """Like :func:`list_hosts`, and asks OpenSSH about each alias; this may run ``Match exec`` commands.

    A failure belongs to its row. Contacts nobody. `tell` hears after each alias how many of how many are done.
    """
    from remora import wiring
    from remora.flows.hosts import resolve_listing

    listing = wiring.default_config_reader(ssh_config).read()
    resolver = wiring.default_resolver(ssh_config, limits=settings.limits)
    return await resolve_listing(listing, resolver, tell or (lambda done, total: None))


async def check(
    aliases: Sequence[str],
    *,
    codex: str | None = None,
    dialogue: "Dialogue | None" = None,
    ssh_config: str | None = None,
    settings: Settings = DEFAULT_SETTINGS,
) -> "AsyncGenerator[CheckProgress, None]":
    """Prove hosts stage by stage, each over one connection; starts and changes nothing.

    Stages come as they are proven, a host when it is done, and one report, in the order asked, at the end.
    A failure belongs to its host. Without `dialogue` every question while connecting is refused. Use it
    under ``contextlib.aclosing`` to let go early.
    """
    from remora import wiring
    from remora.flows.check import check_hosts
    from remora.flows.unattended import UnattendedDialogue

    world = wiring.default_world(ssh_config, settings=settings)
    chosen = {alias: codex or settings.host(alias).codex for alias in aliases}
    async with aclosing(check_hosts(aliases, world, dialogue or UnattendedDialogue(), codex=chosen)) as progress:
        async for step in progress:
            yield step


async def plan(
    alias: str,
    *,
    folder: str | None = None,
    codex: str | None = None,
    dialogue: "Dialogue | None" = None,
    ssh_config: str | None = None,
    settings: Settings = DEFAULT_SETTINGS,
) -> "LaunchPlanReport":
    """What a run on `alias` would do to come to an app server; connects, reads facts, starts nothing."""
    from remora import wiring
    from remora.core.launching import LaunchRequest
    from remora.flows.connect import plan_for
    from remora.flows.unattended import UnattendedDialogue
    from remora.wire.reports.plan import plan_report

    world = wiring.default_world(ssh_config, settings=settings)
    launch = LaunchRequest(folder=folder, codex=codex or settings.host(alias).codex)
    return plan_report(alias, await plan_for(alias, launch, world, dialogue or UnattendedDialogue()))


async def run(
    alias: str,
    request: "RunRequest",
    *,
    codex: str | None = None,
    dialogue: "Dialogue | None" = None,
    approvals: "ApprovalHandler | None" = None,
    interrupt: "InterruptSwitch | None" = None,
    ssh_config: str | None = None,
    settings: Settings = DEFAULT_SETTINGS,
) -> "AsyncGenerator[RunEvent, None]":
    """Run one prompt on `alias` and tell what happens; the last document is the report.

    A live link of the hub is used when there is one, without another login; else, and whenever that is gone, this
    dials itself. Each reconnect decides anew.

    Without `approvals` every request of the agent is declined with a reason it can read; without `dialogue`
    every question while connecting is refused. `interrupt` stops the turn. Order and failures as in
    :func:`remora.flows.run.run_thread`. Use it under ``contextlib.aclosing`` to let go early: the turn then
    goes on at the host.
    """
    from functools import partial

    from remora import wiring
    from remora.core.launching import LaunchRequest
    from remora.flows.interrupting import InterruptSwitch
    from remora.flows.run import run_thread
    from remora.flows.unattended import UnattendedApprovals, UnattendedDialogue
    from remora.hub.access import reach_server

    world = wiring.default_world(ssh_config, settings=settings)
    launch = LaunchRequest(folder=request.folder, codex=codex or settings.host(alias).codex)
    events = run_thread(
        partial(reach_server, alias, ssh_config, launch, world, dialogue or UnattendedDialogue()),
        request,
        alias=alias,
        approvals=approvals or UnattendedApprovals(),
        interrupt=interrupt or InterruptSwitch(),
        clock=world.clock,
        random=world.random,
        limits=world.limits,
        spool=world.spool,
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

    from remora.flows.run_request import read_request

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
    from remora.flows.interrupting import InterruptSwitch

    return InterruptSwitch()


async def connect_hosts(
    aliases: Sequence[str],
    *,
    codex: str | None = None,
    dialogue: "Dialogue | None" = None,
    tell: "Callable[[ConnectResult], None] | None" = None,
    ssh_config: str | None = None,
    settings: Settings = DEFAULT_SETTINGS,
) -> "ConnectReport":
    """Have a live link to each host, held by the hub, which is started when none runs. A failure belongs to its host.

    `tell` hears each result as it comes; the report has them in the order asked. Without `dialogue` every question
    while connecting is refused. Raises, for all hosts together, what keeps the hub from running.
    """
    from remora.hub.client import require_hub
    from remora.hub.fleet import Fleet

    client = await require_hub(settings.limits)
    fleet = Fleet(client, ssh_config, settings, codex=codex, dialogue=dialogue, tell=tell)
    return await fleet.connect(aliases)


async def hold_hosts(
    aliases: Sequence[str],
    *,
    codex: str | None = None,
    dialogue: "Dialogue | None" = None,
    tell: "Callable[[ConnectResult], None] | None" = None,
    ssh_config: str | None = None,
    settings: Settings = DEFAULT_SETTINGS,
) -> "AsyncGenerator[ConnectReport | StatusReport, None]":
    """:func:`connect_hosts`, whose report comes first, and then the state of all links at each change.

    Links that nobody else wants are dropped when this is closed, or when this process ends: use it under
    ``contextlib.aclosing``.
    """
    from remora.hub.client import require_hub
    from remora.hub.fleet import Fleet

    client = await require_hub(settings.limits)
    fleet = Fleet(client, ssh_config, settings, codex=codex, dialogue=dialogue, tell=tell)
    async with aclosing(fleet.hold(aliases)) as states:
        async for state in states:
            yield state


async def disconnect_hosts(
    aliases: Sequence[str] | None,
    *,
    stop_server: bool = False,
    force: bool = False,
    ssh_config: str | None = None,
    settings: Settings = DEFAULT_SETTINGS,
) -> "DisconnectReport":
    """Drop the links to `aliases`, or all links for `None`. The app servers go on, unless `stop_server`.

    A server is stopped only when we started it and no turn runs; `force` interrupts what runs. Starts no hub.
    """
    from remora.hub.client import find_hub
    from remora.hub.fleet import disconnect_all

    client = await find_hub(settings.limits)
    if aliases is not None:
        names = [(alias, ssh_config) for alias in aliases]
    else:
        links = [] if client is None else (await client.status()).links
        names = [(alias, link.ssh_config) for link in links for alias in link.aliases]
    return await disconnect_all(client, names, stop_server=stop_server, force=force)


async def status(*, settings: Settings = DEFAULT_SETTINGS) -> "StatusReport":
    """All links as they are now. Starts no hub and contacts no host."""
    from remora.hub.client import find_hub
    from remora.hub.fleet import status_of

    return await status_of(await find_hub(settings.limits))


async def watch_status(*, settings: Settings = DEFAULT_SETTINGS) -> "AsyncGenerator[StatusReport, None]":
    """All links, now and at each change, through the ends and beginnings of the hub. Never ends by itself."""
    from remora.hub.watching import watch_hubs

    async with aclosing(watch_hubs(settings.limits)) as states:
        async for state in states:
            yield state


async def start_hub(*, settings: Settings = DEFAULT_SETTINGS) -> "HubReport":
    """Start the hub when none runs."""
    from remora.hub.client import find_hub, require_hub
    from remora.hub.fleet import hub_report

    running = await find_hub(settings.limits)
    return await hub_report(running or await require_hub(settings.limits), changed=running is None)


async def stop_hub(*, settings: Settings = DEFAULT_SETTINGS) -> "HubReport":
    """End the hub and all its links, asking first and then by signal; the app servers on the hosts go on."""
    from remora.hub import starting
    from remora.hub.fleet import hub_report

    return await hub_report(None, changed=await starting.stop_hub(settings.limits))


async def hub_status(*, settings: Settings = DEFAULT_SETTINGS) -> "HubReport":
    """Whether a hub runs, and which."""
    from remora.hub.client import find_hub
    from remora.hub.fleet import hub_report

    return await hub_report(await find_hub(settings.limits), changed=False)


def hub_log() -> "Path":
    """The file that the hub writes its log to, whether it is there or not."""
    from remora import wiring

    return wiring.hub_log()


@asynccontextmanager
async def connect(
    alias: str,
    *,
    codex: str | None = None,
    dialogue: "Dialogue | None" = None,
    approvals: "ApprovalHandler | None" = None,
    ssh_config: str | None = None,
    settings: Settings = DEFAULT_SETTINGS,
) -> "AsyncIterator[LinkedHost]":
    """The host `alias`, ready for threads, through whatever happens to the connection::

        async with remora.connect("devbox") as host:
            thread = await host.start_thread(cwd="/srv/app")
            async for event in thread.run("fix the failing test"):
                ...

    The hub's live link is used when there is one; else this process makes a link of its own, which is gone on leaving.
    The app server and what runs in it go on. Without `approvals` every request of the agent is declined with a reason
    it can read; without `dialogue` every question while connecting is refused. Raises what stops the first connection.
    """
    from remora import wiring
    from remora.flows.linked_host import linked_host
    from remora.flows.unattended import UnattendedApprovals, UnattendedDialogue
    from remora.hub.access import link_for

    world = wiring.default_world(ssh_config, settings=settings)
    asking = dialogue or UnattendedDialogue()
    async with (
        link_for(alias, ssh_config, world, asking, host=settings.host(alias), codex=codex) as access,
        linked_host(alias, access, world, approvals or UnattendedApprovals()) as host,
    ):
        yield host


async def bridge(
    alias: str, *, codex: str | None = None, ssh_config: str | None = None, settings: Settings = DEFAULT_SETTINGS
) -> None:
    """Speak newline-delimited JSON on standard input and output for the app server on `alias`, until either ends.

    Starts the hub and the link as needed; nobody can be asked anything. The messages are the program's own, and
    ``initialize`` is among them. Raises :class:`BrokenPipeError` when nobody reads the output any more, and as
    :func:`remora.flows.bridge.bridge`.
    """
    from remora import wiring
    from remora.flows.bridge import bridge

    clock, limits = wiring.system_clock(), settings.limits
    access = await hub_link(alias, codex=codex, ssh_config=ssh_config, settings=settings)
    with wiring.standard_streams() as client:
        await bridge(client, await access.open_server(), clock=clock, limits=limits)


async def hub_link(
    alias: str,
    *,
    codex: str | None = None,
    dialogue: "Dialogue | None" = None,
    ssh_config: str | None = None,
    settings: Settings = DEFAULT_SETTINGS,
) -> "HubLink":
    """The hub's link to `alias`, live; the hub and the link are started as needed, and stay.

    Without `dialogue` every question while connecting is refused. Raises what stopped it.
    """
    from dataclasses import replace

    from remora.hub.access import HubLink
    from remora.hub.client import require_hub

    client = await require_hub(settings.limits)
    host = settings.host(alias)
    host = host if codex is None else replace(host, codex=codex)
    connected = await client.connect(alias, ssh_config, host=host, dialogue=dialogue)
    return HubLink(client, connected.link)


async def open_forward(
    alias: str,
    port: int,
    *,
    local_port: int | None = None,
    dialogue: "Dialogue | None" = None,
    ssh_config: str | None = None,
    settings: Settings = DEFAULT_SETTINGS,
) -> "ForwardReport":
    """Reach `port` of the loopback of `alias` through a port of this machine, for as long as the hub holds the link.

    A forward that is there is used again. Without `local_port` the same number is taken, or any when that one is in
    use. Starts the hub and the link as needed. Raises ``port-taken``.
    """
    from remora.wire.reports.links import ForwardReport

    link = await hub_link(alias, dialogue=dialogue, ssh_config=ssh_config, settings=settings)
    body, changed = await link.open_forward(port, local_port)
    return ForwardReport(forwards=[body], changed=changed)


async def list_forwards(*, settings: Settings = DEFAULT_SETTINGS) -> "ForwardReport":
    """All forwarded ports; starts nothing."""
    from remora.hub.client import find_hub
    from remora.wire.reports.links import ForwardReport

    client = await find_hub(settings.limits)
    return ForwardReport(forwards=[] if client is None else await client.forward_list())


async def stop_forward(
    alias: str, port: int | None = None, *, ssh_config: str | None = None, settings: Settings = DEFAULT_SETTINGS
) -> "ForwardReport":
    """Stop the forward to `port` of `alias`, or all of them; starts nothing. The report has those that were there."""
    from remora.hub.client import find_hub
    from remora.wire.reports.links import ForwardReport

    client = await find_hub(settings.limits)
    stopped = [] if client is None else await client.forward_stop(alias, ssh_config, port)
    return ForwardReport(forwards=stopped, changed=bool(stopped))
