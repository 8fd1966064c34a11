"""Several links at once: each for itself, and one report of all."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import KW_ONLY, dataclass, field

from remora.core.errors import ExitCode, RemoraError
from remora.core.link.faults import link_missing
from remora.core.readiness.checks import combined_exit_code
from remora.core.settings import Settings
from remora.hub_client.client import HubClient
from remora.hub_client.meanings import Meanings
from remora.ports import Dialogue
from remora.wire.hub.control import Disconnected
from remora.wire.reports import error_body
from remora.wire.reports.links import (
    ConnectReport,
    ConnectResult,
    DisconnectReport,
    DisconnectResult,
    HubBody,
    HubReport,
    StatusReport,
)


@dataclass(frozen=True, slots=True)
class Fleet:
    """What is wanted of several hosts: how their aliases are read, who answers questions, who hears each result.

    Without a `client` all of them are `unknown`.
    """

    client: HubClient | None
    ssh_config: str | None
    settings: Settings
    _: KW_ONLY
    codex: str | None = None
    dialogue: Dialogue | None = None
    tell: Callable[[ConnectResult], None] | None = None
    unknown: Mapping[str, RemoraError] = field(default_factory=dict)

    async def connect(self, aliases: Sequence[str]) -> ConnectReport:
        """Have live links, side by side; a failure belongs to its host."""
        async with AsyncExitStack() as stack:
            return await self._connect_all(aliases, stack, hold=False)

    async def hold(self, aliases: Sequence[str]) -> AsyncGenerator[ConnectReport | StatusReport, None]:
        """:meth:`connect`, then every state that follows; links that nobody else wants are gone when this is closed."""
        async with AsyncExitStack() as stack:
            report = await self._connect_all(aliases, stack, hold=True)
            yield report
            if self.client is not None and any(result.ok for result in report.hosts):
                async with aclosing(self.client.watch()) as states:
                    async for state in states:
                        yield StatusReport(hub=state.hub, links=state.links)

    async def _connect_all(self, aliases: Sequence[str], stack: AsyncExitStack, *, hold: bool) -> ConnectReport:
        meanings = Meanings(self.ssh_config, self.settings.limits)
        outcomes = await asyncio.gather(*(self._connect(alias, meanings, stack, hold=hold) for alias in aliases))
        exit_code = combined_exit_code([code for _, code in outcomes])
        results = [result for result, _ in outcomes]
        return ConnectReport(ok=exit_code is ExitCode.DONE, exit_code=int(exit_code), hosts=results)

    async def _connect(
        self, alias: str, meanings: Meanings, stack: AsyncExitStack, *, hold: bool
    ) -> tuple[ConnectResult, ExitCode]:
        host = self.settings.host(alias, codex=self.codex)
        try:
            if self.client is None or alias in self.unknown:
                raise self.unknown[alias]
            meaning = await meanings.of(alias, host)
            holding = self.client.hold(alias, self.ssh_config, meaning, host=host, dialogue=self.dialogue, hold=hold)
            connected, _ = await stack.enter_async_context(holding)
        except RemoraError as error:
            error.belongs_to(alias)
            result, code = ConnectResult(host=alias, ok=False, error=error_body(error)), error.exit_code
        else:
            result = ConnectResult(host=alias, ok=True, changed=connected.changed, link=connected.link)
            code = ExitCode.DONE
        if self.tell is not None:
            self.tell(result)
        return result, code


async def disconnect_all(
    client: HubClient | None, aliases: Sequence[tuple[str, str | None]], *, stop_server: bool, force: bool
) -> DisconnectReport:
    """Have no links under these names (alias and SSH config), side by side; a failure belongs to its host."""

    async def disconnect(alias: str, ssh_config: str | None) -> tuple[DisconnectResult, ExitCode]:
        done = Disconnected(changed=False, server="left")
        try:
            if client is not None:
                done = await client.disconnect(alias, ssh_config, stop_server=stop_server, force=force)
            if stop_server and not done.changed:
                what = "does not exist, so its app server, if one runs, was not stopped"
                raise link_missing(alias, what, then=f"remora disconnect {alias} --stop-server")
        except RemoraError as error:
            error.belongs_to(alias)
            return DisconnectResult(host=alias, ok=False, error=error_body(error)), error.exit_code
        return DisconnectResult(host=alias, ok=True, changed=done.changed, server=done.server), ExitCode.DONE

    outcomes = await asyncio.gather(*(disconnect(alias, ssh_config) for alias, ssh_config in aliases))
    exit_code = combined_exit_code([code for _, code in outcomes])
    results = [result for result, _ in outcomes]
    return DisconnectReport(ok=exit_code is ExitCode.DONE, exit_code=int(exit_code), hosts=results)


async def status_of(client: HubClient | None) -> StatusReport:
    """All links; none without a hub."""
    if client is None:
        return StatusReport(hub=HubBody(running=False), links=[])
    state = await client.status()
    return StatusReport(hub=state.hub, links=state.links)


async def hub_report(client: HubClient | None, *, changed: bool) -> HubReport:
    """The hub itself."""
    state = await status_of(client)
    return HubReport(hub=state.hub, changed=changed, links=len(state.links))
