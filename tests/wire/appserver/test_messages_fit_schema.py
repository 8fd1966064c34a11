"""Everything that we can send, against the schema that each generation generates for itself."""

import json
from typing import Any

import pytest
from tests.support.codex.binaries import VERSIONS
from tests.support.codex.schema import protocol_schema

from remora.core.approval.request import ApprovalRequest, Choice, RequestKind
from remora.core.trust.safety import SafetyConfig
from remora.flows.thread.run_request import RunRequest
from remora.wire import approval
from remora.wire.appserver import calls, safety, scored_server
from remora.wire.appserver.calls import ApprovalPolicy, SandboxMode, ThreadSettings
from remora.wire.appserver.safety import own_terms

pytestmark = pytest.mark.codex
generations = pytest.mark.parametrize("version", VERSIONS)
WHERE = {"threadId": "t", "turnId": "u", "itemId": "i", "startedAtMs": 1}

EVERYTHING = ThreadSettings(
    folder="/srv",
    model="m",
    effort="high",
    sandbox=SandboxMode.READ_ONLY,
    approval_policy=ApprovalPolicy.UNTRUSTED,
)
TERMS = [
    own_terms(config, sandbox, policy, trusted=False, distrusted=False)
    for config, sandbox, policy in (
        (SafetyConfig(), None, None),
        (SafetyConfig(), "danger-full-access", "never"),
        (SafetyConfig(roots=("/extra",), network=True, approval_policy="untrusted"), "workspace-write", None),
    )
]
REQUESTS: list[tuple[str, dict[str, Any]]] = [
    ("initialize", calls.initialize_params("1.0")),
    ("thread/start", calls.thread_start(ThreadSettings())),
    ("thread/start", calls.thread_start(EVERYTHING)),
    ("thread/resume", calls.thread_resume("t", ThreadSettings(), exclude_turns=True)),
    ("thread/resume", calls.thread_resume("t", EVERYTHING, exclude_turns=False)),
    ("thread/list", calls.threads_list(limit=5)),
    ("thread/list", calls.threads_list(limit=5, cursor="c")),
    ("thread/turns/list", calls.turns_list("t", limit=5)),
    ("thread/turns/list", calls.turns_list("t", limit=5, cursor="c", items=False)),
    ("thread/items/list", calls.items_list("t", "u", limit=5)),
    ("thread/items/list", calls.items_list("t", "u", limit=5, cursor="c")),
    *(
        ("turn/start", calls.turn_start("t", [calls.text_input("hi")], message_id="m", safety=terms.params))
        for terms in TERMS
    ),
    (
        "turn/start",
        calls.turn_start(
            "t",
            RunRequest(prompt="look", message_id="m", images=["data:image/png;base64,AA=="]).inputs,
            message_id="m",
            safety={},
            effort="high",
        ),
    ),
    ("turn/interrupt", calls.turn_interrupt("t", "u")),
    ("turn/steer", calls.turn_steer("t", "u", "please")),
    ("account/read", calls.account_read()),
    ("thread/start", scored_server.look_at_folder("/srv", None)),
    ("command/exec", scored_server.try_writing({"inside": "/srv/x"}, "/srv", None, limit=5)),
    ("command/exec", scored_server.try_writing({}, "/srv", scored_server.READ_ONLY, limit=5)),
    ("command/exec", scored_server.try_writing({}, "/srv", scored_server.workspace_of("/srv"), limit=5)),
    ("config/read", {"cwd": "/srv"}),
    ("config/read", safety.read_account()),
]

QUESTIONS: list[tuple[str, dict[str, Any]]] = [
    ("item/commandExecution/requestApproval", {**WHERE, "command": "ls", "cwd": "/srv"}),
    (
        "item/commandExecution/requestApproval",
        {
            **WHERE,
            "availableDecisions": [
                "accept",
                {"acceptWithExecpolicyAmendment": {"execpolicy_amendment": ["ls"]}},
                {"applyNetworkPolicyAmendment": {"network_policy_amendment": {"action": "deny", "host": "h"}}},
                "cancel",
            ],
        },
    ),
    ("item/fileChange/requestApproval", WHERE),
    ("item/permissions/requestApproval", {**WHERE, "permissions": {"network": {"enabled": True}}, "cwd": "/srv"}),
    ("item/tool/requestUserInput", {**WHERE, "questions": [{"id": "q", "header": "H", "question": "Q?"}]}),
    (
        "mcpServer/elicitation/request",
        {
            "serverName": "s",
            "threadId": "t",
            "mode": "form",
            "message": "m",
            "requestedSchema": {"type": "object", "properties": {"q": {"type": "string"}}},
        },
    ),
    ("mcpServer/elicitation/request", {"serverName": "s", "threadId": "t", "mode": "url", "message": "m", "url": "u"}),
    (
        "execCommandApproval",
        {"callId": "c", "conversationId": "t", "command": ["ls", "-l"], "cwd": "/", "parsedCmd": []},
    ),
    ("applyPatchApproval", {"callId": "c", "conversationId": "t", "fileChanges": {"/a": {"unified_diff": "+x"}}}),
]


@generations
def test_every_request_fits(version: str) -> None:
    schema = protocol_schema(version)
    checked = 0
    for method, params in REQUESTS:
        if schema.knows(method):
            schema.check_request(method, params)
            checked += 1
    assert checked >= 10


@generations
@pytest.mark.parametrize("mode", list(SandboxMode))
@pytest.mark.parametrize("policy", [each for each in ApprovalPolicy if each is not ApprovalPolicy.ON_FAILURE])
def test_presets_go_by_the_names_of_the_server(version: str, mode: SandboxMode, policy: ApprovalPolicy) -> None:
    params = calls.thread_start(ThreadSettings(sandbox=mode, approval_policy=policy))
    protocol_schema(version).check_request("thread/start", params)


@generations
@pytest.mark.parametrize(("method", "params"), QUESTIONS)
def test_every_decision_on_offer_fits_and_so_does_the_refusal(
    version: str, method: str, params: dict[str, Any]
) -> None:
    request = approval.read_request(3, method, params)
    assert request is not None
    assert not request.refusal.grants
    for choice in (*request.choices, request.refusal):
        decision = request.decision(choice, "person", answers={"q": ("yes",)})
        protocol_schema(version).check_answer(method, approval.answer(method, request, decision))


@generations
def test_tool_calls_are_answered_as_failed(version: str) -> None:
    body = calls.automatic_answer(1, "item/tool/call")
    assert body is not None
    protocol_schema(version).check_answer("item/tool/call", json.loads(body)["result"])


@pytest.mark.parametrize(("method", "params"), QUESTIONS)
def test_only_what_the_server_lists_is_offered(method: str, params: dict[str, Any]) -> None:
    request = approval.read_request(3, method, params)
    assert request is not None
    if "availableDecisions" in params:
        assert [choice.value for choice in request.choices] == params["availableDecisions"]
    invented = Choice("accept", "Yes", {"accept": "everything"}, grants=True)
    with pytest.raises(ValueError, match="not among"):
        approval.answer(method, request, request.decision(invented, "person"))


def test_what_is_not_understood_counts_as_granting() -> None:
    params = {**WHERE, "availableDecisions": ["acceptForever", {"somethingNew": {}}, "decline"]}
    request = approval.read_request(1, "item/commandExecution/requestApproval", params)
    assert request is not None
    assert [choice.grants for choice in request.choices] == [True, True, False]
    assert request.kind is RequestKind.COMMAND
    assert isinstance(request, ApprovalRequest)
    assert request.refusal.name == "decline"
