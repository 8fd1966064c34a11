"""From an SSH connection to an app server that answered ``initialize``: probe, plan, launch or adopt, byte path."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from remora.core.errors import Code, RemoraError
from remora.core.host.hosts import Notice
from remora.core.link.links import HostIdentity
from remora.core.server.launch_outcomes import ADOPT, MOVED, NO_FOLDER, STARTED, launch_problem, mute_server
from remora.core.server.launch_plan import (
    ENDS_WITH_SESSION,
    NO_FOLDER_FOR_LOG,
    BytePath,
    LaunchMode,
    LaunchPlan,
    LaunchRequest,
    StartDetached,
    foreign_socket,
    link_unsupported,
    mute_on_socket,
    plan_launch,
    server_absent,
)
from remora.core.server.probes import FolderFacts, HostFacts, ProcessIdentity, foreign_place, read_process
from remora.core.settings import Limits
from remora.flows.host.identity import identity_of
from remora.flows.server.rpc import Asked, RpcClient, open_rpc
from remora.flows.server.shell import ProbeRequest, RemoteShell, open_shell
from remora.flows.server.tunnel import Tunnel, open_tunnel
from remora.ports import ByteStream, Clock, RemoteHost
from remora.wire.appserver.jsonrpc import Framing

__all__ = ["AppServer", "LaunchRequest", "open_app_server"]

_MARGIN: Final = 5.0
"""Seconds that a script with a limit of its own gets beyond it, to say how it ended."""
_NOT_OURS_TO_SPEAK: Final = frozenset({Code.HANDSHAKE_FAILED, Code.PROTOCOL_VIOLATION, Code.SERVER_GONE})


Ahead = Callable[[FolderFacts], Sequence[Asked]]
"""What to ask in one flight with ``initialize``, given the folder as it is called on the host."""


def nothing_ahead(folder: FolderFacts) -> Sequence[Asked]:
    """The :data:`Ahead` of those who want to see the server first."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AppServer:
    """An app server that answered ``initialize``, and how we came to it.

    `owner` says in words whose it is; `codex_path` is the program when we started it, `None` when not. `socket` is the
    control socket, `None` for an attached server.
    """

    rpc: RpcClient
    user: str
    hostname: str
    identity: HostIdentity
    facts: HostFacts
    plan: LaunchPlan
    socket: str | None
    mode: LaunchMode
    byte_path: BytePath
    version: str | None
    owner: str
    codex_path: str | None
    folder: str
    notices: tuple[Notice, ...]


@asynccontextmanager
async def open_app_server(
    host: RemoteHost,
    request: LaunchRequest,
    *,
    clock: Clock,
    limits: Limits,
    nonce: Callable[[], str],
    ahead: Ahead = nothing_ahead,
    lasting: bool = False,
) -> AsyncIterator[AppServer]:
    """Launch or adopt the app server on `host` and connect to it.

    With `lasting` a server that would end with the connection is refused (``link-unsupported``), and the facts tell
    what the relay needs.
    Order: when this yields, the server has answered ``initialize``. On leaving, our connection to it is
    closed; an attached server ends with it, any other goes on. Raises what the probe, the plan and the
    launch refuse, classified, each with its stage.
    """
    async with AsyncExitStack() as stack:
        launch = _Launch(
            host, request, clock=clock, limits=limits, nonce=nonce, ahead=ahead, lasting=lasting, stack=stack
        )
        yield await launch.run()


class _Died(Exception):
    """The server that we started ended together with the shell that started it, or lives and does not answer."""

    def __init__(self, unanswered: RemoraError | None = None) -> None:
        super().__init__()
        self.unanswered = unanswered


class _Moved(Exception):
    """The control socket has to be elsewhere than the look at the host said; another look knows where."""

    def __init__(self, problem: RemoraError) -> None:
        super().__init__(problem)
        self.problem = problem


class _Launch:
    """One way from a connection to a server; each shell and stream that it opens is closed with `stack`."""

    def __init__(
        self,
        host: RemoteHost,
        request: LaunchRequest,
        *,
        clock: Clock,
        limits: Limits,
        nonce: Callable[[], str],
        ahead: Ahead,
        lasting: bool,
        stack: AsyncExitStack,
    ) -> None:
        self._host = host
        self._request = request
        self._clock = clock
        self._limits = limits
        self._nonce = nonce
        self._ahead = ahead
        self._lasting = lasting
        self._stack = stack
        self._shells = AsyncExitStack()
        self._facts: HostFacts
        self._shell: RemoteShell

    async def run(self) -> AppServer:
        await self._stack.enter_async_context(self._shells)
        try:
            return await self._come()
        except _Moved:
            pass
        try:
            return await self._come()
        except _Moved as moved:
            raise moved.problem from None

    async def _come(self) -> AppServer:
        await self._probe()
        starts = self._request.may_start
        if not starts and not self._facts.socket.may_serve:
            raise server_absent(self._facts)
        plan = plan_launch(self._facts, handshake_seconds=self._limits.handshake)
        if plan.adopt is not None:
            server = await self._adopt(plan)
            if server is not None:
                return server
        if not starts:
            raise server_absent(self._facts)
        return await self._launch(plan)

    async def _launch(self, plan: LaunchPlan) -> AppServer:
        """A server of our own, in the first way of the plan that works."""
        if plan.start is not None:
            try:
                server = await self._start(plan, plan.start)
            except _Died as death:
                await self._probe()
                obstacle = ENDS_WITH_SESSION
                if self._facts.server is not None and death.unanswered is not None:
                    server = await self._try_again(plan, death.unanswered)
                    if server is not None:
                        return server
                    obstacle = mute_on_socket(death.unanswered.message)
                plan = plan.hindered(obstacle)
            else:
                if server is not None:
                    return server
                plan = plan.hindered(NO_FOLDER_FOR_LOG)
        return await self._attach(plan)

    async def _probe(self) -> None:
        """A new shell in the place of the old one, which may have become something else."""
        await self._shells.aclose()
        opening = open_shell(self._host, clock=self._clock, limits=self._limits, nonce=self._nonce)
        self._shell = await self._shells.enter_async_context(opening)
        request = self._request
        wanted = ProbeRequest(folder=request.folder, codex=request.codex, relay=self._lasting)
        self._facts = await self._shell.probe(wanted)

    async def _adopt(self, plan: LaunchPlan) -> AppServer | None:
        """The server on the control socket; `None` when it turns out that nobody listens there."""
        try:
            rpc, byte_path = await self._reach(plan, self._facts.socket.real_path)
        except RemoraError as error:
            useless = plan.codex is None and self._request.may_start
            if error.code not in {Code.CHANNEL_REFUSED, Code.SERVER_GONE} or useless:
                raise
            await self._probe()
            if self._facts.socket.listening:
                raise
            return None  # where nobody can tell, codex itself refuses to displace a living server
        if byte_path is BytePath.UNIX_SOCKET:
            await self._shells.aclose()
        reached = (rpc, byte_path, self._facts.socket.real_path)
        return self._result(plan, *reached, LaunchMode.ADOPTED, self._facts.server)

    async def _start(self, plan: LaunchPlan, step: StartDetached) -> AppServer | None:
        """Our own server, detached, or the one that another launch started meanwhile; `None`: not possible here."""
        answers = await self._shell.ask(
            "launch",
            {
                "remora_codex": step.codex,
                "remora_socket": step.socket,
                "remora_listen": step.listen,
                "remora_limit": str(max(math.ceil(self._limits.launch), 1)),
                "remora_sees_agent": "1" if self._request.sees_agent else "",
            },
            limit=self._limits.launch + _MARGIN,
            uses=("provision/manager", "confine"),
        )
        outcome = answers.one("outcome")
        if outcome == NO_FOLDER:
            return None
        if outcome not in {STARTED, ADOPT}:
            problem = launch_problem(answers, codex=step.codex, seconds=self._limits.launch)
            raise _Moved(problem) if outcome == MOVED else problem
        foreign = foreign_place(answers.all("socket.owner"), self._facts.user_id)
        if foreign is not None:
            raise foreign_socket(foreign)
        socket = answers.one("socket.real") or step.socket
        started = outcome == STARTED
        rpc, byte_path = await self._reach(plan, socket, must_outlive=started)
        mode = LaunchMode.DETACHED if started else LaunchMode.ADOPTED
        ours = read_process(answers) if started else self._facts.server
        return self._result(plan, rpc, byte_path, socket, mode, ours)

    async def _attach(self, plan: LaunchPlan) -> AppServer:
        """A server on this very channel."""
        if plan.attached is None or plan.codex is None:
            raise AssertionError("a plan that starts anything has an attached step")
        if self._lasting:
            raise link_unsupported(plan)
        stream = await self._shell.become((plan.attached.codex, "app-server", "--listen", "stdio://"))
        rpc = await self._open_rpc(stream, Framing.LINES)
        return self._result(plan, rpc, BytePath.STDIO, None, LaunchMode.ATTACHED, None)

    async def _reach(self, plan: LaunchPlan, socket: str, *, must_outlive: bool = False) -> tuple[RpcClient, BytePath]:
        """A handshake on `socket`. With `must_outlive` the shell that started the server is gone before it."""
        if must_outlive:
            tunnel = await self._tunnel_without_shell(plan, socket)
        else:
            tunnel = await open_tunnel(self._host, self._shell, socket, plan.codex)
        try:
            return await self._open_rpc(tunnel.stream, Framing.WEBSOCKET), tunnel.byte_path
        except RemoraError as error:
            if error.code is Code.TIME_LIMIT and must_outlive:
                raise _Died(error) from None
            if error.code is Code.TIME_LIMIT:
                raise await self._mute(socket) from error
            if error.code not in _NOT_OURS_TO_SPEAK:
                raise
            if tunnel.byte_path is BytePath.UNIX_SOCKET:
                with suppress(RemoraError):
                    return await self._speak_lines(socket), tunnel.byte_path
            if must_outlive:
                raise _Died(error) from None
            raise

    async def _try_again(self, plan: LaunchPlan, unanswered: RemoraError) -> AppServer | None:
        """Speak once more with the server that we started and that did not answer; `None`: now it is ended."""
        if unanswered.code is not Code.TIME_LIMIT:
            socket = self._facts.socket.real_path
            try:
                rpc, byte_path = await self._reach(plan, socket)
            except RemoraError as error:
                if error.code not in _NOT_OURS_TO_SPEAK | {Code.SERVER_MUTE}:
                    raise
            else:
                return self._result(plan, rpc, byte_path, socket, LaunchMode.DETACHED, self._facts.server)
            await self._probe()
        seconds = self._limits.stop
        variables = {"remora_socket": self._facts.socket.path, "remora_limit": str(max(math.ceil(seconds), 1))}
        await self._shell.ask("stop", variables, limit=2 * seconds + _MARGIN)
        return None

    async def _tunnel_without_shell(self, plan: LaunchPlan, socket: str) -> Tunnel:
        """A tunnel that stands when the shell has ended: what the host kills with a session is dead by then."""
        ending = asyncio.ensure_future(self._shell.finish())
        stream: ByteStream | None = None
        try:
            stream = await self._host.open_unix_socket(socket)
        except RemoraError as error:
            if error.code is not Code.CHANNEL_REFUSED:
                raise
        finally:
            await asyncio.gather(ending, return_exceptions=True)
        ending.result()
        if stream is not None:
            return Tunnel(stream, BytePath.UNIX_SOCKET)
        await self._probe()
        if self._facts.socket.listening is False:
            raise _Died
        return await open_tunnel(self._host, self._shell, socket, plan.codex)

    async def _speak_lines(self, socket: str) -> RpcClient:
        """Some servers speak bare lines on their socket."""
        return await self._open_rpc(await self._host.open_unix_socket(socket), Framing.LINES)

    async def _mute(self, socket: str) -> RemoraError:
        await self._probe()
        answers = await self._shell.ask(
            "owner",
            {
                "remora_socket": socket,
                "remora_run": self._facts.runtime_folder or "",
                "remora_key": self._facts.key,
            },
            limit=self._limits.probe,
        )
        return mute_server(answers, socket=socket, seconds=self._limits.handshake)

    async def _open_rpc(self, stream: ByteStream, framing: Framing) -> RpcClient:
        ahead = self._ahead(self._facts.folder)
        opening = open_rpc(stream, framing, clock=self._clock, limits=self._limits, ahead=ahead)
        return await self._stack.enter_async_context(opening)

    def _result(
        self,
        plan: LaunchPlan,
        rpc: RpcClient,
        byte_path: BytePath,
        socket: str | None,
        mode: LaunchMode,
        ours: ProcessIdentity | None,
    ) -> AppServer:
        account = self._facts.account
        if mode is LaunchMode.ATTACHED:
            owner = f"{account}, started by remora for this connection"
        elif ours is not None:
            owner = f"{account}, started by remora (process {ours.pid})"
        else:
            owner = f"{account}, started by another program"
        started = mode is not LaunchMode.ADOPTED and plan.codex is not None
        return AppServer(
            rpc=rpc,
            user=self._host.facts.user,
            hostname=self._host.facts.hostname,
            identity=identity_of(self._host.facts, self._facts),
            facts=self._facts,
            plan=plan,
            socket=socket,
            mode=mode,
            byte_path=byte_path,
            version=rpc.server.version,
            owner=owner,
            codex_path=plan.codex.path if started and plan.codex else None,
            folder=plan.folder,
            notices=(*self._host.facts.notices, *plan.notices),
        )
