"""One host signed in, or asked whether it is: a real request tells, not what codex believes."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date

from remora.core.devbox.logins import LoginProof, SignInProof, expiry_notice, read_day, read_record
from remora.core.devbox.provision_step import StepScript
from remora.core.errors import AppServerProblem, Code, ExitCode, ProvisionProblem, RemoraError
from remora.core.secrets import Secret
from remora.core.text import neutralise
from remora.flows.host.dial import connect_host
from remora.flows.provision.bench import Bench, open_bench
from remora.flows.provision.lock import HostLock
from remora.flows.provision.operators import Operator
from remora.flows.provision.steps.login import keep_login, login_refused, prove_login, sign_in, unsure_notice
from remora.flows.provision.steps.server import ServerStep
from remora.ports import Dialogue, World
from remora.wire.manifest.document import LoginKind, ServerTable
from remora.wire.reports import NoticeBody, error_body
from remora.wire.reports.login import LoginReport

_READING = StepScript("codex_program login_read")
_DEVICE = StepScript("codex_program login_functions login_device")
_UNSENT = "error sending request"
"""What codex says when a request of its own has not left the host, or got no answer at all."""
_DROP = StepScript("codex_program login_functions login_apply", {"remora_how": "drop"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginWay:
    """With a secret of that kind; without one a person enters a device code."""

    kind: LoginKind | None = None
    secret: Secret | None = None
    expires: date | None = None


async def sign_in_host(
    alias: str, way: LoginWay, world: World, dialogue: Dialogue, *, operator: Operator, tell: Callable[[str], None]
) -> LoginReport:
    """Sign in codex on `alias`; `tell` hears what a person has to see, as codex says it (remote text, raw).

    A login that a real request refuses takes nobody's place: the one from before stays. Cancelling ends what runs on
    the host, too. Raises what stopped it before a request could tell.
    """
    async with connect_host(alias, world, dialogue) as host, open_bench(host, world) as bench:
        bench.attend("the login of codex", "login", lambda sent, total, line: tell(line) if line else None)
        lock = HostLock(bench, operator=operator.visiting(world.nonce()), wait=world.limits.provision_lock)
        await lock.take((), waits=tell)
        try:
            if way.secret is not None and way.kind is not None:
                await sign_in(bench, way.kind, way.secret)
            else:
                await _enter_code(bench)
            proof = await prove_login(bench, how="prove")
            refused = proof.proof in (SignInProof.REFUSED, SignInProof.MISSING)
            if refused:
                await bench.ask(_DROP, limit=world.limits.provision_step)
            else:
                await keep_login(bench, way.kind, way.secret, proof.proof, expires=way.expires)
        finally:
            with suppress(RemoraError):  # a lost connection has left it
                await lock.leave()
        error = login_refused(bench, proof, way.secret) if refused else None
        return await _report(alias, bench, proof, action="refused" if refused else "signed-in", error=error)


async def read_login(alias: str, world: World, dialogue: Dialogue) -> LoginReport:
    """Ask with the login that is there. Changes nothing, except what codex itself renews."""
    async with connect_host(alias, world, dialogue) as host, open_bench(host, world) as bench:
        await bench.survey(())
        proof = await prove_login(bench, how="status")
        error: RemoraError | None = None
        if proof.proof is SignInProof.REFUSED:
            error = login_refused(bench, proof)
        elif proof.proof is SignInProof.MISSING:
            error = _missing(bench)
        return await _report(alias, bench, proof, action="read", error=error)


async def _enter_code(bench: Bench) -> None:
    answers = await bench.run(_DEVICE, limit=bench.world.limits.login_device)
    if answers.one("status") != "0":
        await bench.ask(_DROP, limit=bench.world.limits.provision_step)
        raise _not_entered(bench.host.facts.hostname, answers.one("tail") or "")


def _not_entered(hostname: str, seen: str) -> ProvisionProblem:
    """Why there was no login by device code; `seen` is what codex said."""
    if _UNSENT in seen:
        return ProvisionProblem(
            Code.STEP_FAILED,
            f"codex on {hostname} could not reach the address for device codes.",
            seen=seen,
            next_step="Sign in with a key (--with-api-key), or give the host network access through this machine: "
            "remora forward --egress ALIAS auth.openai.com chatgpt.com api.openai.com",
        )
    return ProvisionProblem(
        Code.STEP_FAILED,
        f"codex on {hostname} was not signed in with a device code.",
        seen=seen,
        next_step="Run it again and enter the code in time; check whether your organisation allows device codes.",
    )


def _missing(bench: Bench) -> RemoraError:
    return AppServerProblem(
        Code.LOGIN_MISSING,
        f"codex on {bench.host.facts.hostname} is not signed in for {bench.facts.account}.",
        seen=f"no login in {bench.facts.codex_home}",
        next_step="Sign it in with: remora login ALIAS --device",
    )


async def _report(
    alias: str, bench: Bench, proof: LoginProof, *, action: str, error: RemoraError | None
) -> LoginReport:
    server = ServerStep(ServerTable())
    login_answers, server_answers = await bench.survey([_READING, server.reading()])
    finding = await server.judge(server_answers, bench.facts)
    record = read_record(login_answers.one("record") or "")
    noted = record if record is not None and record.stamp == login_answers.one("stamp") else None
    notices = [NoticeBody(code="server", message=neutralise(text, one_line=True)) for text in finding.notices]
    if noted is not None and (ending := expiry_notice(noted.expires, read_day(login_answers.one("today")))):
        notices.append(NoticeBody(code="login-expires", message=ending))
    if proof.proof in (SignInProof.UNPROVEN, SignInProof.UNUSED):
        notices.append(NoticeBody(code="login-unproven", message=unsure_notice(proof.proof)))
    if error is not None:
        error.belongs_to(alias)
    return LoginReport(
        ok=error is None,
        exit_code=int(_exit_code(proof, error, action)),
        alias=alias,
        hostname=bench.host.facts.hostname,
        account=neutralise(bench.facts.account, one_line=True),
        action=action,
        state=proof.proof.value,
        detail=error.seen if error is not None else neutralise(proof.detail),
        login=None if proof.account is None else neutralise(proof.account, one_line=True),
        expires=noted.expires.isoformat() if noted is not None and noted.expires else None,
        error=error_body(error) if error is not None else None,
        notices=notices,
    )


def _exit_code(proof: LoginProof, error: RemoraError | None, action: str) -> ExitCode:
    """Who asks whether a login is good must not hear "done" when nobody knows."""
    if error is not None:
        return error.exit_code
    return ExitCode.TASK_FAILED if action == "read" and proof.proof is SignInProof.UNPROVEN else ExitCode.DONE
