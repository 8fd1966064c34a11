"""What an app server's lines mean for the login; hostile lines prove nothing."""

import json
from typing import Any

import pytest

from remora.core.devbox.logins import SignInProof
from remora.core.server.answers import Answers
from remora.wire.appserver.login_proof import read_proof

NEEDS = {"id": 1, "result": {"account": {"type": "apiKey"}, "requiresOpenaiAuth": True}}
NOBODY = {"id": 1, "result": {"account": None, "requiresOpenaiAuth": True}}
FREE = {"id": 1, "result": {"account": None, "requiresOpenaiAuth": False}}
DONE = {"method": "turn/completed", "params": {"turn": {"status": "completed"}}}
WORD = {"method": "item/started", "params": {"item": {"type": "agentMessage"}}}
OWN_WORD = {"method": "item/started", "params": {"item": {"type": "userMessage"}}}


def error(message: str, info: object = None, *, retries: bool = False) -> dict[str, Any]:
    return {"method": "error", "params": {"error": {"message": message, "codexErrorInfo": info}, "willRetry": retries}}


def proof(*lines: object, auth: str = "present") -> SignInProof:
    pairs = [("auth", auth), *(("line", json.dumps(line)) for line in lines)]
    return read_proof(Answers(tuple(pairs))).proof


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((NEEDS, OWN_WORD, DONE), SignInProof.OK),
        ((NEEDS, WORD), SignInProof.OK),
        ((NEEDS, OWN_WORD), SignInProof.UNPROVEN),
        (
            (NEEDS, error("x", {"responseStreamDisconnected": {"httpStatusCode": 401}}, retries=True)),
            SignInProof.REFUSED,
        ),
        (
            (NEEDS, error("x", {"responseStreamDisconnected": {"httpStatusCode": 403}}, retries=True)),
            SignInProof.UNPROVEN,
        ),
        ((NEEDS, error("x", {"httpConnectionFailed": {"httpStatusCode": 403}})), SignInProof.REFUSED),
        ((NEEDS, error("unexpected status 401 Unauthorized: no", "other")), SignInProof.REFUSED),
        ((NEEDS, error("it could not be refreshed", "unauthorized")), SignInProof.REFUSED),
        (
            (NEEDS, error("error sending request", {"httpConnectionFailed": {"httpStatusCode": None}})),
            SignInProof.UNPROVEN,
        ),
        (
            (NEEDS, error("unexpected status 429", {"httpConnectionFailed": {"httpStatusCode": 429}})),
            SignInProof.UNPROVEN,
        ),
        ((FREE, DONE), SignInProof.UNUSED),
        ((), SignInProof.UNPROVEN),
        (("text", [1], {"method": "error"}, {"method": "turn/completed", "params": {"turn": 3}}), SignInProof.UNPROVEN),
    ],
)
def test_the_first_thing_that_decides_counts(lines: tuple[object, ...], expected: SignInProof) -> None:
    assert proof(*lines) is expected


def test_without_a_login_no_answer_is_a_proof_of_one() -> None:
    assert proof(NOBODY, DONE, auth="absent") is SignInProof.MISSING
    assert proof(NOBODY, error("unexpected status 401 Unauthorized", "other"), auth="present") is SignInProof.REFUSED


def test_lines_that_are_no_messages_are_passed_over() -> None:
    assert read_proof(Answers((("line", "{"), ("line", "\x00"), ("said", "codex: broken")))).detail == "codex: broken"
