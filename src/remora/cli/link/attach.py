"""Connecting for what is attached to a link: a terminal client, a forwarded port."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from remora import api
from remora.cli.frame.audience import activity_page, dialogue_of, drawing, questioner
from remora.cli.frame.floor import Floor
from remora.cli.frame.options import Options
from remora.cli.frame.output import tell_what_goes_on
from remora.cli.link.link_watch_view import WaitView
from remora.core.errors import Code, UsageProblem
from remora.core.host.hosts import Address
from remora.ports import Dialogue

if TYPE_CHECKING:
    from remora.wire.reports.links import ForwardReport

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ClientCommand:
    """The words with which a terminal client attaches to a host, and the version of the server there."""

    before: list[str]
    after: list[str]
    server_version: str | None

    def words(self, socket: str) -> list[str]:
        """The words, with the socket where the host is to be found."""
        return [*self.before, "--remote", f"unix://{socket}", *self.after]


async def connect_client(address: Address, options: Options, *, codex: str | None) -> ClientCommand:
    """Have a live link, and the way for a terminal client to the folder or thread of `address`.

    Raises ``folder-missing``: the client itself would take any folder. A thread that the client would take for an
    option raises :class:`UsageProblem`.
    """
    if address.thread is not None and address.thread.startswith("-"):
        raise UsageProblem(
            Code.USAGE,
            f"The terminal client would read {address.thread!r} for an option.",
            next_step="Name the thread by its id.",
        )

    async def connect(dialogue: Dialogue | None) -> ClientCommand:
        link = await api.hub_link(
            address.alias, codex=codex, dialogue=dialogue, ssh_config=options.ssh_config, settings=options.settings
        )
        body = await link.body()
        if address.thread is not None:  # it is taken up in the folder that it has
            return ClientCommand(["resume", address.thread], [], body.server_version)
        return ClientCommand([], ["-C", (await link.find_folder(address.folder)).path], body.server_version)

    return await _asking(options, address.alias, connect)


async def open_forward(alias: str, port: int, options: Options, *, local_port: int | None) -> "ForwardReport":
    """Have a live link and a port that leads through it."""

    async def connect(dialogue: Dialogue | None) -> "ForwardReport":
        return await api.open_forward(
            alias,
            port,
            local_port=local_port,
            dialogue=dialogue,
            ssh_config=options.ssh_config,
            settings=options.settings,
        )

    return await _asking(options, alias, connect)


async def open_egress(
    alias: str, destinations: Sequence[str], options: Options, *, to: str | None, port: int | None, password: bool
) -> "ForwardReport":
    """Have a live link and a port of the host that leads to `destinations` through this machine."""

    async def connect(dialogue: Dialogue | None) -> "ForwardReport":
        return await api.open_egress(
            alias,
            destinations,
            to=to,
            port=port,
            password=password,
            dialogue=dialogue,
            ssh_config=options.ssh_config,
            settings=options.settings,
        )

    return await _asking(options, alias, connect)


async def _asking(options: Options, alias: str, work: Callable[[Dialogue | None], Coroutine[Any, Any, T]]) -> T:
    """Do `work` with the person at the terminal for its questions, if there is one."""
    page, floor = activity_page(), Floor()
    view = WaitView(page, f"connecting to {alias}")
    with questioner(options, page, floor, settle=view.settle) as someone, drawing(view, floor):
        try:
            return await work(dialogue_of(someone))
        except asyncio.CancelledError:
            view.settle()
            tell_what_goes_on([alias])
            raise
