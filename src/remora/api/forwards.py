"""Ports of hosts at ports of this machine."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from remora.api.links import hub_link
from remora.core.settings import DEFAULT_SETTINGS, Settings

if TYPE_CHECKING:
    from remora.ports import Dialogue
    from remora.wire.reports.links import EgressBody, ForwardBody, ForwardReport


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


async def open_egress(
    alias: str,
    destinations: Sequence[str] = (),
    *,
    to: str | None = None,
    port: int | None = None,
    password: bool = True,
    dialogue: "Dialogue | None" = None,
    ssh_config: str | None = None,
    settings: Settings = DEFAULT_SETTINGS,
) -> "ForwardReport":
    """Let `alias` reach `destinations`, or with `to` one of them directly, through this machine, while the link lasts.

    On the host a port of its loopback is opened, `port` or any, and opened again after each reconnect. Unless
    `password` is false the proxy there wants one, which is in the report's `url`. What this process has in HTTPS_PROXY
    and NO_PROXY holds for the way onward. Starts the hub and the link as needed. Raises ``usage``, ``egress-refused``.
    """
    import os

    from remora.core.link.egress import EgressRequest, check_request
    from remora.wire.reports.links import ForwardReport

    def said(*names: str) -> str | None:
        return next((value for name in names if (value := os.environ.get(name))), None)

    request = EgressRequest(
        destinations=tuple(destinations),
        to=to,
        port=port,
        password=password,
        proxy=said("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"),
        no_proxy=said("NO_PROXY", "no_proxy"),
    )
    check_request(request)
    link = await hub_link(alias, dialogue=dialogue, ssh_config=ssh_config, settings=settings)
    body, changed = await link.open_egress(request)
    return ForwardReport(forwards=[], egresses=[body], changed=changed)


async def list_forwards(*, settings: Settings = DEFAULT_SETTINGS) -> "ForwardReport":
    """All forwarded ports; starts nothing. Those whose name means another place now say so, and which."""
    from remora.hub_client.find import find_hub
    from remora.wire.reports.links import ForwardReport

    client = await find_hub(settings.limits)
    if client is None:
        return ForwardReport(forwards=[])
    found = await client.forward_list()
    await _compare([*found.forwards, *found.egresses], settings)
    return ForwardReport(forwards=found.forwards, egresses=found.egresses)


async def stop_forward(
    alias: str,
    port: int | None = None,
    *,
    local_port: int | None = None,
    ssh_config: str | None = None,
    settings: Settings = DEFAULT_SETTINGS,
) -> "ForwardReport":
    """Stop what is at `port` of `alias`, whichever way it leads, or all; starts nothing. The report has what was.

    Where the name led to another machine before, and ports of that one are still forwarded, the one at `port` that ends
    is that of now, or where there is none, of before. With `local_port` it is the one that begins there.
    """
    from remora.hub_client.find import find_hub
    from remora.wire.reports.links import ForwardReport

    client = await find_hub(settings.limits)
    if client is None:
        return ForwardReport(forwards=[])
    stopped = await client.forward_stop(alias, ssh_config, port=port, local_port=local_port)
    return ForwardReport(forwards=stopped.forwards, egresses=stopped.egresses, changed=stopped.changed)


async def _compare(bodies: "Sequence[ForwardBody | EgressBody]", settings: Settings) -> None:
    """Ask the SSH configuration what the names mean now; the hub knows it as of their last use."""
    import asyncio

    from remora.core.errors import Code, RemoraError
    from remora.core.link.meanings import describe_change
    from remora.hub_client.meanings import Meanings
    from remora.wire.reports import NoticeBody

    async def notice(alias: str, ssh_config: str | None, mark: str, leads_to: str) -> list[NoticeBody]:
        try:
            now = await Meanings(ssh_config, settings.limits).of(alias, settings.host(alias))
        except RemoraError as error:
            return [NoticeBody(code=error.code, message=error.message)]
        if now.mark == mark:
            return []
        return [NoticeBody(code=Code.ALIAS_CHANGED, message=describe_change(alias, made=leads_to, now=now.place))]

    links = dict.fromkeys((each.host, each.ssh_config, each.mark, each.leads_to or "") for each in bodies)
    found = dict(zip(links, await asyncio.gather(*(notice(*link) for link in links)), strict=True))
    for body in bodies:
        if all(each.code != Code.ALIAS_CHANGED for each in body.notices):
            body.notices += found[body.host, body.ssh_config, body.mark, body.leads_to or ""]
