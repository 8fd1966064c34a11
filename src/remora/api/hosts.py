"""Hosts: named, proven, and how they would be reached."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

from remora.core.settings import DEFAULT_SETTINGS, Settings

if TYPE_CHECKING:
    from remora.ports import Dialogue
    from remora.wire.reports.check import CheckProgress
    from remora.wire.reports.hosts import HostsReport
    from remora.wire.reports.plan import LaunchPlanReport


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
    from remora.flows.host.hosts import report_listing

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
    from remora.flows.host.hosts import resolve_listing

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
    from remora.flows.kit.unattended import UnattendedDialogue
    from remora.flows.readiness.check import check_hosts

    world = wiring.default_world(ssh_config, settings=settings)
    chosen = {alias: settings.host(alias, codex=codex).codex for alias in aliases}
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
    from remora.core.server.launch_plan import LaunchRequest
    from remora.flows.kit.unattended import UnattendedDialogue
    from remora.flows.server.connect import plan_for
    from remora.wire.reports.plan import plan_report

    world = wiring.default_world(ssh_config, settings=settings)
    launch = LaunchRequest(folder=folder, codex=settings.host(alias, codex=codex).codex)
    return plan_report(alias, await plan_for(alias, launch, world, dialogue or UnattendedDialogue()))
