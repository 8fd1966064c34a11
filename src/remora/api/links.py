"""Links: held by the hub, or by this process."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

from remora.core.settings import DEFAULT_SETTINGS, Settings

if TYPE_CHECKING:
    from remora.core.errors import RemoraError
    from remora.flows.thread.linked_host import LinkedHost
    from remora.hub_client.access import HubLink
    from remora.hub_client.lasting_way import OpenServer
    from remora.ports import ApprovalHandler, ByteStream, Dialogue, TrustHandler
    from remora.wire.client.conversation import Conversation
    from remora.wire.reports.links import ConnectReport, ConnectResult, DisconnectReport, StatusReport


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
    from remora.hub_client.find import hub_for
    from remora.hub_client.fleet import Fleet

    client, unknown = await hub_for(aliases, ssh_config, settings.limits)
    fleet = Fleet(client, ssh_config, settings, codex=codex, dialogue=dialogue, tell=tell, unknown=unknown)
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
    from remora.hub_client.find import hub_for
    from remora.hub_client.fleet import Fleet

    client, unknown = await hub_for(aliases, ssh_config, settings.limits)
    fleet = Fleet(client, ssh_config, settings, codex=codex, dialogue=dialogue, tell=tell, unknown=unknown)
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
    from remora.hub_client.find import find_hub
    from remora.hub_client.fleet import disconnect_all

    client = await find_hub(settings.limits)
    if aliases is not None:
        names = [(alias, ssh_config) for alias in aliases]
    else:
        links = [] if client is None else (await client.status()).links
        names = [(alias, link.ssh_config) for link in links for alias in link.aliases]
    return await disconnect_all(client, names, stop_server=stop_server, force=force)


async def status(*, settings: Settings = DEFAULT_SETTINGS) -> "StatusReport":
    """All links as they are now. Starts no hub and dials no host; those with a live link are asked for their marker."""
    from remora.hub_client.find import find_hub
    from remora.hub_client.fleet import status_of

    return await status_of(await find_hub(settings.limits))


async def watch_status(*, settings: Settings = DEFAULT_SETTINGS) -> "AsyncGenerator[StatusReport, None]":
    """All links, now and at each change, through the ends and beginnings of the hub. Never ends by itself."""
    from remora.hub_client.watch import watch_hubs

    async with aclosing(watch_hubs(settings.limits)) as states:
        async for state in states:
            yield state


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
    from remora.hub_client.access import HubLink
    from remora.hub_client.find import hub_for
    from remora.hub_client.meanings import Meanings

    client, unknown = await hub_for([alias], ssh_config, settings.limits)
    if client is None:
        raise unknown[alias]
    host = settings.host(alias, codex=codex)
    meaning = await Meanings(ssh_config, settings.limits).of(alias, host)
    connected = await client.connect(alias, ssh_config, meaning, host=host, dialogue=dialogue)
    return HubLink(client, connected.link, meaning)


@asynccontextmanager
async def connect(
    alias: str,
    *,
    codex: str | None = None,
    dialogue: "Dialogue | None" = None,
    approvals: "ApprovalHandler | None" = None,
    trust: "TrustHandler | None" = None,
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
    it can read; without `dialogue` every question while connecting is refused; without `trust` nothing that the
    repository of a folder brings is in force unless codex on the host trusts it. Raises what stops the first
    connection.
    """
    from remora import wiring
    from remora.flows.approval.chain import ApprovalChain
    from remora.flows.kit.unattended import UnattendedDialogue, UnattendedTrust
    from remora.flows.thread.linked_host import linked_host
    from remora.flows.trust.judge import TrustRules
    from remora.hub_client.access import link_for

    world = wiring.default_world(ssh_config, settings=settings)
    asking = dialogue or UnattendedDialogue()
    rules = TrustRules(alias=alias, handler=trust or UnattendedTrust(), memory=wiring.trust_memory())
    async with (
        link_for(alias, ssh_config, world, asking, host=settings.host(alias, codex=codex)) as access,
        linked_host(alias, access, world, ApprovalChain(people=[approvals] if approvals else []), rules) as host,
    ):
        yield host


async def bridge(
    alias: str,
    *,
    folder: str | None = None,
    codex: str | None = None,
    tell: "Callable[[RemoraError], None]" = lambda error: None,
    note: "Callable[[str], None]" = lambda sentence: None,
    ssh_config: str | None = None,
    settings: Settings = DEFAULT_SETTINGS,
) -> None:
    """Speak newline-delimited JSON on standard input and output for the app server on `alias`, until either ends.

    Starts the hub and the link as needed; nobody can be asked anything. The messages are the program's own, and
    ``initialize`` is among them. Threads and commands for which the program names no folder work in `folder`. Without
    it they may only read, and `note` hears so; those that are to write are refused. A folder that the host does not
    trust is not trusted by this. An answer to what this program was not asked is not passed on.

    A hub that is killed meanwhile is started again and nothing of the conversation is lost, unless the host has no
    relay; `tell` hears why its link could not be live at once. Raises :class:`BrokenPipeError` when nobody reads the
    output any more, ``folder-missing``, ``link-missing`` when the link is dropped, and as
    :func:`remora.flows.client.bridge.bridge`.
    """
    from remora import wiring
    from remora.flows.client.bridge import bridge
    from remora.flows.client.client_guard import ClientGuard, ClientTerms, Folders
    from remora.flows.client.client_host import ClientHost
    from remora.hub_client.lasting_way import use_lasting

    link = await hub_link(alias, codex=codex, ssh_config=ssh_config, settings=settings)
    clock, limits = wiring.system_clock(), settings.limits

    async def find(name: str) -> str:
        return (await link.find_folder(name)).path

    found = await find(folder) if folder is not None else None
    with wiring.standard_streams() as client:

        async def work(open_server: "OpenServer") -> None:
            host = ClientHost(open_server, clock=clock, limits=limits)
            terms = ClientTerms(folders=Folders(find, host.folder_of, found))

            def guard(conversation: "Conversation") -> ClientGuard:
                return ClientGuard(
                    terms, host.standing, set_sandbox=host.set_sandbox, conversation=conversation, tell=note
                )

            await bridge(client, await open_server(), guard=guard, clock=clock, limits=limits)

        await use_lasting(await link.body(), link.meaning, settings, work, codex=codex, tell=tell)


async def serve_door(
    alias: str,
    opened: "Callable[[str], None]",
    *,
    said: frozenset[str] = frozenset(),
    worked: "Callable[[str], None]" = lambda thread_id: None,
    codex: str | None = None,
    ssh_config: str | None = None,
    settings: Settings = DEFAULT_SETTINGS,
) -> None:
    """Be a local socket like that of the hub's link to `alias`, until cancelled; `opened` hears where it is.

    It is for a terminal client, which says the settings of this machine with each thread that it opens. Here they are
    left to the host, all but the members in `said`: ``sandbox``, ``permissions``, ``approvalPolicy``,
    ``approvalsReviewer``. A folder that the host does not trust is not trusted by this. `worked` hears in which thread
    a person works.

    Who is attached there does not notice when the hub is killed: it is started again, and nothing is lost, unless the
    host has no relay. Nobody is asked anything. Raises ``link-missing`` when the link is dropped.
    """
    import asyncio
    import os
    import secrets
    from functools import partial

    from remora import wiring
    from remora.flows.client.client_guard import ClientGuard, ClientTerms
    from remora.flows.client.client_host import ClientHost
    from remora.flows.forward.listeners import show_in
    from remora.hub_client.lasting_way import use_lasting
    from remora.wire.client.frames import ClientFrames

    link = await hub_link(alias, codex=codex, ssh_config=ssh_config, settings=settings)
    path = str(wiring.runtime_folder() / f"own-{os.getpid()}-{secrets.token_hex(4)}.sock")

    async def work(open_server: "OpenServer") -> None:
        host = ClientHost(open_server, clock=wiring.system_clock(), limits=settings.limits)

        async def serve(client: "ByteStream") -> None:
            guard = ClientGuard(ClientTerms(said=said), host.standing, worked=worked)
            await show_in(client, open_server, through=partial(guard.take_frames, ClientFrames()))

        async with wiring.local_sockets().serve(path, serve):
            opened(path)
            await asyncio.Event().wait()

    await use_lasting(await link.body(), link.meaning, settings, work, codex=codex)
