"""What an app server that was asked for a turn says of the login it used."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import msgspec

from remora.core.devbox.logins import LoginProof, SignInProof
from remora.core.server.answers import Answers

_UNAUTHORIZED: Final = re.compile(r"\b401 Unauthorized\b|could not be refreshed")
_FORBIDDEN: Final = re.compile(r"\b403 Forbidden\b")


def read_proof(answers: Answers) -> LoginProof:
    """What the lines of an app server say that was asked for its account and for a turn.

    ``line`` is a message of the server, ``auth`` tells whether an auth.json is there, ``said`` is its standard error.
    """
    messages = [message for line in answers.all("line") if (message := _message(line)) is not None]
    account, required = _account(messages)
    proof = _turn_proof(messages)
    if account is None and answers.one("auth") == "absent" and required:
        return LoginProof(proof=SignInProof.MISSING, detail=proof.detail)
    if proof.proof is SignInProof.OK and required is False:
        proof = replace(proof, proof=SignInProof.UNUSED, detail="the model provider does not use the login of codex")
    if not proof.detail and proof.proof is SignInProof.UNPROVEN:
        proof = replace(proof, detail=answers.one("said") or "codex did not answer in time")
    return replace(proof, account=account)


def is_refusal(said: str) -> bool:
    """Whether the words of ``codex login`` mean that it was refused: it asks the issuer of an access token."""
    return _UNAUTHORIZED.search(said) is not None


def _message(line: str) -> Mapping[str, Any] | None:
    try:
        value = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _account(messages: list[Mapping[str, Any]]) -> tuple[str | None, bool | None]:
    """The kind of account, and whether the provider needs one; `None`: not told."""
    for message in messages:
        result = message.get("result")
        if isinstance(result, dict) and "requiresOpenaiAuth" in result:
            account = result.get("account")
            kind = account.get("type") if isinstance(account, dict) else None
            return (kind if isinstance(kind, str) else None), bool(result["requiresOpenaiAuth"])
    return None, None


def _turn_proof(messages: list[Mapping[str, Any]]) -> LoginProof:
    """By the first thing that decides; an error of a try that will be repeated decides only when it is a refusal."""
    last = ""
    for message in messages:
        params = message.get("params")
        params = params if isinstance(params, dict) else {}
        method = message.get("method")
        if method in {"item/agentMessage/delta", "item/started", "item/completed"} and _from_model(params):
            return LoginProof(proof=SignInProof.OK)
        turn = params.get("turn")
        error = params.get("error")
        if method == "turn/completed" and isinstance(turn, dict):
            if turn.get("status") == "completed":
                return LoginProof(proof=SignInProof.OK)
            error = turn.get("error")
        elif method != "error":
            error = message.get("error")
        if isinstance(error, dict):
            last = _words(error)
            if _is_refusal(error, final=not params.get("willRetry")):
                return LoginProof(proof=SignInProof.REFUSED, detail=last)
    return LoginProof(proof=SignInProof.UNPROVEN, detail=last)


def _from_model(params: Mapping[str, Any]) -> bool:
    item = params.get("item")
    return "delta" in params or (isinstance(item, dict) and item.get("type") in {"agentMessage", "reasoning"})


def _words(error: Mapping[str, Any]) -> str:
    """codex puts what it saw behind what it does about it ("Reconnecting... 2/5")."""
    return str(error.get("additionalDetails") or error.get("message") or "")


def _is_refusal(error: Mapping[str, Any], *, final: bool) -> bool:
    """The border where codex's failures are classified: its own status where it tells it, else its fixed words."""
    info = error.get("codexErrorInfo")
    if info == "unauthorized":
        return True
    details = next(iter(info.values()), None) if isinstance(info, dict) else None
    status = details.get("httpStatusCode") if isinstance(details, dict) else None
    said = _words(error)
    refused = status == 401 or (status is None and _UNAUTHORIZED.search(said) is not None)
    forbidden = status == 403 or (status is None and _FORBIDDEN.search(said) is not None)
    return refused or (forbidden and final)
