"""Dialling a route with asyncssh: jumps first, every hop with its own keys and its own host key check."""

import asyncio
import base64
import contextlib
import warnings
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Final, ParamSpec, TypeVar

import asyncssh
from cryptography.utils import CryptographyDeprecationWarning

from remora.adapters.asyncssh_host import failures
from remora.adapters.asyncssh_host.connection import AsyncsshHost, Lifetime
from remora.adapters.asyncssh_host.host_keys import (
    certificate_problem,
    first_known_hosts_file,
    read_address_keys,
    read_known_keys,
    record_key,
    refused_key_problem,
    unknown_key_problem,
    weak_key_problem,
)
from remora.adapters.asyncssh_host.laps import Laps
from remora.adapters.asyncssh_host.login import Login
from remora.adapters.asyncssh_host.options import connection_options
from remora.adapters.asyncssh_host.socket_tunnel import SocketTunnel
from remora.adapters.asyncssh_host.transport import Proxy, SocketWay, open_way
from remora.adapters.ssh.session_options import option, session_environment
from remora.core.errors import Code, NeedsPerson, RemoraError, Stage, Unreachable, Verdict
from remora.core.host.hosts import Host, Notice, Route, StrictHostKeyChecking
from remora.core.host.known_hosts import KeyJudgement, KnownKey, KnownKeys, fingerprint
from remora.core.host.ssh_options import notices_for
from remora.core.settings import Limits
from remora.ports import ConnectionFacts, Dialogue, HostKeyAnswer, HostKeyQuestion, RemoteHost, ShellMemory

P = ParamSpec("P")
T = TypeVar("T")

_CLOSE_LIMIT: Final = 2.0
_LAST_WORDS: Final = 0.5

# What asyncssh uses of another library is nothing that a user can change.
warnings.filterwarnings("ignore", category=CryptographyDeprecationWarning, module=r"asyncssh\.")


@contextlib.asynccontextmanager
async def log_in(
    route: Route,
    dialogue: Dialogue,
    limits: Limits,
    early: "asyncio.Future[SocketWay]",
    laps: Laps,
    *,
    short_way: bool,
    shells: ShellMemory | None,
) -> AsyncIterator[RemoteHost]:
    """See :class:`remora.ports.Dialler`. `early` is the way to the first hop, timed by `laps`."""
    async with contextlib.AsyncExitStack() as stack:
        notices = [*route.notices, *(notice for host in (*route.jumps, route.target) for notice in notices_for(host))]
        before: _Hop | None = None
        for jump in route.jumps:
            try:
                hop = _Hop(jump, dialogue, limits, early, Laps(), short_way=short_way)
                before = await stack.enter_async_context(hop.connect(before))
            except RemoraError as error:
                raise _jump_problem(route, jump, error) from error
            notices += before.notices
            laps.end(Stage.ROUTE)
        hop = _Hop(route.target, dialogue, limits, early, laps, short_way=short_way)
        target = await stack.enter_async_context(hop.connect(before))
        yield target.remote_host(notices, shells)


class _Hop:
    """The way to one host of the route, over the connection to the one before it."""

    def __init__(
        self,
        host: Host,
        dialogue: Dialogue,
        limits: Limits,
        early: "asyncio.Future[SocketWay]",
        laps: Laps,
        *,
        short_way: bool,
    ) -> None:
        self._laps = laps
        self._short_way = short_way
        self._early: asyncio.Future[SocketWay] | None = early
        self._notices: list[Notice] = []
        self.connection: asyncssh.SSHClientConnection
        self._host = host
        self._dialogue = dialogue
        self._limits = limits
        self._lifetime: Lifetime
        self._login: Login
        self._known = KnownKeys()

    @contextlib.asynccontextmanager
    async def connect(self, before: "_Hop | None") -> AsyncIterator["_Hop"]:
        """Log in; a second time when the first showed a key that was then accepted."""
        self._known = await self._read_files(read_known_keys, self._host)
        accepted: bytes | None = None
        while True:
            async with contextlib.AsyncExitStack() as stack:
                try:
                    self.connection = await self._log_in(stack, before, accepted)
                    self._laps.end(Stage.AUTHENTICATION)
                except asyncssh.HostKeyNotVerifiable as error:
                    reason = str(error)
                else:
                    stack.push_async_callback(self._leave)
                    if self._login.host_is_weak():
                        raise self._weak_key()
                    yield self
                    return
            shown = self._login.shown
            if self._login.weak_bits is not None:
                raise self._weak_key()
            if shown is None:
                problem = certificate_problem(self._host, self._known, reason)
                if problem.code is Code.HOST_KEY_REVOKED or not (self._known.plain or self._known.without_port):
                    raise problem
                # As OpenSSH: a certificate that does not hold is none, and the plain key may be on record.
                self._known = replace(self._known, authorities=())
                self._notices.append(Notice("host-certificate-invalid", f"{problem.message} {problem.seen}."))
            elif self._login.shown_authority:  # as OpenSSH: no such authority, so ask for a plain key
                self._known = replace(self._known, authorities=())
            elif accepted is not None:
                raise unknown_key_problem(
                    self._host, shown.get_algorithm(), shown.public_data, reason="it differs from the key shown before"
                )
            else:
                accepted = await self._accept(shown)

    @property
    def alias(self) -> str:
        """The name of this hop."""
        return self._host.alias

    @property
    def notices(self) -> Sequence[Notice]:
        """What the user should know about this login."""
        return (*self._notices, *self._login.identities.notices)

    def remote_host(self, notices: Sequence[Notice], shells: ShellMemory | None) -> AsyncsshHost:
        """The established connection, with what is known about it."""
        connection = self.connection
        key = connection.get_server_host_key()
        facts = ConnectionFacts(
            user=self._host.user,
            hostname=self._host.hostname,
            port=self._host.port,
            host_key_fingerprint=fingerprint(key.public_data) if key is not None else "",
            server_version=str(connection.get_extra_info("server_version", "")),
            cipher=str(connection.get_extra_info("send_cipher", "")),
            authentication=self._login.methods[-1] if self._login.methods else "none",
            seconds=self._laps.seconds,
            notices=(*notices, *self.notices),
            shells=shells,
        )
        return AsyncsshHost(
            self._host,
            connection,
            self._lifetime,
            facts=facts,
            environment=session_environment(self._host),
            limits=self._limits,
        )

    def _weak_key(self) -> RemoraError:
        return weak_key_problem(self._host, self._login.weak_bits or 0)

    async def _read_files(self, read: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        try:
            async with asyncio.timeout(self._limits.connect):
                return await asyncio.to_thread(read, *arguments, **named)
        except TimeoutError:
            raise failures.files_too_slow(self._host, self._limits.connect) from None

    async def _log_in(
        self,
        stack: contextlib.AsyncExitStack,
        before: "_Hop | None",
        accepted: bytes | None,
    ) -> asyncssh.SSHClientConnection:
        host, connect_limit = self._host, self._host.connect_timeout or self._limits.connect
        options = connection_options(host, self._known, self._limits)
        proxy: Proxy | None = None
        if before is not None:
            options["tunnel"] = before.connection
        else:
            way = await self._take_way(stack, limit=connect_limit)
            options["tunnel"], proxy = SocketTunnel(way.connected), way.proxy
            await self._check_address(way)
        known = self._known
        deadline = asyncio.timeout(connect_limit)
        self._lifetime = Lifetime()
        self._login = Login(
            host,
            self._dialogue,
            known=known,
            accepted=accepted,
            key_types=options["server_host_key_algs"],
            short_way=self._short_way,
            key_proven=lambda: self._key_proven(deadline),
            lost=self._lifetime.end,
        )
        self._laps.start()
        try:
            async with deadline:
                return await asyncssh.connect(
                    host.hostname,
                    host.port,
                    client_factory=lambda: self._login,
                    known_hosts=([], [], _as_keys(known.revoked)),
                    host_key_alias=host.host_key_alias,
                    **options,
                )
        except TimeoutError:
            limit = self._limits.login if self._login.proven else connect_limit
            said = proxy.said if proxy is not None else ""
            raise failures.login_too_slow(host, self._login, limit, proxy_said=said) from None
        except asyncssh.HostKeyNotVerifiable:
            raise
        except asyncssh.ChannelOpenError as error:
            raise failures.tunnel_failure(host, before.alias if before is not None else "", error) from None
        except (asyncssh.Error, OSError, ValueError) as error:
            if self._login.weak_bits is not None:
                raise self._weak_key() from None
            if proxy is not None:
                await proxy.settle(_LAST_WORDS)
            raise failures.login_failure(
                host, self._login, error, proxy_said=proxy.said if proxy is not None else None
            ) from None

    def _key_proven(self, deadline: asyncio.Timeout) -> None:
        self._laps.end(Stage.HOST_KEY)
        deadline.reschedule(asyncio.get_running_loop().time() + self._limits.login)

    async def _take_way(self, stack: contextlib.AsyncExitStack, *, limit: float) -> SocketWay:
        """The way that was opened early, or for a second login a new one, which ends with `stack`."""
        early, self._early = self._early, None
        return await (early or open_way(stack, self._host, limit=limit, laps=self._laps))

    async def _check_address(self, way: SocketWay) -> None:
        """CheckHostIP: what is on record for the address counts, too, where OpenSSH looks at it."""
        host = self._host
        if option(host, "checkhostip") != "yes" or host.host_key_alias is not None or way.proxy is not None:
            return
        address = str(way.connected.getpeername()[0]).partition("%")[0]
        if address != host.hostname:
            keys = await self._read_files(read_address_keys, host, address)
            self._known = replace(self._known, address=keys)

    async def _accept(self, shown: asyncssh.SSHKey) -> bytes:
        """Decide about a key that is not on record, as StrictHostKeyChecking says."""
        known = self._known
        host, key, key_type = self._host, shown.public_data, shown.get_algorithm()
        if known.judge(key) is not KeyJudgement.UNKNOWN:
            raise refused_key_problem(host, known, key_type, key)
        policy = host.strict_host_key_checking
        if policy is StrictHostKeyChecking.YES:
            raise unknown_key_problem(host, key_type, key, reason="StrictHostKeyChecking is yes")
        if policy is StrictHostKeyChecking.ASK:
            if not await self._ask(key_type, key):
                return key
        else:
            self._notices.append(
                Notice(
                    "host-key-accepted",
                    f"The unknown {key_type} key of {host.alias}, {fingerprint(key)}, was accepted without a "
                    "question, because"
                    f" StrictHostKeyChecking is {policy.value}.",
                )
            )
        await asyncio.to_thread(record_key, host, key_type, key)
        return key

    async def _ask(self, key_type: str, key: bytes) -> bool:
        """Ask a person; whether the key shall be recorded. Raises HostKeyProblem when it is not accepted."""
        host = self._host
        if host.batch_mode:
            raise unknown_key_problem(host, key_type, key, reason="BatchMode is set, so remora did not ask")
        question = HostKeyQuestion(
            alias=host.alias,
            hostname=host.hostname,
            port=host.port,
            key_type=key_type,
            fingerprint=fingerprint(key),
            known_hosts_file=first_known_hosts_file(host) or "",
        )
        try:
            answer = await self._dialogue.accept_host_key(question)
        except NeedsPerson:
            raise unknown_key_problem(
                host, key_type, key, reason="nobody can confirm it (no terminal, or --no-input)"
            ) from None
        if answer is HostKeyAnswer.REFUSE:
            raise unknown_key_problem(host, key_type, key, reason="it was refused")
        return answer is HostKeyAnswer.RECORD

    async def _leave(self) -> None:
        self._lifetime.leaving = True
        self.connection.close()
        try:
            async with asyncio.timeout(_CLOSE_LIMIT):
                await self.connection.wait_closed()
        except TimeoutError:
            self.connection.abort()


def _as_keys(entries: Sequence[KnownKey]) -> list[asyncssh.SSHKey]:
    """The keys as asyncssh has them. A kind of key that it does not know it will not accept either."""
    keys = []
    for entry in entries:
        with contextlib.suppress(asyncssh.KeyImportError):
            keys.append(asyncssh.import_public_key(entry.key_type.encode() + b" " + base64.b64encode(entry.key)))
    return keys


def _jump_problem(route: Route, jump: Host, error: RemoraError) -> RemoraError:
    """Say which hop failed. What only needs another try is the route's failure; all else stays what it is."""
    code = Code.JUMP_FAILED if isinstance(error, Unreachable) and error.verdict is Verdict.RETRY else error.code
    return type(error)(
        code,
        f"On the way to {route.target.alias}, jump host {jump.alias} ({route.jumps.index(jump) + 1} of "
        f"{len(route.jumps)}): {error.message}",
        next_step=error.next_step,
        seen=error.seen,
        host=route.target.alias,
        stage=error.stage,
    )
