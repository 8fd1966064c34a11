"""The library in a few verbs. What a verb needs is imported when it is called: importing this costs nothing."""

from typing import TYPE_CHECKING

from remora.core.settings import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    from remora.wire.reports.hosts import HostsReport


def list_hosts(*, ssh_config: str | None = None) -> "HostsReport":
    """Every concrete alias of the SSH config with its file and line; executes and contacts nothing.

    `ssh_config` is a file to read instead of the usual ones, or ``none`` for no file. Raises
    :class:`~remora.core.errors.ConfigProblem` when that file cannot be read.
    """
    from remora import wiring
    from remora.flows.hosts import report_listing

    return report_listing(wiring.default_config_reader(ssh_config).read())


async def resolve_hosts(*, ssh_config: str | None = None, limits: Limits = DEFAULT_LIMITS) -> "HostsReport":
    """Like :func:`list_hosts`, and asks OpenSSH about each alias; this may run ``Match exec`` commands.

    A failure belongs to its row. Contacts nobody.
    """
    from remora import wiring
    from remora.flows.hosts import resolve_listing

    listing = wiring.default_config_reader(ssh_config).read()
    return await resolve_listing(listing, wiring.default_resolver(ssh_config, limits=limits))
