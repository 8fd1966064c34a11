"""Speaking to the hub. Light: what needs no hub loads next to nothing of it."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Final, TypeVar

from remora import wiring
from remora.core.errors import Code, RemoraError, UsageProblem
from remora.core.link.egress import EgressRequest
from remora.core.link.meanings import Meaning
from remora.core.server.probes import FolderFacts, FolderState
from remora.core.settings import HostSettings, Limits
from remora.hub.shared.places import HubPlaces
from remora.hub_client.conversation import HubEnded, Talk, mute
from remora.ports import Dialogue
from remora.wire.hub import control
from remora.wire.reports.links import EgressBody, ForwardBody, LinkBody

R = TypeVar("R", bound=control.Reply)

_NO_CONFIG: Final = "none"
_AGENT: Final = "SSH_AUTH_SOCK"


class HubClient:
    """A hub that runs. Each verb is a connection of its own; a hub that hangs raises ``hub-mute``, never blocks."""

    def __init__(self, socket: Path, limits: Limits) -> None:
        self._socket = socket
        self._limits = limits

    async def connect(
        self, alias: str, ssh_config: str | None, meaning: Meaning, *, host: HostSettings, dialogue: Dialogue | None
    ) -> control.LinkConnected:
        """Have a live link to what `alias` means. Raises what stopped it; questions go to `dialogue`, without one they
        are refused.
        """
        async with self._talk(self._connect(alias, ssh_config, meaning, host, dialogue)) as talk:
            return await talk.reply(control.LinkConnected, dialogue)

    async def connect_again(
        self, alias: str, ssh_config: str | None, meaning: Meaning, *, host: HostSettings
    ) -> control.LinkConnected:
        """Have the link that another hub had, live or not; nobody is asked. Raises what stopped it.

        One that may come up yet exists nevertheless, and goes on as its policy says.
        """
        async with self._talk(self._connect(alias, ssh_config, meaning, host, None, again=True)) as talk:
            return await talk.reply(control.LinkConnected, None)

    @asynccontextmanager
    async def hold(
        self,
        alias: str,
        ssh_config: str | None,
        meaning: Meaning,
        *,
        host: HostSettings,
        dialogue: Dialogue | None,
        hold: bool = True,
    ) -> AsyncIterator[tuple[control.LinkConnected, AsyncGenerator[control.Status, None]]]:
        """:meth:`connect`, wherever the name leads, and nobody else's wish lets the link end when the body is left.

        Also yields the states that follow; they end, with an error, when the hub does.
        """
        request = self._connect(alias, ssh_config, meaning, host, dialogue, hold=hold, accepts_change=True)
        async with self._talk(request) as talk:
            connected = await talk.reply(control.LinkConnected, dialogue)
            try:
                async with aclosing(talk.states()) as states:
                    yield connected, states
            finally:
                if hold:
                    await talk.let_go()

    async def disconnect(
        self, alias: str, ssh_config: str | None, *, stop_server: bool = False, force: bool = False
    ) -> control.Disconnected:
        """Have no link. Raises why the server may not be stopped; then nothing has changed."""
        name = config_name(ssh_config)
        request = control.Disconnect(alias=alias, ssh_config=name, stop_server=stop_server, force=force)
        return await self._ask(request, control.Disconnected)

    async def status(self) -> control.Status:
        """The hub and its links as they are now."""
        return await self._ask(control.GetStatus(), control.Status)

    async def watch(self) -> AsyncGenerator[control.Status, None]:
        """The same, now and at each change, until the hub ends, which raises ``hub-mute``."""
        async with self._talk(control.Watch()) as talk, aclosing(talk.states()) as states:
            async for state in states:
                yield state

    async def links(self, alias: str, ssh_config: str | None) -> list[LinkBody]:
        """The links under one name, live or not: one for each meaning of the name that is in use."""
        request = control.GetLinks(alias=alias, ssh_config=config_name(ssh_config))
        return (await self._ask(request, control.NamedLinks)).links

    async def find_folder(
        self, alias: str, ssh_config: str | None, mark: str | None, folder: str | None
    ) -> FolderFacts:
        """What `folder` is on the host of a link. Raises ``folder-missing``, ``link-missing``."""
        request = control.FindFolder(alias=alias, ssh_config=config_name(ssh_config), mark=mark, folder=folder)
        found = await self._ask(request, control.Folder)
        return FolderFacts(path=found.path, state=FolderState.OK, brings=found.brings)

    async def forward_open(
        self, alias: str, ssh_config: str | None, mark: str | None, port: int, *, local_port: int | None = None
    ) -> tuple[ForwardBody, bool]:
        """A local port that leads to `port` of the host, and whether it is new.

        Raises ``port-taken``, ``link-missing``.
        """
        name = config_name(ssh_config)
        request = control.OpenForward(alias=alias, ssh_config=name, mark=mark, port=port, local_port=local_port)
        answer = await self._ask(request, control.ForwardList)
        return answer.forwards[0], answer.changed

    async def egress_open(
        self, alias: str, ssh_config: str | None, mark: str | None, request: EgressRequest
    ) -> tuple[EgressBody, bool]:
        """A port of the host that leads through this machine, and whether anything is new.

        Raises ``usage``, ``egress-refused``, ``link-missing``.
        """
        asked = control.OpenEgress(
            alias=alias,
            ssh_config=config_name(ssh_config),
            mark=mark,
            destinations=list(request.destinations),
            to=request.to,
            port=request.port,
            password=request.password,
            proxy=request.proxy,
            no_proxy=request.no_proxy,
        )
        answer = await self._ask(asked, control.ForwardList)
        return answer.egresses[0], answer.changed

    async def forward_list(self) -> control.ForwardList:
        """All forwarded ports, whichever way they lead."""
        return await self._ask(control.ListForwards(), control.ForwardList)

    async def forward_stop(
        self,
        alias: str,
        ssh_config: str | None,
        mark: str | None = None,
        port: int | None = None,
        *,
        local_port: int | None = None,
    ) -> control.ForwardList:
        """Stop what is at one port of the host, or all of a link or of a name; those that were there."""
        name = config_name(ssh_config)
        request = control.StopForward(alias=alias, ssh_config=name, mark=mark, port=port, local_port=local_port)
        return await self._ask(request, control.ForwardList)

    async def hello(self, *, seconds: float | None = None) -> control.Hello:
        """Whether it answers, and who it is. Raises ``hub-mute``, ``hub-version``, :class:`HubEnded`."""
        async with self._talk(None, seconds=seconds) as talk:
            return talk.hello

    async def stop(self) -> control.Stopping:
        """Tell it to end, whatever its version. It says so, and then goes."""
        async with self._talk(control.Stop(), any_version=True) as talk:
            return await talk.reply(control.Stopping, None)

    def _connect(
        self,
        alias: str,
        ssh_config: str | None,
        meaning: Meaning,
        host: HostSettings,
        dialogue: Dialogue | None,
        *,
        hold: bool = False,
        again: bool = False,
        accepts_change: bool = False,
    ) -> control.Connect:
        return control.Connect(
            alias=alias,
            ssh_config=config_name(ssh_config),
            meaning=meaning,
            host=host,
            limits=self._limits,
            agent=os.environ.get(_AGENT) or None,
            asks=dialogue is not None,
            hold=hold,
            again=again,
            accepts_change=accepts_change,
        )

    async def _ask(self, request: control.Request, kind: type[R]) -> R:
        async with self._talk(request) as talk:
            return await talk.reply(kind, None)

    @asynccontextmanager
    async def _talk(
        self, request: control.Request | None, *, any_version: bool = False, seconds: float | None = None
    ) -> AsyncIterator[Talk]:
        patience = seconds or self._limits.hub_answer
        try:
            async with asyncio.timeout(patience):
                stream = await wiring.local_sockets().connect(str(self._socket))
        except TimeoutError:
            raise mute(patience) from None
        except RemoraError as error:
            raise HubEnded from error
        try:
            talk = Talk(stream, patience)
            await talk.begin(request, any_version=any_version)
            yield talk
        finally:
            await stream.close()


def own_hub(limits: Limits) -> HubClient:
    """Speaks to this user's hub, should one run. Raises ``runtime-folder-unusable``."""
    return HubClient(HubPlaces(wiring.runtime_folder()).socket, limits)


def config_name(ssh_config: str | None) -> str | None:
    """An SSH config as the hub knows it: it works in another folder. Raises :class:`UsageProblem`."""
    if ssh_config is None or ssh_config == _NO_CONFIG:
        return ssh_config
    path = os.path.abspath(os.path.expanduser(ssh_config))  # noqa: PTH100, PTH111 - a name, not a file to look at
    try:
        path.encode()
    except UnicodeEncodeError:
        raise UsageProblem(
            Code.USAGE, "The path of the SSH config is not UTF-8.", next_step="Rename that file."
        ) from None
    return path
