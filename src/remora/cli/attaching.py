"""Connecting for what is attached to a link: a terminal client, a forwarded port."""

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from remora import api
from remora.cli.audience import activity_page, dialogue_of, questioner
from remora.cli.floor import Floor
from remora.cli.local_client import LocalClient
from remora.cli.options import Options
from remora.cli.output import tell
from remora.core.hosts import Address
from remora.ports import Dialogue

if TYPE_CHECKING:
    from remora.wire.reports.links import ForwardReport

T = TypeVar("T")


async def connect_client(address: Address, options: Options, client: LocalClient, *, codex: str | None) -> list[str]:
    """Have a live link; the words with which `client` attaches to it, in the folder of `address`.

    Raises ``folder-missing``: the client itself would take any folder.
    """

    async def connect(dialogue: Dialogue | None) -> list[str]:
        link = await api.hub_link(
            address.alias, codex=codex, dialogue=dialogue, ssh_config=options.ssh_config, settings=options.settings
        )
        body = await link.body()
        if body.server_version and client.version and body.server_version != client.version and options.verbosity > 0:
            tell(f"remora: codex {client.version} here, {body.server_version} on {address.alias}")
        words = ["--remote", f"unix://{body.socket}"]
        if address.thread is not None:
            return ["resume", address.thread, *words]  # in the folder that the thread has
        return [*words, "-C", await link.find_folder(address.folder)]

    return await _asking(options, f"connecting to {address.alias}", connect)


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

    return await _asking(options, f"connecting to {alias}", connect)


async def _asking(options: Options, doing: str, work: Callable[[Dialogue | None], Coroutine[Any, Any, T]]) -> T:
    """Do `work` with the person at the terminal for its questions, if there is one."""
    page = activity_page()
    with questioner(options, page, Floor(), settle=page.clear) as someone:
        return await work(dialogue_of(someone))
