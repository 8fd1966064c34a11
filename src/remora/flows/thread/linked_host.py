"""The library's host: threads and ports over one link, through whatever happens to the connection."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Self
from uuid import uuid4

from remora.core.errors import Code, RemoraError, UsageProblem
from remora.core.link.egress import EgressRequest
from remora.flows.approval.chain import ApprovalChain
from remora.flows.kit.held_open import Holder
from remora.flows.kit.stop_request import InterruptSwitch
from remora.flows.link.linked import LinkAccess, LinkedServer, open_linked_server
from remora.flows.server.launch import Ahead, nothing_ahead
from remora.flows.server.thread_client import ThreadClient
from remora.flows.thread.run import Connect, run_thread
from remora.flows.thread.run_request import RunRequest, read_request, require_text
from remora.flows.thread.thread_open import Opening
from remora.flows.trust.judge import TrustRules
from remora.ports import ApprovalHandler, World
from remora.wire.reports.links import LinkBody
from remora.wire.reports.run import RunEvent, ThreadReady, TurnStarted

__all__ = ["LinkedEgress", "LinkedForward", "LinkedHost", "LinkedThread", "linked_host"]


class LinkedHost:
    """A host behind a link. Its objects stay the same across lost connections."""

    def __init__(
        self, alias: str, access: LinkAccess, world: World, approvals: ApprovalChain, rules: TrustRules
    ) -> None:
        self.alias = alias
        self._access = access
        self._world = world
        self._approvals = approvals
        self._rules = rules
        self._desk: Holder[LinkedServer] | None = None
        self._forwards: set[LinkedPort] = set()
        self._threads: set[LinkedThread] = set()

    async def status(self) -> LinkBody:
        """The link as it is now: liveness, server version, who is attached."""
        return await self._access.body()

    async def start_thread(
        self,
        cwd: str | None = None,
        *,
        model: str | None = None,
        effort: str | None = None,
        sandbox: str | None = None,
        approval_policy: str | None = None,
        trust_folder: str | None = None,
    ) -> "LinkedThread":
        """Begin a thread in `cwd` on the host, as its shell would name it; `None` is the home folder.

        `sandbox` and `approval_policy` are the usual names; another one raises
        :class:`~remora.core.errors.UsageProblem`. What is `None` is left to the account's own configuration on the
        host; what the repository there brings is in force as :func:`remora.run` says. Raises ``folder-missing``,
        ``trust-mismatch``.
        """
        request = read_request(
            "",
            message_id="",
            folder=cwd,
            model=model,
            effort=effort,
            sandbox=sandbox,
            approval_policy=approval_policy,
        )
        return await self._open_thread(request, trust_folder)

    async def resume_thread(
        self, words: str, *, sandbox: str | None = None, approval_policy: str | None = None
    ) -> "LinkedThread":
        """A thread that is there already, by its id, the beginning of it, or its name.

        It goes on with the sandbox and the approval policy that it has, unless others are given; ones that are looser
        than the account's configuration says have to be given. Raises ``thread-missing``, ``looser-than-asked``.
        """
        thread_id = await (await self.threads()).find(words)
        request = read_request("", message_id="", thread=thread_id, sandbox=sandbox, approval_policy=approval_policy)
        return await self._open_thread(request)

    async def forward(self, port: int, *, local_port: int | None = None) -> "LinkedForward":
        """Reach `port` of the host's loopback through a port of this machine, until stopped or the host is left.

        Without `local_port` the same number is taken, or any when that one is in use. Raises ``port-taken``.
        """
        body, is_new = await self._access.open_forward(port, local_port)
        forward = LinkedForward(self._access, port, body.local_port)
        if is_new:  # one that existed belongs to another client
            self._forwards.add(forward)
        return forward

    async def egress(
        self,
        *destinations: str,
        to: str | None = None,
        port: int | None = None,
        password: bool = True,
        proxy: str | None = None,
        no_proxy: str | None = None,
    ) -> "LinkedEgress":
        """Let the host reach `destinations` through this machine, until stopped or the host is left.

        On the host an HTTP proxy listens on its loopback, at `port` or any; it leads to those destinations
        (``api.example.com``, ``*.example.com:8443``) and nowhere else. With `to` (``HOST:PORT``) instead the port is
        that one destination. `proxy` is what this machine itself has to use, as HTTPS_PROXY says it. Raises
        ``egress-refused``.
        """
        request = EgressRequest(
            destinations=destinations, to=to, port=port, password=password, proxy=proxy, no_proxy=no_proxy
        )
        body, is_new = await self._access.open_egress(request)
        egress = LinkedEgress(self._access, body.port or body.wanted, body.url or "")
        if is_new:  # as for forwards
            self._forwards.add(egress)
        return egress

    async def close(self) -> None:
        """Let go of what was opened here; threads go on at the host. Idempotent."""
        for forward in self._forwards:
            await forward.stop()
        self._forwards.clear()
        for thread in self._threads:
            await thread.let_go()
        self._threads.clear()
        desk, self._desk = self._desk, None
        if desk is not None:
            await desk.close()

    async def threads(self) -> ThreadClient:
        """The app server's thread requests, over a connection that is made anew when it broke."""
        return ThreadClient((await self._server()).rpc)

    async def _open_thread(self, request: RunRequest, trust_folder: str | None = None) -> "LinkedThread":
        """The thread of `request`, on a connection that its first run goes on with."""

        rules = replace(self._rules, option=trust_folder)
        opening = Opening(request, rules)
        connection = Holder(partial(self.connect, request.folder, opening.ahead))
        try:
            server = await connection.opened()
            opened = await opening.open(server.rpc, server.folder)
        except BaseException:
            await connection.close()
            raise
        thread = LinkedThread(self, opened.thread.thread_id, request, rules, (opening, connection))
        self._threads.add(thread)
        return thread

    async def _server(self) -> LinkedServer:
        """The connection for all that is no run."""
        if self._desk is not None:
            server = await self._desk.opened()
            if server.rpc.failure is None:
                return server
            await self._desk.close()
        self._desk = desk = Holder(partial(self.connect, None, nothing_ahead))
        try:
            return await desk.opened()
        except RemoraError:
            self._desk = None
            await desk.close()
            raise

    def connect(self, folder: str | None, ahead: Ahead) -> AbstractAsyncContextManager[LinkedServer]:
        """A new connection to the app server, with `folder` found out on the way."""
        world = self._world
        return open_linked_server(self._access, folder, clock=world.clock, limits=world.limits, ahead=ahead)

    def run(
        self,
        connect: Connect,
        request: RunRequest,
        *,
        approvals: ApprovalHandler | None,
        interrupt: InterruptSwitch,
        opening: Opening,
    ) -> AsyncGenerator[RunEvent, None]:
        """See :func:`remora.flows.thread.run.run_thread`."""
        world = self._world
        return run_thread(
            connect,
            request,
            alias=self.alias,
            approvals=self._approvals.with_people(approvals) if approvals else self._approvals,
            interrupt=interrupt,
            clock=world.clock,
            random=world.random,
            limits=world.limits,
            spool=world.spool,
            opening=opening,
        )


class LinkedThread:
    """One thread on the host. One :meth:`run` at a time; steering and interrupting may come from any task.

    `thread_id` may change while the thread was never used: an app server forgets such a thread with the connection
    that began it, and the first run then begins another one like it.
    """

    def __init__(
        self,
        host: LinkedHost,
        thread_id: str,
        request: RunRequest,
        rules: TrustRules,
        opened: tuple[Opening, Holder[LinkedServer]],
    ) -> None:
        self.thread_id = thread_id
        self._host = host
        self._request = request
        self._rules = rules
        self._opening: Opening | None
        self._connection: Holder[LinkedServer] | None
        self._opening, self._connection = opened
        self._interrupt: InterruptSwitch | None = None
        self._turn_id: str | None = None

    async def run(self, prompt: str, *, approvals: ApprovalHandler | None = None) -> AsyncGenerator[RunEvent, None]:
        """Send `prompt` and tell what happens; the last event is the report, whose outcome is the truth.

        Order and failures as in :func:`run_thread`. Requests of the agent go to `approvals`, else to
        the handler given to :func:`remora.connect`, else they are declined. Closing it early (``contextlib.aclosing``),
        or cancelling who waits for it, stops the turn as one :meth:`interrupt` does.
        """
        if self._interrupt is not None:
            raise UsageProblem(
                Code.USAGE,
                "A turn of this thread already runs.",
                next_step="Wait until it ends, or add to it with steer().",
            )
        require_text("prompt", prompt)
        self._interrupt = InterruptSwitch()
        request = replace(self._request, prompt=prompt, message_id=str(uuid4()))
        opening, self._opening = self._opening or Opening(request, self._rules), None
        events = self._host.run(self._connect, request, approvals=approvals, interrupt=self._interrupt, opening=opening)
        try:
            async with aclosing(events):
                async for event in events:
                    self._note(event)
                    yield event
        finally:
            self._interrupt = self._turn_id = None

    async def steer(self, sentence: str) -> None:
        """Say something to the turn that runs. Raises ``usage`` when :meth:`run` has told of none."""
        if self._turn_id is None:
            raise UsageProblem(
                Code.USAGE, "No turn of this thread runs here.", next_step="Start one with run(), and wait for it."
            )
        await (await self._host.threads()).steer(self.thread_id, self._turn_id, sentence)

    def interrupt(self) -> None:
        """Stop the turn that runs; its :meth:`run` ends with the outcome ``interrupted``. Harmless when none runs.

        A second time it is left without waiting.
        """
        if self._interrupt is not None:
            self._interrupt.interrupt()

    async def let_go(self) -> None:
        """Close the connection that a thread which was never used is kept on. Idempotent."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    @asynccontextmanager
    async def _connect(self, ahead: Ahead) -> AsyncIterator[LinkedServer]:
        """The connection that began the thread, for its first run; then a new one each time."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                server = await connection.opened()
                if server.rpc.failure is None:
                    yield server
                    return
            finally:
                await connection.close()
        async with self._host.connect(self._request.folder, ahead) as server:
            yield server

    def _note(self, event: RunEvent) -> None:
        if isinstance(event, ThreadReady):
            self.thread_id = event.thread_id
        elif isinstance(event, TurnStarted):
            self._turn_id = event.turn_id
            self._request = replace(self._request, folder=None, thread=self.thread_id)


class LinkedPort:
    """A port of the host that leads somewhere. As a context manager it is stopped on leaving."""

    def __init__(self, access: LinkAccess, remote_port: int) -> None:
        self.remote_port = remote_port
        self._access = access

    async def stop(self) -> None:
        """End it. Idempotent; connections through it are closed."""
        await self._access.stop_forward(self.remote_port)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


class LinkedForward(LinkedPort):
    """A port of the host at `local_port` of this machine."""

    def __init__(self, access: LinkAccess, remote_port: int, local_port: int) -> None:
        super().__init__(access, remote_port)
        self.local_port = local_port


class LinkedEgress(LinkedPort):
    """A port of the host that leads onward from this machine. `url` is what the host calls it, password and all."""

    def __init__(self, access: LinkAccess, remote_port: int, url: str) -> None:
        super().__init__(access, remote_port)
        self.url = url


@asynccontextmanager
async def linked_host(
    alias: str, access: LinkAccess, world: World, approvals: ApprovalChain, rules: TrustRules
) -> AsyncIterator[LinkedHost]:
    """The host `alias` over a link that is up. On leaving, what was opened here is closed; the link stays."""
    host = LinkedHost(alias, access, world, approvals, rules)
    try:
        yield host
    finally:
        await host.close()
