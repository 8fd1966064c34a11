"""How codex on a host signs in: with an API key or an access token, proven by a real request."""

import re
from collections.abc import AsyncIterator
from datetime import date
from typing import Final

from remora.core.devbox.logins import (
    LoginProof,
    LoginRecord,
    SignInProof,
    digest_secret,
    expiry_notice,
    read_day,
    read_record,
    secret_end,
)
from remora.core.devbox.provision_step import Finding, StepScript, StepState
from remora.core.errors import AppServerProblem, Code, ProvisionProblem, RemoraError
from remora.core.secrets import MASK, Secret
from remora.core.server.account_facts import AccountFacts
from remora.core.server.answers import Answers, without_escapes
from remora.core.server.request_faults import config_broken, config_trouble
from remora.flows.provision.steps.alone import AloneStep, AloneTerms
from remora.flows.provision.steps.step import Tell, Workbench
from remora.ports import SecretReader
from remora.wire.appserver.login_proof import is_refusal, read_proof
from remora.wire.manifest.document import LoginKind, LoginTable, SecretSource

OPTIONS: Final = {LoginKind.API_KEY: "--with-api-key", LoginKind.ACCESS_TOKEN: "--with-access-token"}
_TITLES: Final = {LoginKind.API_KEY: "sign in with an API key", LoginKind.ACCESS_TOKEN: "sign in with an access token"}
_READ: Final = "codex_program login_read"
_APPLY: Final = "codex_program login_functions login_apply"
_MARGIN: Final = 15.0
"""Seconds that a script gets beyond the time for one proof, to begin and to clean up."""

_AT_HOME: Final = re.compile(r"/\S*/login\.new/config\.toml")
"""The copy of the configuration beside which a new login is made."""


class LoginStep:
    """codex is signed in with the secret that `table` names.

    A secret that the host has already is not sent again: a record there holds its salted digest and the stamp of
    auth.json. A new login takes the place of the old one only when the model endpoint has not refused it.
    """

    name = "login"

    def __init__(self, table: LoginTable, secrets: SecretReader) -> None:
        if table.secret is None or table.kind not in OPTIONS:
            raise ValueError("a login step needs a kind and a secret")
        self._table = table
        self._source: SecretSource = table.secret
        self._secrets = secrets
        self.title = _TITLES[table.kind]

    def reading(self) -> StepScript:
        """See :class:`~remora.flows.provision.steps.step.Step`."""
        return StepScript(_READ)

    async def judge(self, answers: Answers, facts: AccountFacts) -> Finding:
        """See :class:`Step`. Reads the secret on this machine."""
        secret = await self._secret()
        today = read_day(answers.one("today"))
        notice = expiry_notice(self._expires(secret), today)
        notices = [notice] if notice else []
        if not answers.one("codex"):
            return Finding(state=StepState.LATER, detail="codex must be installed first", answers=answers)
        record = read_record(answers.one("record") or "")
        reason = self._difference(answers, record, secret)
        if reason is not None or record is None:
            end = secret_end(secret)
            if end is not None and today is not None and end < today:
                return Finding.blocked(self._ended(facts, end), answers)
            size = len(secret.reveal().encode("utf-8", "surrogateescape"))
            detail = f"{reason}; an {_words(self._table.kind)} is sent"
            return Finding(
                state=StepState.DIFFERENT, detail=detail, sends=size, notices=tuple(notices), answers=answers
            )
        if record.proof is not SignInProof.OK:
            notices.append(unsure_notice(record.proof))
        detail = f"signed in with this {_words(self._table.kind)}"
        return Finding(state=StepState.SAME, detail=detail, notices=tuple(notices), answers=answers)

    async def apply(self, finding: Finding, bench: Workbench, tell: Tell) -> None:
        """See :class:`Step`. Raises ``login-refused``; the old login is then untouched."""
        secret = await self._secret()
        await sign_in(bench, self._table.kind, secret)
        proof = await prove_login(bench, how="prove")
        if proof.proof in (SignInProof.REFUSED, SignInProof.MISSING):
            await bench.ask(StepScript(_APPLY, {"remora_how": "drop"}), limit=bench.world.limits.provision_step)
            raise login_refused(bench, proof, secret)
        await keep_login(bench, self._table.kind, secret, proof.proof, expires=self._table.expires)

    def alone(self, terms: AloneTerms) -> AloneStep:
        """See :class:`~remora.flows.provision.steps.step.Step`."""
        table = self._table
        return AloneStep(
            kind="login",
            name=self.name,
            title=self.title,
            scripts=(_READ, _APPLY),
            variables={
                "remora_login_kind": table.kind.value,
                "remora_option": OPTIONS[table.kind],
                "remora_expires": table.expires.isoformat() if table.expires else "",
                "remora_patience": str(max(round(terms.limits.login_proof), 1)),
            },
            secrets={"login": self._source},
        )

    async def _secret(self) -> Secret:
        source = self._source
        return await self._secrets.read(environment=source.environment, file=source.file, command=source.command)

    def _expires(self, secret: Secret) -> date | None:
        return self._table.expires or secret_end(secret)

    def _ended(self, facts: AccountFacts, end: date) -> RemoraError:
        return AppServerProblem(
            Code.LOGIN_REFUSED,
            f"The {_words(self._table.kind)} expired on {end.isoformat()}, so it was not sent.",
            next_step=f"Renew the secret and run this again; the login of {facts.account} is unchanged.",
        )

    def _difference(self, answers: Answers, record: LoginRecord | None, secret: Secret) -> str | None:
        """Why the login is not the wished one; `None` when it is."""
        if answers.one("auth") != "present":
            return "codex is not signed in"
        if record is None:
            return "codex is signed in, but not by remora"
        if record.stamp != answers.one("stamp"):
            return "another program changed the login"
        if record.kind != self._table.kind.value or not record.holds(secret):
            return "the secret has changed"
        if record.expires != self._expires(secret) and (record.expires or self._table.expires):
            return "the expiry day of the secret has changed"
        return None


async def sign_in(bench: Workbench, kind: LoginKind, secret: Secret) -> None:
    """Make a login beside the one that is there; the secret travels on standard input alone."""
    data = secret.reveal().encode("utf-8", "surrogateescape")

    async def pieces() -> AsyncIterator[bytes]:
        yield data

    script = StepScript(_APPLY, {"remora_how": "login", "remora_option": OPTIONS[kind]})
    answers = await bench.send(script, pieces(), size=len(data))
    if answers.one("login.status") != "0":
        said = _masked(answers.one("login.said") or "", secret)
        if is_refusal(said):
            raise login_refused(bench, LoginProof(proof=SignInProof.REFUSED, detail=said), secret)
        trouble = config_trouble(said)
        if trouble is not None:
            raise config_broken(_AT_HOME.sub(lambda _: f"{bench.facts.codex_home}/config.toml", trouble))
        raise ProvisionProblem(
            Code.STEP_FAILED,
            f"codex on {bench.host.facts.hostname} rejected the {_words(kind)}.",
            seen=said,
            next_step="Check that the secret is complete and has the kind that the manifest names.",
        )


async def prove_login(bench: Workbench, *, how: str) -> LoginProof:
    """Ask with the new login (``prove``) or the one that is there (``status``)."""
    limits = bench.world.limits
    variables = {"remora_how": how, "remora_patience": str(max(round(limits.login_proof), 1))}
    return read_proof(await bench.ask(StepScript(_APPLY, variables), limit=limits.login_proof + _MARGIN))


async def keep_login(
    bench: Workbench, kind: LoginKind | None, secret: Secret | None, proof: SignInProof, *, expires: date | None = None
) -> None:
    """Put the new login in the place of the old one. Without a secret (a person signed in) nothing is noted of it.

    `expires` is what somebody said of it; else its own word counts.
    """
    record = ""
    if secret is not None and kind is not None:
        salt = bench.world.nonce()
        noted = LoginRecord(
            salt=salt,
            digest=digest_secret(salt, secret),
            kind=kind.value,
            stamp="",
            proof=proof,
            expires=expires or secret_end(secret),
        )
        record = noted.text().replace("stamp=\n", "")
    variables = {"remora_how": "keep", "remora_record": record}
    await bench.ask(StepScript(_APPLY, variables), limit=bench.world.limits.provision_step)


def login_refused(bench: Workbench, proof: LoginProof, secret: Secret | None = None) -> RemoraError:
    """The failure that names the machine whose login is no good."""
    facts = bench.host.facts
    return AppServerProblem(
        Code.LOGIN_REFUSED,
        f"The login of codex on {facts.hostname} ({bench.facts.account}) failed in a real request.",
        seen=_masked(proof.detail, secret),
        next_step="Renew the secret and run this again; the previous login is unchanged."
        if secret is not None
        else f"Sign that machine in again: remora login, or codex login --device-auth as {bench.facts.account} there.",
    )


def _masked(text: str, secret: Secret | None) -> str:
    text = without_escapes(text)
    return text.replace(secret.reveal(), MASK) if secret is not None and secret.reveal() else text


def unsure_notice(proof: SignInProof) -> str:
    """What to say of a login that no request has proven."""
    if proof is SignInProof.UNUSED:
        return "The model provider in config.toml does not use the login of codex, so no request can test it."
    return "The login was not tested: the model endpoint gave no usable answer."


def _words(kind: LoginKind) -> str:
    return kind.value.replace("api-key", "API key").replace("access-token", "access token")
