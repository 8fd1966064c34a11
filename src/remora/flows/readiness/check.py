"""The staged proof of hosts: each over one connection, several side by side. Starts and changes nothing."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing

from remora.core.devbox.logins import login_ending
from remora.core.errors import Code, ExitCode, RemoraError, Stage, own_failure
from remora.core.host.hosts import Notice, Route
from remora.core.readiness import verdicts
from remora.core.readiness.checks import Outcome, Proof, StageResult, combined_exit_code
from remora.core.readiness.verdicts import Account
from remora.core.server.launch_plan import LaunchPlan, plan_launch
from remora.core.server.probes import HostFacts
from remora.core.settings import Limits
from remora.flows.host.dial import find_route
from remora.flows.kit.side_by_side import SideBySide
from remora.flows.server.rpc import RpcClient, open_rpc
from remora.flows.server.shell import ProbeRequest, RemoteShell, open_shell
from remora.flows.server.tunnel import open_tunnel
from remora.ports import ConnectionFacts, Dialogue, RemoteHost, World
from remora.wire.appserver.calls import account_read, mapping, text
from remora.wire.appserver.jsonrpc import Framing
from remora.wire.reports import error_body, notice_bodies
from remora.wire.reports.check import CheckProgress, CheckReport, CodexEntry, HostCheck, StageBody, StageProven

Tell = Callable[[StageProven], None]


async def check_hosts(
    aliases: Sequence[str], world: World, dialogue: Dialogue, *, codex: Mapping[str, str | None]
) -> AsyncGenerator[CheckProgress, None]:
    """Prove `aliases`, at most ``limits.check_parallel`` at once.

    Stages come as they are proven, hosts as they are done, and the report, in the order asked, at the end. A
    host that fails, in whatever way, stops no other. Close the iterator to stop: nothing is left running.
    """
    proofs: SideBySide[StageProven | tuple[HostCheck, ExitCode]] = SideBySide()
    places = asyncio.Semaphore(world.limits.check_parallel)

    async def check(alias: str) -> None:
        async with places:
            proofs.tell(await _HostProof(alias, world, dialogue, codex.get(alias), proofs.tell).run())

    names = list(dict.fromkeys(aliases))
    done: dict[str, tuple[HostCheck, ExitCode]] = {}
    async with aclosing(proofs.run(check(alias) for alias in names)) as news:
        async for item in news:
            if isinstance(item, tuple):
                done[item[0].alias] = item
                yield item[0]
            else:
                yield item
    hosts = [done[name][0] for name in names]
    code = combined_exit_code([done[name][1] for name in names])
    yield CheckReport(ok=all(host.ok for host in hosts), exit_code=int(code), hosts=hosts)


class _HostProof:
    def __init__(self, alias: str, world: World, dialogue: Dialogue, codex: str | None, tell: Tell) -> None:
        self._alias = alias
        self._world = world
        self._dialogue = dialogue
        self._codex = codex
        self._tell = tell
        self._proof = Proof()
        self._stage = Stage.CONFIG
        self._notices: list[Notice] = []
        self._facts: HostFacts | None = None
        self._plan: LaunchPlan | None = None
        self._began = self._since = world.clock.monotonic()

    async def run(self) -> tuple[HostCheck, ExitCode]:
        try:
            await self._prove()
        except RemoraError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 - a fault of ours at one host must not hide the others
            self._fail(own_failure("remora", error, next_step="Report it in remora's issue tracker."))
        for result in self._proof.skipped():
            self._tell_stage(result)
        return self._check(), self._proof.exit_code

    async def _prove(self) -> None:
        route = await find_route(self._alias, self._world.resolver, self._world.config)
        self._passed(Stage.CONFIG, _target(route))
        self._notices += route.notices
        self._stage = Stage.NAME
        async with self._world.dialler.dial(route, self._dialogue) as host:
            self._connected(host, route)
            self._stage = Stage.SHELL
            world = self._world
            async with open_shell(host, clock=world.clock, limits=world.limits, nonce=world.nonce) as shell:
                facts = self._facts = await shell.probe(ProbeRequest(codex=self._codex, prove=True))
                self._record(verdicts.judge_shell(facts, self._lap()))
                self._record(verdicts.judge_provision(facts.marker))
                self._stage = Stage.PATH
                await self._prove_server(host, shell, facts)

    def _connected(self, host: RemoteHost, route: Route) -> None:
        facts = host.facts
        self._notices += facts.notices
        self._dialled(Stage.NAME, f"{facts.hostname} port {facts.port}", facts)
        jumps = " > ".join(jump.alias for jump in route.jumps)
        command = route.target.proxy_command
        way = f"through {jumps}" if jumps else ("through a ProxyCommand" if command else "direct")
        self._dialled(Stage.ROUTE, f"{way}, {facts.server_version}", facts)
        self._dialled(Stage.HOST_KEY, facts.host_key_fingerprint, facts)
        self._dialled(Stage.AUTHENTICATION, f"{facts.user} by {facts.authentication}, {facts.cipher}", facts)
        self._lap()

    async def _prove_server(self, host: RemoteHost, shell: RemoteShell, facts: HostFacts) -> None:
        """Everything after the probe. The handshake comes first in time: it tells the real login state."""
        plan = _plan(facts, self._world.limits)
        self._plan = plan if isinstance(plan, LaunchPlan) else None
        account, handshake = await self._shake_hands(host, shell, facts, plan)
        for result in (
            verdicts.judge_path(facts),
            verdicts.judge_codex(facts, plan),
            verdicts.judge_login(facts, account),
            verdicts.judge_sandbox(facts),
            verdicts.judge_launch(plan),
            handshake,
        ):
            self._record(result)
        if isinstance(plan, LaunchPlan):
            self._notices += plan.notices
        ending = login_ending(facts.login_expires, self._world.clock.wall())
        if ending is not None:
            self._notices.append(Notice("login-expires", ending))

    async def _shake_hands(
        self, host: RemoteHost, shell: RemoteShell, facts: HostFacts, plan: LaunchPlan | RemoraError
    ) -> tuple[Account | None, StageResult]:
        if isinstance(plan, RemoraError) or plan.adopt is None:
            detail = "no app server runs there, and none was started"
            return None, StageResult(stage=Stage.HANDSHAKE, outcome=Outcome.SKIPPED, detail=detail)
        world = self._world
        try:
            async with AsyncExitStack() as stack:
                tunnel = await open_tunnel(host, shell, plan.adopt.socket, plan.codex)
                stack.push_async_callback(tunnel.stream.close)
                limits = world.limits.for_greeting()
                opening = open_rpc(tunnel.stream, Framing.WEBSOCKET, clock=world.clock, limits=limits)
                rpc = await stack.enter_async_context(opening)
                account = await _account(rpc)
                detail = f"codex {rpc.server.version or 'of unknown version'} answers over {tunnel.byte_path}"
                seconds = self._lap()
        except RemoraError as error:
            return None, self._no_answer(facts, error)
        return account, StageResult(stage=Stage.HANDSHAKE, outcome=Outcome.OK, detail=detail, seconds=seconds)

    def _no_answer(self, facts: HostFacts, error: RemoraError) -> StageResult:
        """A socket nobody listens on is healed by a run; a listener that does not answer is in the way."""
        seconds = self._lap()
        nobody = error.code in (Code.CHANNEL_REFUSED, Code.SERVER_GONE) and not facts.socket.listening
        if nobody and facts.server is None:
            detail = f"no server answers on {facts.socket.path}; a run would start one"
            return StageResult(stage=Stage.HANDSHAKE, outcome=Outcome.WARNING, detail=detail, seconds=seconds)
        return StageResult(
            stage=Stage.HANDSHAKE, outcome=Outcome.FAILED, detail=error.message, seconds=seconds, error=error
        )

    # -- recording

    def _lap(self) -> float:
        now = self._world.clock.monotonic()
        seconds, self._since = now - self._since, now
        return seconds

    def _passed(self, stage: Stage, detail: str) -> None:
        self._tell_stage(self._proof.passed(stage, detail, self._lap()))

    def _dialled(self, stage: Stage, detail: str, facts: ConnectionFacts) -> None:
        self._tell_stage(self._proof.passed(stage, detail, facts.seconds.get(stage)))

    def _record(self, result: StageResult) -> None:
        if result.error is not None:
            result.error.belongs_to(self._alias)
        self._tell_stage(self._proof.record(result))

    def _fail(self, error: RemoraError) -> None:
        error.belongs_to(self._alias)
        for result in self._proof.failed(error, during=self._stage, seconds=self._lap()):
            self._tell_stage(result)

    def _tell_stage(self, result: StageResult) -> None:
        self._tell(StageProven(alias=self._alias, stage=_stage_body(result)))

    def _check(self) -> HostCheck:
        results = self._proof.results
        return HostCheck(
            alias=self._alias,
            ok=all(result.outcome is not Outcome.FAILED for result in results),
            seconds=self._world.clock.monotonic() - self._began,
            stages=[_stage_body(result) for result in results],
            codex=_candidates(self._facts) if self._facts else [],
            plan=list(self._plan.describe()) if self._plan else [],
            notices=notice_bodies(self._notices),
        )


def _plan(facts: HostFacts, limits: Limits) -> LaunchPlan | RemoraError:
    try:
        return plan_launch(facts, handshake_seconds=limits.handshake)
    except RemoraError as error:
        return error


async def _account(rpc: RpcClient) -> Account | None:
    """The login that the running server has; `None` when it does not tell."""
    try:
        answer = mapping(await rpc.request("account/read", account_read()))
    except RemoraError:
        return None
    return Account(text(mapping(answer.get("account")).get("type")), bool(answer.get("requiresOpenaiAuth", True)))


def _target(route: Route) -> str:
    target = route.target
    return f"{target.user}@{target.hostname} port {target.port}"


def _stage_body(result: StageResult) -> StageBody:
    return StageBody(
        stage=result.stage.value,
        outcome=result.outcome.value,
        detail=result.detail,
        seconds=result.seconds,
        error=error_body(result.error) if result.error is not None else None,
    )


def _candidates(facts: HostFacts) -> list[CodexEntry]:
    return [
        CodexEntry(
            path=candidate.path,
            version=candidate.version,
            chosen=candidate is facts.codex,
            problem=candidate.problem,
        )
        for candidate in facts.candidates
    ]
